//! What the rounds gave.
#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

use serde::Serialize;

use super::Figures;

/// Both, measured shortly after each other.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Round {
    pub(super) sync_p50_us: u64,
    pub(super) product: Figures,
    pub(super) bare: Figures,
    pub(super) finding_count: usize,
}

/// All rounds, printed as they come.
#[derive(Debug, Default, Serialize)]
pub(super) struct Rounds(Vec<Round>);

impl Rounds {
    pub(super) fn add(&mut self, round: Round) {
        if self.0.is_empty() {
            println!(
                "round   pizzeria pizzas/s   bare pizzas/s   ratio   pizzeria ready p50/p99 ms   bare   fdatasync p50 ms"
            );
        }
        self.0.push(round);
        println!("{:>5}   {}", self.0.len(), line(&round));
        if round.finding_count > 0 {
            println!("        promises broken: {}", round.finding_count);
        }
    }

    /// Each figure's own median: they need not come from the same round.
    pub(super) fn print_median(&self) {
        println!("median  {}", line(&self.median()));
        println!("median of the ratios  {:.2}", self.middle(ratio));
    }

    pub(super) fn finding_count(&self) -> usize {
        self.0.iter().map(|round| round.finding_count).sum()
    }

    fn median(&self) -> Round {
        Round {
            sync_p50_us: self.middle(|round| round.sync_p50_us),
            product: self.median_of(|round| &round.product),
            bare: self.median_of(|round| &round.bare),
            finding_count: self.finding_count(),
        }
    }

    fn median_of(&self, of: fn(&Round) -> &Figures) -> Figures {
        Figures {
            pizzas_per_second: self.middle(|round| of(round).pizzas_per_second),
            acknowledged_p50_us: self.middle(|round| of(round).acknowledged_p50_us),
            acknowledged_p99_us: self.middle(|round| of(round).acknowledged_p99_us),
            ready_p50_us: self.middle(|round| of(round).ready_p50_us),
            ready_p99_us: self.middle(|round| of(round).ready_p99_us),
        }
    }

    fn middle<T: PartialOrd + Copy>(&self, figure: impl Fn(&Round) -> T) -> T {
        let mut figures: Vec<T> = self.0.iter().map(figure).collect();
        figures.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
        figures[figures.len() / 2]
    }
}

fn ratio(round: &Round) -> f64 {
    round.product.pizzas_per_second / round.bare.pizzas_per_second
}

fn line(round: &Round) -> String {
    let Round { sync_p50_us, product, bare, .. } = round;
    format!(
        "{:>17.0}   {:>13.0}   {:>5.2}   {:>25}   {}   {}",
        product.pizzas_per_second,
        bare.pizzas_per_second,
        ratio(round),
        ready(product),
        ready(bare),
        milliseconds(*sync_p50_us),
    )
}

fn ready(figures: &Figures) -> String {
    format!("{} / {}", milliseconds(figures.ready_p50_us), milliseconds(figures.ready_p99_us))
}

fn milliseconds(microseconds: u64) -> String {
    format!("{:.2}", std::time::Duration::from_micros(microseconds).as_secs_f64() * 1e3)
}
