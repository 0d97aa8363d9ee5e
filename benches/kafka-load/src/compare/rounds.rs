//! What the rounds gave.
#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

use std::time::Duration;

use serde::Serialize;

use super::Figures;

/// Both, measured shortly after each other.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Round {
    pub(super) product: Figures,
    pub(super) bare: Figures,
}

/// All rounds, printed as they come.
#[derive(Debug, Default, Serialize)]
pub(super) struct Rounds(Vec<Round>);

/// A line of the table.
struct Line {
    rates: [f64; 2],
    ratio: f64,
    cpu_us: [f64; 2],
    product_us: [u64; 3],
    bare_us: [u64; 3],
}

impl Rounds {
    pub(super) fn add(&mut self, round: Round) {
        if self.0.is_empty() {
            println!(
                "round    services pizzas/s   bare pizzas/s   ratio   CPU us a pizza   services one pizza p50/p90/p99 ms   bare"
            );
        }
        self.0.push(round);
        println!("{:>5}    {}", self.0.len(), round.line());
        for (name, findings) in [("services", round.product.findings), ("bare", round.bare.findings)] {
            if !findings.is_empty() {
                println!("         {name}: {findings}");
            }
        }
    }

    /// Each figure's own: they need not come from the same round.
    pub(super) fn print_summary(&self) {
        println!(
            "median   {}",
            self.each(
                |sorted| sorted[sorted.len() / 2],
                |sorted| sorted[sorted.len() / 2],
                |sorted| sorted[sorted.len() / 2]
            )
        );
        println!("best     {}", self.each(|sorted| sorted[sorted.len() - 1], |sorted| sorted[0], |sorted| sorted[0]));
    }

    pub(super) fn are_clean(&self) -> bool {
        self.0.iter().all(|round| round.product.findings.is_empty() && round.bare.findings.is_empty())
    }

    fn each(&self, of_rates: fn(&[f64]) -> f64, of_costs: fn(&[f64]) -> f64, of_times: fn(&[u64]) -> u64) -> Line {
        let rate = |figure: fn(&Line) -> f64| of_rates(&self.sorted(figure));
        let cost = |figure: fn(&Line) -> f64| of_costs(&self.sorted(figure));
        let time = |figure: fn(&Line) -> u64| of_times(&self.sorted(figure));
        Line {
            rates: [rate(|line| line.rates[0]), rate(|line| line.rates[1])],
            ratio: rate(|line| line.ratio),
            cpu_us: [cost(|line| line.cpu_us[0]), cost(|line| line.cpu_us[1])],
            product_us: [
                time(|line| line.product_us[0]),
                time(|line| line.product_us[1]),
                time(|line| line.product_us[2]),
            ],
            bare_us: [time(|line| line.bare_us[0]), time(|line| line.bare_us[1]), time(|line| line.bare_us[2])],
        }
    }

    fn sorted<T: PartialOrd>(&self, figure: fn(&Line) -> T) -> Vec<T> {
        let mut figures: Vec<T> = self.0.iter().map(|round| figure(&round.line())).collect();
        figures.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
        figures
    }
}

impl Round {
    fn line(&self) -> Line {
        let times = |figures: &Figures| [figures.latency.p50_us, figures.latency.p90_us, figures.latency.p99_us];
        let rates = [self.product.pizzas_per_second, self.bare.pizzas_per_second];
        let ratio = rates[0] / rates[1];
        let cpu_us = [self.product.cpu_us_per_pizza, self.bare.cpu_us_per_pizza];
        Line { rates, ratio, cpu_us, product_us: times(&self.product), bare_us: times(&self.bare) }
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [product, bare] = self.rates;
        let (product_times, bare_times) = (milliseconds(self.product_us), milliseconds(self.bare_us));
        let cpu = format!("{:.1} / {:.1}", self.cpu_us[0], self.cpu_us[1]);
        write!(
            f,
            "{product:>17.0}   {bare:>13.0}   {:>5.2}   {cpu:>14}   {product_times:>33}   {bare_times}",
            self.ratio
        )
    }
}

fn milliseconds(microseconds: [u64; 3]) -> String {
    microseconds.map(|value| format!("{:.1}", Duration::from_micros(value).as_secs_f64() * 1e3)).join(" / ")
}
