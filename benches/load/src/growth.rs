//! `load growth`: what an order costs, and how long a look at one takes, with few orders stored and with many.
#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

use std::{error::Error, path::Path, process::ExitCode, time::Duration};

use bench_report::{Machine, Spread};
use clap::Args;
use load::{Client, Depth, Look, OrderId, Patience, PizzaCount};
use serde::Serialize;

use crate::{
    clock, output,
    runtime::block_on,
    server::{Server, Subject},
};

const CLIENTS: u32 = 64;
/// For so long less than a tenth of a core is used by who rests.
const REST: Duration = Duration::from_millis(500);
const REST_WITHIN: Duration = Duration::from_secs(60);
/// How many orders of all ages are remembered, to be looked at, one look at a time.
const REMEMBERED: u64 = 5_000;

/// Measure what an order costs, and how long a look at one takes, with few orders stored and with many
///
/// Orders are of one pizza. Each round measures a pizzeria that has many, and a new one that has few, by turns. What is looked
/// at was ordered at any time before.
#[derive(Args)]
pub(crate) struct Growth {
    /// How many orders are few
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    few: u64,
    /// How many orders are many
    #[arg(long, value_name = "N", default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    many: u64,
    /// How many orders what one costs is measured with, each time
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    measured: u64,
    /// How many rounds. Tables are merged about every 700,000 orders, which is to be seen in what they cost
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    #[command(flatten)]
    subject: Subject,
}

#[derive(Serialize)]
struct Results {
    machine: Machine,
    rounds: u32,
    measured: u64,
    few: Stage,
    many: Stage,
    /// What an order costs with many, by what it costs with few: in all rounds together, so that it has its part of merges.
    cpu_ratio: f64,
    cpu_ratio_in_a_round: Spread,
}

/// What was measured with so many orders stored.
#[derive(Serialize)]
struct Stage {
    /// In the first round.
    stored: u64,
    orders_per_second: Spread,
    /// CPU time of the product.
    cpu_us_per_order: Spread,
    look_p50_us: Spread,
    look_p99_us: Spread,
    peak_memory_mib: Spread,
}

impl Growth {
    pub(crate) fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        if self.many <= self.few + self.measured {
            return Err("many have to be more than few, and those that are measured with".into());
        }
        let folder = self.subject.folder("growth-")?;
        let program = self.subject.program()?;
        let (few, many) = block_on(self.measure(&program, folder.path()))??;
        let total = |rounds: &[Figures]| rounds.iter().map(|round| round.cpu_us_per_order).sum::<f64>();
        let in_a_round = few.iter().zip(&many).map(|(few, many)| many.cpu_us_per_order / few.cpu_us_per_order);
        let results = Results {
            machine: Machine::this(),
            rounds: self.rounds,
            measured: self.measured,
            cpu_ratio: total(&many) / total(&few),
            cpu_ratio_in_a_round: Spread::less_is_better(in_a_round),
            few: Stage::of(&few),
            many: Stage::of(&many),
        };
        println!(
            "{}; {} orders of one by {CLIENTS} clients a turn; best / median / worst",
            results.machine, results.measured
        );
        for stage in [&results.few, &results.many] {
            println!("{:>9} stored   {} us of CPU time an order", stage.stored, stage.cpu_us_per_order.shown(1.0, 0));
            println!("                   {} orders/s", stage.orders_per_second.shown(1.0, 0));
            println!("                   a look p50 {} us", stage.look_p50_us.shown(1.0, 0));
            println!("                          p99 {} us", stage.look_p99_us.shown(1.0, 0));
            println!("                   {} MiB at most", stage.peak_memory_mib.shown(1.0, 0));
        }
        let in_a_round = results.cpu_ratio_in_a_round.shown(1.0, 2);
        println!(
            "CPU time of an order with many, by that with few: {:.2}   in a round {in_a_round}",
            results.cpu_ratio
        );
        output::write(self.subject.json.as_deref(), &results)?;
        Ok(ExitCode::SUCCESS)
    }

    /// What was measured with few, and with many, in each round.
    async fn measure(&self, program: &Path, folder: &Path) -> Result<(Vec<Figures>, Vec<Figures>), Box<dyn Error>> {
        let mut old = Grown::start(program, &folder.join("many")).await?;
        old.fill(self.many).await?;
        let (mut few, mut many) = (Vec::new(), Vec::new());
        for round in 0..self.rounds {
            let mut young = Grown::start(program, &folder.join(format!("few-{round}"))).await?;
            young.fill(self.few).await?;
            if round % 2 == 0 {
                few.push(young.measure(self.measured).await?);
                many.push(old.measure(self.measured).await?);
            } else {
                many.push(old.measure(self.measured).await?);
                few.push(young.measure(self.measured).await?);
            }
            young.server.stop()?;
        }
        old.server.stop()?;
        Ok((few, many))
    }
}

