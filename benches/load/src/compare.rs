//! `load compare`: the product against the bare loop, turn by turn on the same machine.

mod bare;
mod disk;
mod product;
mod rounds;
mod task;

use std::{error::Error, path::PathBuf, process::ExitCode};

use clap::Args;

use self::{
    bare::Bare,
    product::Measured,
    rounds::{Round, Rounds},
    task::{Crowd, Figures, Task},
};
use crate::{output, server::program};

/// Measure the product and the bare loop by turns and print the ratio
///
/// Each round measures both, in alternating order, in temporary folders side by side: single orders one at a time, large
/// orders by several clients, small orders by many; and how long the disk takes to sync 4 KiB.
#[derive(Args)]
pub(crate) struct Compare {
    /// The product's program (`pizzeria` beside this one)
    #[arg(long, value_name = "FILE")]
    pizzeria: Option<PathBuf>,
    /// The bare loop's program (`bare` beside this one)
    #[arg(long, value_name = "FILE")]
    bare: Option<PathBuf>,
    /// How many pizzas in large orders, altogether
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    pizzas: u64,
    /// In orders of so many
    #[arg(long, value_name = "K", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pizzas_per_order: u32,
    /// By so many clients
    #[arg(long, value_name = "C", default_value_t = 8, value_parser = clap::value_parser!(u32).range(2..))]
    clients: u32,
    /// How many small orders, of one pizza
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1..))]
    small_orders: u64,
    /// By so many clients
    #[arg(long, value_name = "C", default_value_t = 64, value_parser = clap::value_parser!(u32).range(2..))]
    small_clients: u32,
    /// How many single orders a round, one at a time
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..))]
    single_orders: u64,
    /// How many rounds
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// In how many partitions the bare loop runs; on two cores one is the fastest
    #[arg(long, value_name = "P", default_value_t = 1)]
    bare_partitions: u32,
    /// Where the temporary folders are made, which are removed at the end
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Also write all figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl Compare {
    /// Exit code 1 if the product broke a promise on the way.
    pub(crate) fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let mut rounds = Rounds::default();
        for index in 0..self.rounds {
            rounds.add(self.round(index)?);
        }
        let results = rounds.results(self.task());
        results.print();
        output::write(self.json.as_deref(), &results)?;
        Ok(if rounds.finding_count() == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }

    fn round(&self, index: u32) -> Result<Round, Box<dyn Error>> {
        let folder = tempfile::Builder::new().prefix("compare-").tempdir_in(self.parent())?;
        let sync_p50_us = u64::try_from(disk::sync_p50(folder.path())?.as_micros())?;
        let task = self.task();
        let pizzeria = program(self.pizzeria.as_deref(), "pizzeria")?;
        let program = program(self.bare.as_deref(), "bare")?;
        let product = || product::measure(&pizzeria, folder.path(), &task);
        let bare = Bare { program, folder: folder.path(), partitions: self.bare_partitions };
        let bare = || bare.measure(&task);
        // Whoever comes second may find a busier disk; so each is second in every other round.
        let (product, bare) = if index.is_multiple_of(2) {
            let product = product()?;
            (product, bare()?)
        } else {
            let bare = bare()?;
            (product()?, bare)
        };
        let Measured { figures, peak_memory_mib, finding_count } = product;
        Ok(Round { sync_p50_us, product: figures, product_memory_mib: peak_memory_mib, bare, finding_count })
    }

    fn parent(&self) -> PathBuf {
        self.dir.clone().unwrap_or_else(std::env::temp_dir)
    }

    fn task(&self) -> Task {
        let orders = self.pizzas.div_ceil(u64::from(self.pizzas_per_order));
        Task {
            single_orders: self.single_orders,
            large: Crowd { orders, pizzas_per_order: self.pizzas_per_order, clients: self.clients },
            small: Crowd { orders: self.small_orders, pizzas_per_order: 1, clients: self.small_clients },
        }
    }
}
