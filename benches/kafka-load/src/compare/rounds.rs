//! What the rounds gave.
#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

use bench_report::{Machine, Spread};
use serde::Serialize;

use super::{contender::Contender, work::Figures, work::Work};

/// All rounds, printed as they come. Contenders are named by where they stand in the list.
pub(super) struct Rounds {
    contenders: Vec<(String, Work)>,
    rounds: Vec<Vec<Figures>>,
    /// Something was lost, doubled or wrong before the first round that counts.
    is_spoiled: bool,
}

/// All that is known at the end.
#[derive(Serialize)]
pub(super) struct Results {
    machine: Machine,
    partitions: u32,
    contenders: Vec<Row>,
    ratios: Vec<Ratio>,
}

/// A contender's own figures.
#[derive(Serialize)]
struct Row {
    name: String,
    work: Work,
    pizzas_per_second: Spread,
    cpu_us_per_pizza: Spread,
    p50_us: Spread,
    p99_us: Spread,
    rounds: Vec<Figures>,
}

/// How the first contender compares with another, within each round.
#[derive(Serialize)]
struct Ratio {
    to: String,
    pizzas_per_second: Spread,
    p50: Spread,
    p99: Spread,
}

impl Rounds {
    pub(super) fn of(contenders: &[Contender]) -> Self {
        let contenders = contenders.iter().map(|contender| (contender.name.clone(), contender.work)).collect();
        Self { contenders, rounds: Vec::new(), is_spoiled: false }
    }

    /// A round whose figures do not count. What went wrong in it does.
    pub(super) fn warmed_up(&mut self, round: &[Figures]) {
        for ((name, _), Figures { findings, .. }) in self.contenders.iter().zip(round) {
            if !findings.is_empty() {
                println!("warming up   {name}: {findings}");
                self.is_spoiled = true;
            }
        }
    }

    pub(super) fn add(&mut self, round: Vec<Figures>) {
        let width = self.width();
        if self.rounds.is_empty() {
            println!("round   {:width$}   pizzas/s   CPU us a pizza   one pizza p50 / p90 / p99 ms", "");
        }
        let number = self.rounds.len() + 1;
        for ((name, _), figures) in self.contenders.iter().zip(&round) {
            let Figures { pizzas_per_second, cpu_us_per_pizza, latency, findings } = figures;
            println!(
                "{number:>5}   {name:width$}   {pizzas_per_second:>8.0}   {cpu_us_per_pizza:>14.1}   {:.1} / {:.1} / {:.1}",
                milliseconds(latency.p50_us),
                milliseconds(latency.p90_us),
                milliseconds(latency.p99_us)
            );
            if !findings.is_empty() {
                println!("        {name}: {findings}");
            }
        }
        self.rounds.push(round);
    }

    fn width(&self) -> usize {
        self.contenders.iter().map(|(name, _)| name.len()).max().unwrap_or_default()
    }

    pub(super) fn are_clean(&self) -> bool {
        !self.is_spoiled && self.rounds.iter().flatten().all(|figures| figures.findings.is_empty())
    }

    pub(super) fn results(&self, partitions: u32) -> Results {
        Results {
            machine: Machine::this(),
            partitions,
            contenders: (0..self.contenders.len()).map(|index| self.row(index)).collect(),
            ratios: (1..self.contenders.len()).map(|index| self.ratio(index)).collect(),
        }
    }

    fn row(&self, index: usize) -> Row {
        let each = |figure: fn(&Figures) -> f64| self.rounds.iter().map(move |round| figure(&round[index]));
        let (name, work) = self.contenders[index].clone();
        Row {
            name,
            work,
            pizzas_per_second: Spread::more_is_better(each(|figures| figures.pizzas_per_second)),
            cpu_us_per_pizza: Spread::less_is_better(each(|figures| figures.cpu_us_per_pizza)),
            p50_us: Spread::less_is_better(each(p50)),
            p99_us: Spread::less_is_better(each(p99)),
            rounds: self.rounds.iter().map(|round| round[index]).collect(),
        }
    }

    fn ratio(&self, other: usize) -> Ratio {
        let each = |figure: fn(&Figures) -> f64| {
            self.rounds.iter().map(move |round| figure(&round[0]) / figure(&round[other]))
        };
        Ratio {
            to: self.contenders[other].0.clone(),
            pizzas_per_second: Spread::more_is_better(each(|figures| figures.pizzas_per_second)),
            p50: Spread::less_is_better(each(p50)),
            p99: Spread::less_is_better(each(p99)),
        }
    }
}

impl Results {
    /// Each figure's own: they need not come from the same round.
    pub(super) fn print(&self) {
        let width = self.contenders.iter().map(|row| row.name.len()).max().unwrap_or_default();
        println!("\n{:width$}   best / median / worst", "");
        for Row { name, pizzas_per_second: rate, p50_us, p99_us, .. } in &self.contenders {
            let [p50, p99] = [p50_us, p99_us].map(|us| us.shown(1e-3, 1));
            println!("{name:width$}   {} pizzas/s   p50 {p50} ms   p99 {p99} ms", rate.shown(1.0, 0));
        }
        let Some(first) = self.contenders.first() else { return };
        for Ratio { to, pizzas_per_second, p50, p99 } in &self.ratios {
            let [rate, p50, p99] = [pizzas_per_second, p50, p99].map(|ratio| ratio.shown(1.0, 2));
            println!("{} / {to}: rate {rate}   p50 {p50}   p99 {p99}", first.name);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a time of a pizza is far below what a float counts exactly")]
fn p50(figures: &Figures) -> f64 {
    figures.latency.p50_us as f64
}

#[expect(clippy::cast_precision_loss, reason = "a time of a pizza is far below what a float counts exactly")]
fn p99(figures: &Figures) -> f64 {
    figures.latency.p99_us as f64
}

fn milliseconds(microseconds: u64) -> f64 {
    std::time::Duration::from_micros(microseconds).as_secs_f64() * 1e3
}
