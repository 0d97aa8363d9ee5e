//! `kafka-load compare`: the services against the bare loop, and Kafka Streams, turn by turn on the same broker.
#![expect(clippy::print_stdout, reason = "the conditions are part of the figures")]

mod contender;
mod rounds;
mod streams;
mod work;

use std::{path::PathBuf, process::ExitCode};

use bench_report::Machine;
use clap::Args;
use kafka_broker::{Broker, Options, Tuning};

use self::{
    contender::Contender,
    rounds::Rounds,
    streams::Streams,
    work::{Figures, Work},
};
use crate::{Result, drain::Drain, fill, latency};

/// Measure the four stage services, the bare loop and Kafka Streams by turns on a broker of their own
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
    /// Kafka Streams as well, exactly once: `defaults`, or its properties as name=value with spaces between them. May be
    /// given several times
    #[arg(long, value_name = "PROPERTIES", value_parser = streams::row)]
    streams: Vec<String>,
    /// Kafka Streams with its defaults, and with each commit interval and number of threads that may be its best. Takes hours
    #[arg(long, conflicts_with = "streams")]
    streams_sweep: bool,
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

impl Compare {
    /// Exit code 1 if a pizza was lost, doubled or spoiled on the way.
    pub(crate) fn run(self) -> Result<ExitCode> {
        let broker = Broker::start(Options::default().tuning(Tuning::Throughput))?;
        let folder = tempfile::Builder::new().prefix("kafka-load-").tempdir()?;
        let contenders = self.contenders(&broker.bootstrap_servers(), folder.path())?;
        for contender in &contenders {
            contender.create_topics(self.partitions)?;
        }
        println!(
            "{} pizzas and {} single ones a turn, {} partitions, one broker without replication; {}",
            self.pizzas,
            self.single_pizzas,
            self.partitions,
            Machine::this()
        );
        let mut rounds = Rounds::of(&contenders);
        rounds.warmed_up(&Self::round(0, &contenders)?);
        for number in 1..=self.rounds {
            rounds.add(Self::round(number, &contenders)?);
            // What takes hours is not to be lost with its last round.
            if let Some(path) = &self.json {
                bench_report::write(path, &rounds.results(self.partitions))?;
            }
        }
        rounds.results(self.partitions).print();
        Ok(if rounds.are_clean() { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }

    fn contenders(&self, servers: &str, folder: &std::path::Path) -> Result<Vec<Contender>> {
        let binaries = match &self.binaries {
            Some(folder) => folder.clone(),
            None => std::env::current_exe()?.with_file_name(""),
        };
        let work = Work { pizzas: self.pizzas, single_pizzas: self.single_pizzas };
        let mut contenders = vec![
            Contender::services(servers, &binaries, folder, work)?,
            Contender::bare(servers, &binaries, folder, work)?,
        ];
        let rows = if self.streams_sweep { streams::sweep() } else { self.streams.clone() };
        if !rows.is_empty() {
            let program = Streams::install()?;
            for row in &rows {
                contenders.push(Contender::streams(&program, servers, row, folder, work)?);
            }
        }
        Ok(contenders)
    }

    /// Whoever comes later may find a busier broker, and some neighbours leave more behind than others: each round has an
    /// order of its own, the same whenever it is measured.
    fn round(number: u32, contenders: &[Contender]) -> Result<Vec<Figures>> {
        let mut order: Vec<usize> = (0..contenders.len()).collect();
        order.sort_by_key(|index| spread_out(u64::from(number) << 32 | *index as u64));
        let mut figures = vec![None; contenders.len()];
        for index in order {
            figures[index] = Some(Self::turn(&contenders[index])?);
        }
        Ok(figures.into_iter().flatten().collect())
    }

    fn turn(contender: &Contender) -> Result<Figures> {
        let Work { pizzas, single_pizzas } = contender.work;
        fill::fill(&contender.chain, pizzas)?;
        let drain = Drain::from_now(&contender.chain, pizzas)?;
        let mut running = contender.start()?;
        let measure = || {
            let offsets_per_second = drain.watch()?;
            let findings = drain.check()?;
            let pizzas_per_second = offsets_per_second * drain.pizzas_per_offset()?;
            let cpu_us_per_pizza = running.cpu_time()?.as_secs_f64() * 1e6 / f64::from(pizzas);
            let latency = latency::one_by_one(&contender.chain, single_pizzas)?;
            Ok(Figures { pizzas_per_second, cpu_us_per_pizza, latency, findings })
        };
        let figures: Result<_> = measure();
        let ended = running.end();
        // Why nothing comes out is what they have said last.
        let figures = figures.map_err(|error| format!("{}: {error}\n{}", contender.name, contender.last_words()))?;
        ended?;
        Ok(figures)
    }
}

/// A number that looks like chance, always the same for a number (the last step of splitmix64).
fn spread_out(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
