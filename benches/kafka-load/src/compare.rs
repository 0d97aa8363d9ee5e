//! `kafka-load compare`: the services against the bare loop, turn by turn on the same broker.
#![expect(clippy::print_stdout, reason = "the conditions are part of the figures")]

mod contender;
mod rounds;

use std::{fs, path::PathBuf, process::ExitCode};

use clap::Args;
use kafka_broker::{Broker, Options, Tuning};
use serde::Serialize;

use self::{
    contender::Contender,
    rounds::{Round, Rounds},
};
use crate::{
    Result,
    drain::Drain,
    fill,
    findings::Findings,
    latency::{self, Latency},
};

/// Measure the four stage services and the bare loop by turns on a broker of their own, and print the ratio
///
/// In its turn each has its `pizza` filled while it is not there, is started, drains all of it, gets single pizzas one at
/// a time, and is ended. One round before the others is not counted: it warms up the broker.
#[derive(Args)]
pub(crate) struct Compare {
    /// Where the programs are: the services and `bare` (beside this one)
    #[arg(long, value_name = "FOLDER")]
    binaries: Option<PathBuf>,
    /// How many pizzas each drains in its turn
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(100..))]
    pizzas: u32,
    /// How many single pizzas in each turn, one at a time
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..))]
    single_pizzas: u32,
    /// How many rounds are counted
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How many partitions each topic has
    #[arg(long, value_name = "P", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    partitions: u32,
    /// Also write all figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What one of them took in its turn.
#[derive(Debug, Clone, Copy, Serialize)]
struct Figures {
    pizzas_per_second: f64,
    /// CPU time of its processes, start included. It says more than the rate where others use the machine, too.
    cpu_us_per_pizza: f64,
    latency: Latency,
    findings: Findings,
}

impl Compare {
    /// Exit code 1 if a pizza was lost, doubled or spoiled on the way.
    pub(crate) fn run(self) -> Result<ExitCode> {
        let broker = Broker::start(Options::default().tuning(Tuning::Throughput))?;
        let folder = tempfile::Builder::new().prefix("kafka-load-").tempdir()?;
        let binaries = match &self.binaries {
            Some(folder) => folder.clone(),
            None => std::env::current_exe()?.with_file_name(""),
        };
        let servers = broker.bootstrap_servers();
        let product = Contender::product(&servers, &binaries, folder.path())?;
        let bare = Contender::bare(&servers, &binaries, folder.path())?;
        for contender in [&product, &bare] {
            contender.create_topics(self.partitions)?;
        }
        self.print_conditions();
        self.round(0, &product, &bare)?;
        let mut rounds = Rounds::default();
        for number in 1..=self.rounds {
            rounds.add(self.round(number, &product, &bare)?);
        }
        rounds.print_summary();
        if let Some(path) = &self.json {
            fs::write(path, serde_json::to_string_pretty(&rounds)? + "\n")?;
        }
        Ok(if rounds.are_clean() { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }

    /// Whoever comes second may find a busier broker; so each is second in every other round.
    fn round(&self, number: u32, product: &Contender, bare: &Contender) -> Result<Round> {
        if number.is_multiple_of(2) {
            let product = self.turn(product)?;
            Ok(Round { product, bare: self.turn(bare)? })
        } else {
            let bare = self.turn(bare)?;
            Ok(Round { product: self.turn(product)?, bare })
        }
    }

    fn turn(&self, contender: &Contender) -> Result<Figures> {
        fill::fill(&contender.chain, self.pizzas)?;
        let drain = Drain::from_now(&contender.chain, self.pizzas)?;
        let mut running = contender.start()?;
        let measure = || {
            let pizzas_per_second = drain.watch()?;
            let findings = drain.check()?;
            let cpu_us_per_pizza = running.cpu_time()?.as_secs_f64() * 1e6 / f64::from(self.pizzas);
            let latency = latency::one_by_one(&contender.chain, self.single_pizzas)?;
            Ok(Figures { pizzas_per_second, cpu_us_per_pizza, latency, findings })
        };
        let figures: Result<_> = measure();
        let ended = running.end();
        // Why nothing comes out is what they have said last.
        let figures = figures.map_err(|error| format!("{error}\n{}", contender.last_words()))?;
        ended?;
        Ok(figures)
    }

    fn print_conditions(&self) {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        println!(
            "{} pizzas and {} single ones a turn, {} partitions, one broker without replication, {cores} cores",
            self.pizzas, self.single_pizzas, self.partitions
        );
    }
}
