//! The command line.
#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

use std::{error::Error, fs, path::PathBuf};

use clap::{Parser, value_parser};
use serde::Serialize;

use crate::{
    chain::Chain,
    clients::{Crowd, one_by_one},
    figures::{Latencies, Throughput},
    rows::Contents,
};

/// The pizzeria's six hops as a bare loop on one log: no HTTP, no headers, no metrics, no parking.
#[derive(Parser)]
#[command(name = "bare", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Command {
    #[cfg(feature = "kafka")]
    #[command(subcommand)]
    other: Option<Other>,
    /// So many pizzas altogether; 0 leaves the measurement of throughput out
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pizzas: u64,
    /// In orders of so many
    #[arg(long, value_name = "K", default_value_t = 100, value_parser = value_parser!(u32).range(1..))]
    pizzas_per_order: u32,
    /// By so many clients, each of which waits until its last order is acknowledged
    #[arg(long, value_name = "C", default_value_t = 8, value_parser = value_parser!(u32).range(1..))]
    clients: u32,
    /// In so many partitions, each with six threads
    #[arg(long, value_name = "P", default_value_t = 1, value_parser = value_parser!(u32).range(1..=64))]
    partitions: u32,
    /// So many orders of one pizza before, one at a time; 0 leaves the measurement of latency out
    #[arg(long, value_name = "N", default_value_t = 500)]
    latency: u64,
    /// Where the temporary folder is made, which is removed at the end
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Also write the figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[cfg(feature = "kafka")]
#[derive(clap::Subcommand)]
enum Other {
    Kafka(crate::kafka::Kafka),
}

#[derive(Serialize)]
struct Figures {
    partition_count: u32,
    client_count: u32,
    latency: Option<Latencies>,
    throughput: Option<Throughput>,
}

impl Command {
    pub(crate) fn run(&self) -> Result<(), Box<dyn Error>> {
        #[cfg(feature = "kafka")]
        if let Some(Other::Kafka(kafka)) = &self.other {
            return kafka.run();
        }
        let parent = self.dir.clone().unwrap_or_else(std::env::temp_dir);
        let folder = tempfile::Builder::new().prefix("bare-").tempdir_in(parent)?;
        let chain = Chain::start(folder.path(), self.partitions)?;
        let crowd = self.crowd();
        let latency = (self.latency > 0).then(|| one_by_one(&chain, self.latency)).transpose()?;
        let throughput = (self.pizzas > 0).then(|| crowd.run(&chain, self.latency)).transpose()?;
        let expected =
            Contents { orders: self.latency + crowd.order_count, pizzas: self.latency + crowd.pizza_count() };
        check(&chain.close()?, &expected)?;
        self.report(&Figures { partition_count: self.partitions, client_count: self.clients, latency, throughput })
    }

    fn crowd(&self) -> Crowd {
        Crowd {
            order_count: self.pizzas.div_ceil(u64::from(self.pizzas_per_order)),
            pizzas_per_order: self.pizzas_per_order,
            client_count: self.clients,
        }
    }

    fn report(&self, figures: &Figures) -> Result<(), Box<dyn Error>> {
        if let Some(latency) = &figures.latency {
            println!("{latency}");
        }
        if let Some(throughput) = &figures.throughput {
            println!("{throughput}");
        }
        if let Some(path) = &self.json {
            fs::write(path, serde_json::to_string_pretty(figures)? + "\n")?;
        }
        Ok(())
    }
}

/// A loop that is fast because it loses something measures nothing.
fn check(found: &Contents, expected: &Contents) -> Result<(), Box<dyn Error>> {
    if found != expected {
        return Err(format!("the rows are not what was ordered: found={found:?} expected={expected:?}").into());
    }
    Ok(())
}
