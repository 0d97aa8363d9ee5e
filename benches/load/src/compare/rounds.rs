//! What the rounds gave.
#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

use bench_report::{Machine, Spread};
use serde::Serialize;

use super::{Figures, Task};

/// Both, measured shortly after each other.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Round {
    pub(super) sync_p50_us: u64,
    pub(super) product: Figures,
    pub(super) product_memory_mib: f64,
    pub(super) bare: Figures,
    pub(super) finding_count: usize,
}

/// All rounds, printed as they come.
#[derive(Debug, Default)]
pub(super) struct Rounds(Vec<Round>);

/// All that is known at the end.
#[derive(Serialize)]
pub(super) struct Results {
    machine: Machine,
    task: Task,
    sync_p50_us: Spread,
    product: Row,
    /// The most memory that it has had.
    product_memory_mib: Spread,
    bare: Row,
    /// Of each round, product by bare.
    ratios: Ratios,
    rounds: Vec<Round>,
}

#[derive(Serialize)]
struct Row {
    pizzas_per_second: Spread,
    small_orders_per_second: Spread,
    acknowledged_p50_us: Spread,
    ready_p50_us: Spread,
    ready_p99_us: Spread,
}

#[derive(Serialize)]
struct Ratios {
    pizzas_per_second: Spread,
    small_orders_per_second: Spread,
}

impl Rounds {
    pub(super) fn add(&mut self, round: Round) {
        if self.0.is_empty() {
            println!(
                "round   who        pizzas/s   small orders/s   one order acknowledged / ready p50 / p99 ms   fdatasync p50 ms"
            );
        }
        self.0.push(round);
        for (name, figures) in [("pizzeria", &round.product), ("bare", &round.bare)] {
            println!(
                "{:>5}   {name:8}   {:>8.0}   {:>14.0}   {:>22} / {:>5} / {:>9}   {:>16}",
                self.0.len(),
                figures.pizzas_per_second,
                figures.small_orders_per_second,
                milliseconds(figures.acknowledged_p50_us),
                milliseconds(figures.ready_p50_us),
                milliseconds(figures.ready_p99_us),
                milliseconds(round.sync_p50_us),
            );
        }
        if round.finding_count > 0 {
            println!("        promises broken: {}", round.finding_count);
        }
    }

    pub(super) fn finding_count(&self) -> usize {
        self.0.iter().map(|round| round.finding_count).sum()
    }

    pub(super) fn results(&self, task: Task) -> Results {
        let ratio = |figure: fn(&Figures) -> f64| {
            Spread::more_is_better(self.0.iter().map(|round| figure(&round.product) / figure(&round.bare)))
        };
        Results {
            machine: Machine::this(),
            task,
            sync_p50_us: Spread::less_is_better(self.0.iter().map(|round| float(round.sync_p50_us))),
            product: self.row(|round| &round.product),
            product_memory_mib: Spread::less_is_better(self.0.iter().map(|round| round.product_memory_mib)),
            bare: self.row(|round| &round.bare),
            ratios: Ratios {
                pizzas_per_second: ratio(|figures| figures.pizzas_per_second),
                small_orders_per_second: ratio(|figures| figures.small_orders_per_second),
            },
            rounds: self.0.clone(),
        }
    }

    fn row(&self, of: fn(&Round) -> &Figures) -> Row {
        let each = |figure: fn(&Figures) -> f64| self.0.iter().map(move |round| figure(of(round)));
        Row {
            pizzas_per_second: Spread::more_is_better(each(|figures| figures.pizzas_per_second)),
            small_orders_per_second: Spread::more_is_better(each(|figures| figures.small_orders_per_second)),
            acknowledged_p50_us: Spread::less_is_better(each(|figures| float(figures.acknowledged_p50_us))),
            ready_p50_us: Spread::less_is_better(each(|figures| float(figures.ready_p50_us))),
            ready_p99_us: Spread::less_is_better(each(|figures| float(figures.ready_p99_us))),
        }
    }
}

impl Results {
    /// Each figure's own: they need not come from the same round.
    pub(super) fn print(&self) {
        println!("\nbest / median / worst; {}", self.machine);
        for (name, row) in [("pizzeria", &self.product), ("bare", &self.bare)] {
            let times = [row.acknowledged_p50_us, row.ready_p50_us, row.ready_p99_us];
            let [acknowledged, p50, p99] = times.map(|us| us.shown(1e-3, 2));
            println!("{name:8}   large orders   {} pizzas/s", row.pizzas_per_second.shown(1.0, 0));
            println!("{name:8}   small orders   {} orders/s", row.small_orders_per_second.shown(1.0, 0));
            println!(
                "{name:8}   one order      acknowledged p50 {acknowledged} ms   ready p50 {p50} ms   p99 {p99} ms"
            );
        }
        println!("pizzeria   memory         {} MiB at most", self.product_memory_mib.shown(1.0, 0));
        println!("fdatasync of 4 KiB        p50 {} ms", self.sync_p50_us.shown(1e-3, 2));
        let Ratios { pizzas_per_second, small_orders_per_second } = &self.ratios;
        let [large, small] = [pizzas_per_second, small_orders_per_second].map(|ratio| ratio.shown(1.0, 2));
        println!("pizzeria / bare           large orders {large}   small orders {small}");
    }
}

#[expect(clippy::cast_precision_loss, reason = "a time of an order is far below what a float counts exactly")]
fn float(microseconds: u64) -> f64 {
    microseconds as f64
}

fn milliseconds(microseconds: u64) -> String {
    format!("{:.2}", float(microseconds) / 1e3)
}
