//! `load growth`: what an order costs, and how long a look at one takes, with few orders stored and with many.
#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

use std::{error::Error, process::ExitCode, time::Duration};

use bench_report::Machine;
use clap::Args;
use load::{Client, Depth, Look, OrderId, Patience, PizzaCount};
use serde::Serialize;

use crate::{
    clock, output,
    runtime::block_on,
    server::{Server, Subject},
};

const CLIENTS: u32 = 64;
/// How many orders of all ages are remembered, to be looked at, one look at a time.
const REMEMBERED: u64 = 5_000;

/// Measure what an order costs, and how long a look at one takes, with few orders stored and with many
///
/// Orders are of one pizza. What is looked at was ordered at any time before.
#[derive(Args)]
pub(crate) struct Growth {
    /// How many orders are few
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    few: u64,
    /// How many orders are many
    #[arg(long, value_name = "N", default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    many: u64,
    /// How many orders what one costs is measured with
    #[arg(long, value_name = "N", default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1..))]
    measured: u64,
    #[command(flatten)]
    subject: Subject,
}

#[derive(Serialize)]
struct Results {
    machine: Machine,
    measured: u64,
    few: Stage,
    many: Stage,
    /// What an order costs with many, by what it costs with few.
    cpu_ratio: f64,
}

/// What was measured with so many orders stored.
#[derive(Serialize)]
struct Stage {
    stored: u64,
    orders_per_second: f64,
    /// CPU time of the product.
    cpu_us_per_order: f64,
    look_p50_us: u64,
    look_p99_us: u64,
    peak_memory_mib: f64,
}

impl Growth {
    pub(crate) fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        if self.many <= self.few + self.measured {
            return Err("many have to be more than few, and those that are measured with".into());
        }
        let folder = self.subject.folder("growth-")?;
        let server = Server::start(&self.subject.program()?, folder.path())?;
        let (few, many) = block_on(async {
            server.wait_until_ready().await?;
            let mut grown = Grown { server: &server, stored: 0, remembered: Vec::new() };
            grown.fill(self.few).await?;
            let few = grown.measure(self.measured).await?;
            grown.fill(self.many).await?;
            Ok::<_, Box<dyn Error>>((few, grown.measure(self.measured).await?))
        })?
        .map_err(|error| format!("{error}\n{}", server.last_words()))?;
        server.stop()?;
        let cpu_ratio = many.cpu_us_per_order / few.cpu_us_per_order;
        let results = Results { machine: Machine::this(), measured: self.measured, few, many, cpu_ratio };
        println!("{}; {} orders of one by {CLIENTS} clients each", results.machine, results.measured);
        for stage in [&results.few, &results.many] {
            println!(
                "{:>9} stored   {:.0} us of CPU time an order   {:.0} orders/s   a look p50 {} p99 {} us   {:.0} MiB at most",
                stage.stored,
                stage.cpu_us_per_order,
                stage.orders_per_second,
                stage.look_p50_us,
                stage.look_p99_us,
                stage.peak_memory_mib
            );
        }
        println!("CPU time of an order with many, by that with few: {cpu_ratio:.2}");
        output::write(self.subject.json.as_deref(), &results)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A product that gets more and more orders.
struct Grown<'a> {
    server: &'a Server,
    stored: u64,
    /// Orders of all ages.
    remembered: Vec<OrderId>,
}

impl Grown<'_> {
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

    async fn measure(&mut self, order_count: u64) -> Result<Stage, Box<dyn Error>> {
        let stored = self.stored;
        let before = self.server.cpu_time()?;
        let orders_per_second = self.place(order_count).await?;
        let cpu = self.server.cpu_time()?.saturating_sub(before);
        let mut times = self.look_at_all().await?;
        if times.is_empty() {
            return Err("too few orders to remember any".into());
        }
        times.sort();
        let at = |percent: usize| u64::try_from(times[times.len() * percent / 100].as_micros()).unwrap_or(u64::MAX);
        #[expect(clippy::cast_precision_loss, reason = "nobody orders so many")]
        Ok(Stage {
            stored,
            orders_per_second,
            cpu_us_per_order: cpu.as_secs_f64() * 1e6 / order_count as f64,
            look_p50_us: at(50),
            look_p99_us: at(99),
            peak_memory_mib: self.server.peak_memory_mib()?,
        })
    }

    /// Places orders under load until all are ready. Returns how many a second.
    async fn place(&mut self, order_count: u64) -> Result<f64, Box<dyn Error>> {
        let outcome = load::run(self.server.plan(Some(order_count), 1, CLIENTS, Depth::None)).await?;
        if !outcome.findings.is_empty() {
            return Err(format!("promises were broken: {}", outcome.findings).into());
        }
        self.stored += order_count;
        Ok(outcome.report.orders_per_second)
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
