//! `load compare`: the product against the bare loop, turn by turn on the same machine.

mod bare;
mod disk;
mod product;
mod rounds;

use std::{error::Error, io, path::PathBuf, process::ExitCode};

use clap::Args;

use self::rounds::{Round, Rounds};
use crate::output;

/// Measure the product and the bare loop by turns and print the ratio
///
/// Each round measures both, in alternating order, in temporary folders side by side: orders by several clients, then
/// single orders one at a time; and how long the disk takes to sync 4 KiB.
#[derive(Args)]
pub(crate) struct Compare {
    /// The product's program (`pizzeria` beside this one)
    #[arg(long, value_name = "FILE")]
    pizzeria: Option<PathBuf>,
    /// The bare loop's program (`bare` beside this one)
    #[arg(long, value_name = "FILE")]
    bare: Option<PathBuf>,
    /// How many pizzas a round, altogether
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pizzas: u64,
    /// In orders of so many
    #[arg(long, value_name = "K", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    pizzas_per_order: u32,
    /// By so many clients
    #[arg(long, value_name = "C", default_value_t = 8, value_parser = clap::value_parser!(u32).range(2..))]
    clients: u32,
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

/// What both have to do in a round.
#[derive(Debug, Clone, Copy)]
struct Task {
    pizzas: u64,
    pizzas_per_order: u32,
    clients: u32,
    single_orders: u64,
}

/// What one of them took for it.
#[derive(Debug, Clone, Copy, serde::Serialize)]
struct Figures {
    pizzas_per_second: f64,
    acknowledged_p50_us: u64,
    acknowledged_p99_us: u64,
    ready_p50_us: u64,
    ready_p99_us: u64,
}

impl Compare {
    /// Exit code 1 if the product broke a promise on the way.
    pub(crate) fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let mut rounds = Rounds::default();
        for index in 0..self.rounds {
            rounds.add(self.round(index)?);
        }
        rounds.print_median();
        output::write(self.json.as_deref(), &rounds)?;
        Ok(if rounds.finding_count() == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }

    fn round(&self, index: u32) -> Result<Round, Box<dyn Error>> {
        let folder = tempfile::Builder::new().prefix("compare-").tempdir_in(self.parent())?;
        let sync_p50_us = u64::try_from(disk::sync_p50(folder.path())?.as_micros())?;
        let (pizzeria, bare) = (program(&self.pizzeria, "pizzeria")?, program(&self.bare, "bare")?);
        let product = || product::measure(&pizzeria, folder.path(), self.task());
        let bare = || bare::measure(&bare, folder.path(), self.task(), self.bare_partitions);
        // Whoever comes second may find a busier disk; so each is second in every other round.
        let (product, bare) = if index.is_multiple_of(2) {
            let product = product()?;
            (product, bare()?)
        } else {
            let bare = bare()?;
            (product()?, bare)
        };
        let (product, finding_count) = product;
        Ok(Round { sync_p50_us, product, bare, finding_count })
    }

    fn parent(&self) -> PathBuf {
        self.dir.clone().unwrap_or_else(std::env::temp_dir)
    }

    fn task(&self) -> Task {
        Task {
            pizzas: self.pizzas,
            pizzas_per_order: self.pizzas_per_order,
            clients: self.clients,
            single_orders: self.single_orders,
        }
    }
}

/// The program that was named, or the one of this name that was built together with this one.
fn program(named: &Option<PathBuf>, name: &str) -> io::Result<PathBuf> {
    match named {
        Some(path) => Ok(path.clone()),
        None => Ok(std::env::current_exe()?.with_file_name(name)),
    }
}

impl Task {
    fn order_count(&self) -> u64 {
        self.pizzas.div_ceil(u64::from(self.pizzas_per_order))
    }
}
