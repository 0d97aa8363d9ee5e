//! A run of the bare loop.

use std::{
    error::Error,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::Deserialize;

use super::{Figures, Task, task::Crowd};

/// The bare loop, and where it keeps what it needs.
pub(super) struct Bare<'a> {
    pub(super) program: PathBuf,
    pub(super) folder: &'a Path,
    pub(super) partitions: u32,
}

#[derive(Deserialize)]
struct Output {
    latency: Option<Latencies>,
    throughput: Throughput,
}

#[derive(Deserialize)]
struct Latencies {
    acknowledged: Latency,
    ready: Latency,
}

#[derive(Deserialize)]
struct Throughput {
    orders_per_second: f64,
    pizzas_per_second: f64,
}

#[derive(Deserialize)]
struct Latency {
    p50_us: u64,
    p99_us: u64,
}

impl Bare<'_> {
    /// Single orders and large ones; then, begun anew, small ones.
    pub(super) fn measure(&self, task: &Task) -> Result<Figures, Box<dyn Error>> {
        let Output { latency, throughput } = self.run(task.large, task.single_orders)?;
        let small = self.run(task.small, 0)?;
        if !(throughput.pizzas_per_second > 0.0 && small.throughput.orders_per_second > 0.0) {
            return Err("the bare loop says that it has done nothing".into());
        }
        let Latencies { acknowledged, ready } = latency.ok_or("the bare loop says nothing of single orders")?;
        Ok(Figures {
            pizzas_per_second: throughput.pizzas_per_second,
            small_orders_per_second: small.throughput.orders_per_second,
            acknowledged_p50_us: acknowledged.p50_us,
            acknowledged_p99_us: acknowledged.p99_us,
            ready_p50_us: ready.p50_us,
            ready_p99_us: ready.p99_us,
        })
    }

    fn run(&self, crowd: Crowd, single_orders: u64) -> Result<Output, Box<dyn Error>> {
        let json = self.folder.join("bare.json");
        let flags = [
            ("--pizzas", crowd.orders * u64::from(crowd.pizzas_per_order)),
            ("--pizzas-per-order", crowd.pizzas_per_order.into()),
            ("--clients", crowd.clients.into()),
            ("--partitions", self.partitions.into()),
            ("--latency", single_orders),
        ];
        let arguments = flags.iter().flat_map(|(flag, value)| [(*flag).to_owned(), value.to_string()]);
        let mut command = Command::new(&self.program);
        command.args(arguments).arg("--dir").arg(self.folder).arg("--json").arg(&json).stdout(Stdio::null());
        let path = self.program.display();
        let status = command.status().map_err(|error| format!("cannot start: path={path}: {error}"))?;
        if !status.success() {
            return Err(format!("the bare loop failed: {status}").into());
        }
        Ok(serde_json::from_slice(&std::fs::read(json)?)?)
    }
}
