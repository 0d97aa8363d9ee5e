//! `load start`: how soon the product takes orders, new and after it was killed.
#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

use std::{error::Error, fs, path::Path, process::ExitCode, time::Duration};

use bench_report::{Machine, Spread};
use clap::Args;
use load::{Client, Depth, Outages, Patience, PizzaCount, Plan};
use serde::Serialize;

use crate::{
    clock, output,
    runtime::block_on,
    server::{Server, Subject},
};

/// How often it is asked whether it takes an order. A start is measured this exactly.
const ASK_EVERY: Duration = Duration::from_millis(1);
const ACCEPTS_WITHIN: Duration = Duration::from_secs(60);
const LOAD_BEFORE_KILL: Duration = Duration::from_secs(1);

/// Measure the time from the start of the process to the first order that it acknowledges
///
/// First of a pizzeria that has no data; then of one that has some, and was killed under load.
#[derive(Args)]
pub(crate) struct Start {
    /// How many starts of each kind
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How much data it has at least when it is killed
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    data_mib: u64,
    #[command(flatten)]
    subject: Subject,
}

#[derive(Serialize)]
struct Results {
    machine: Machine,
    rounds: u32,
    /// From the start of the process to the first 201.
    new_ms: Spread,
    after_kill_ms: Spread,
    /// How much data there was after each kill.
    data_mib: Spread,
}

impl Start {
    pub(crate) fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let pizzeria = self.subject.program()?;
        let folder = self.subject.folder("start-")?;
        let new = (0..self.rounds).map(|round| {
            let (server, time) = started(&pizzeria, &folder.path().join(format!("new-{round}")))?;
            server.stop()?;
            Ok(time)
        });
        let new = new.collect::<Result<Vec<_>, Box<dyn Error>>>()?;
        let filled = folder.path().join("filled");
        let (mut server, _) = started(&pizzeria, &filled)?;
        while size_mib(&filled)? < self.data_mib {
            fill(&server)?;
        }
        let (mut after_kill, mut data_mib) = (Vec::new(), Vec::new());
        for _ in 0..self.rounds {
            under_load(&server, LOAD_BEFORE_KILL)?;
            drop(server);
            data_mib.push(size_mib(&filled)?);
            let (next, time) = started(&pizzeria, &filled)?;
            server = next;
            after_kill.push(time);
        }
        server.stop()?;
        let milliseconds = |times: Vec<Duration>| times.into_iter().map(|time| time.as_secs_f64() * 1e3);
        #[expect(clippy::cast_precision_loss, reason = "no disk has so many MiB")]
        let results = Results {
            machine: Machine::this(),
            rounds: self.rounds,
            new_ms: Spread::less_is_better(milliseconds(new)),
            after_kill_ms: Spread::less_is_better(milliseconds(after_kill)),
            data_mib: Spread::less_is_better(data_mib.into_iter().map(|mib| mib as f64)),
        };
        println!("start to first order, best / median / worst of {}; {}", self.rounds, results.machine);
        println!("without data     {} ms", results.new_ms.shown(1.0, 0));
        println!("after a kill     {} ms", results.after_kill_ms.shown(1.0, 0));
        println!("data             {} MiB", results.data_mib.shown(1.0, 0));
        output::write(self.subject.json.as_deref(), &results)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A process, and how long it took until it acknowledged an order.
fn started(pizzeria: &Path, folder: &Path) -> Result<(Server, Duration), Box<dyn Error>> {
    let begin = clock::now();
    let server = Server::start(pizzeria, folder)?;
    let patience = Patience { limit: Duration::ZERO, outages: Outages::GiveUp };
    let mut client = Client::new(server.target.clone(), patience);
    block_on(async {
        while let Err(error) = client.place(PizzaCount(1), None).await {
            if begin.elapsed() > ACCEPTS_WITHIN {
                return Err(format!("it takes no order: {error}\n{}", server.last_words()));
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
        Ok(())
    })??;
    let time = begin.elapsed();
    Ok((server, time))
}

/// Large orders, all of which become ready.
fn fill(server: &Server) -> Result<(), Box<dyn Error>> {
    let outcome = block_on(load::run(plan(server, Some(1_000))))?;
    let outcome = outcome.map_err(|error| format!("{error}\n{}", server.last_words()))?;
    if outcome.findings.is_empty() { Ok(()) } else { Err(format!("promises were broken: {}", outcome.findings).into()) }
}

/// Places orders for so long, and returns in the middle of it.
fn under_load(server: &Server, time: Duration) -> Result<(), Box<dyn Error>> {
    block_on(async {
        tokio::select! {
            outcome = load::run(plan(server, None)) => {
                let error = outcome.map_or_else(|error| error.to_string(), |_| "it has no end".to_owned());
                Err(format!("the load has ended: {error}\n{}", server.last_words()).into())
            }
            () = tokio::time::sleep(time) => Ok(()),
        }
    })?
}

fn plan(server: &Server, order_count: Option<u64>) -> Plan {
    server.plan(order_count, 100, 8, Depth::None)
}

fn size_mib(folder: &Path) -> std::io::Result<u64> {
    Ok(size_bytes(folder)? >> 20)
}

/// What is in a folder, in bytes. What goes meanwhile does not count.
fn size_bytes(folder: &Path) -> std::io::Result<u64> {
    let mut size = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => size += size_bytes(&entry.path())?,
            Ok(metadata) => size += metadata.len(),
            Err(_) => {}
        }
    }
    Ok(size)
}
