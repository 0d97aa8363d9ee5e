//! The command line.
#![expect(clippy::print_stdout, reason = "the figures and the findings are what this program is for")]

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::{Result, chain::Chain, compare::Compare, drain::Drain, fill, latency};

/// Measure the four stages of the pizzeria on Kafka from outside.
///
/// Exit codes: 0 when every pizza came out once and complete, 1 when not, 2 when nothing could be found out.
#[derive(Parser)]
#[command(name = "kafka-load", version)]
pub(crate) struct Command {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Put numbered pizzas into `pizza`
    Fill(Pizzas),
    /// Watch what was filled come out at the end, then read all of it and check that each is there once and complete
    ///
    /// To be started before the stages are. The rate is that between 10 % and 90 % of the way.
    Drain(Pizzas),
    /// Send one pizza at a time through the stages, which are running, and measure how long each takes
    Latency(Pizzas),
    Compare(Compare),
}

#[derive(Args)]
struct Pizzas {
    /// How many
    #[arg(value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// Where the cluster is
    #[arg(long, value_name = "SERVERS", default_value = "127.0.0.1:9092")]
    bootstrap_servers: String,
    /// What stands before the names of the topics (`bare.` for the bare loop)
    #[arg(long, value_name = "TEXT", default_value = "")]
    prefix: String,
}

impl Pizzas {
    fn chain(&self) -> Chain {
        Chain { servers: self.bootstrap_servers.clone(), prefix: self.prefix.clone() }
    }
}

impl Command {
    pub(crate) fn run(self) -> Result<ExitCode> {
        match self.what {
            What::Fill(pizzas) => {
                fill::fill(&pizzas.chain(), pizzas.count)?;
                println!("filled          {} pizzas", pizzas.count);
                Ok(ExitCode::SUCCESS)
            }
            What::Drain(pizzas) => {
                let drain = Drain::from_start(&pizzas.chain(), pizzas.count)?;
                let offsets_per_second = drain.watch()?;
                let findings = drain.check()?;
                println!("throughput      {:.0} pizzas/s", offsets_per_second * drain.pizzas_per_offset()?);
                println!("findings        {findings}");
                Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
            }
            What::Latency(pizzas) => {
                println!("one at a time   {}", latency::one_by_one(&pizzas.chain(), pizzas.count)?);
                Ok(ExitCode::SUCCESS)
            }
            What::Compare(compare) => compare.run(),
        }
    }
}