/// What was measured in a turn.
struct Figures {
    stored: u64,
    orders_per_second: f64,
    cpu_us_per_order: f64,
    look_p50: Duration,
    look_p99: Duration,
    peak_memory_mib: f64,
}

impl Stage {
    fn of(rounds: &[Figures]) -> Self {
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        Self {
            stored: rounds.first().map_or(0, |first| first.stored),
            orders_per_second: Spread::more_is_better(rounds.iter().map(|round| round.orders_per_second)),
            cpu_us_per_order: Spread::less_is_better(rounds.iter().map(|round| round.cpu_us_per_order)),
            look_p50_us: Spread::less_is_better(rounds.iter().map(|round| micros(round.look_p50))),
            look_p99_us: Spread::less_is_better(rounds.iter().map(|round| micros(round.look_p99))),
            peak_memory_mib: Spread::less_is_better(rounds.iter().map(|round| round.peak_memory_mib)),
        }
    }
}

/// A product that gets more and more orders.
struct Grown {
    server: Server,
    stored: u64,
    /// Orders of all ages.
    remembered: Vec<OrderId>,
}

impl Grown {
    async fn start(program: &Path, folder: &Path) -> Result<Self, Box<dyn Error>> {
        let server = Server::start(program, folder)?;
        server.wait_until_ready().await?;
        Ok(Self { server, stored: 0, remembered: Vec::new() })
    }

    /// Until so many are stored; some of them are remembered, some after each run.
    async fn fill(&mut self, stored: u64) -> Result<(), Box<dyn Error>> {
        let step = (stored / REMEMBERED).max(1);
        let mut client = Client::new(self.server.target.clone(), Patience::default());
        while self.stored < stored {
            // A run begins and ends with fewer clients, so runs are long, and a few orders are remembered after each.
            let run = (step * 50).min(stored - self.stored);
            self.place(run).await?;
            for _ in 0..run / step {
                self.remembered.push(client.place(PizzaCount(1), None).await?.order.id);
                self.stored += 1;
            }
        }
        Ok(())
    }

    async fn measure(&mut self, order_count: u64) -> Result<Figures, Box<dyn Error>> {
        let stored = self.stored;
        let before = self.server.cpu_time()?;
        let orders_per_second = self.place(order_count).await?;
        let cpu = self.cpu_time_at_rest().await?.saturating_sub(before);
        let mut times = self.look_at_all().await?;
        if times.is_empty() {
            return Err("too few orders to remember any".into());
        }
        times.sort();
        #[expect(clippy::cast_precision_loss, reason = "nobody orders so many")]
        Ok(Figures {
            stored,
            orders_per_second,
            cpu_us_per_order: cpu.as_secs_f64() * 1e6 / order_count as f64,
            look_p50: times[times.len() / 2],
            look_p99: times[times.len() * 99 / 100],
            peak_memory_mib: self.server.peak_memory_mib()?,
        })
    }

    /// Places orders under load until all are ready. Returns how many a second.
    async fn place(&mut self, order_count: u64) -> Result<f64, Box<dyn Error>> {
        let outcome = load::run(self.server.plan(Some(order_count), 1, CLIENTS, Depth::None)).await;
        let outcome = outcome.map_err(|error| format!("{error}\n{}", self.server.last_words()))?;
        if !outcome.findings.is_empty() {
            return Err(format!("promises were broken: {}", outcome.findings).into());
        }
        self.stored += order_count;
        Ok(outcome.report.orders_per_second)
    }

    /// The CPU time, when nothing is done any more: merges go on when orders have been answered.
    async fn cpu_time_at_rest(&self) -> Result<Duration, Box<dyn Error>> {
        let begin = clock::now();
        let mut before = self.server.cpu_time()?;
        loop {
            tokio::time::sleep(REST).await;
            let now = self.server.cpu_time()?;
            if now.saturating_sub(before) < REST / 10 || begin.elapsed() > REST_WITHIN {
                return Ok(now);
            }
            before = now;
        }
    }

    /// Each look after the one before.
    async fn look_at_all(&self) -> Result<Vec<Duration>, Box<dyn Error>> {
        let mut client = Client::new(self.server.target.clone(), Patience::default());
        let mut times = Vec::new();
        for id in &self.remembered {
            let begin = clock::now();
            let look = client.look(id).await?;
            times.push(begin.elapsed());
            if look == Look::Missing {
                return Err(format!("an order is lost: order_id={id}").into());
            }
        }
        Ok(times)
    }
}
