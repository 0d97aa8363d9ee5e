//! A run of the bare loop.

use std::{
    error::Error,
    path::Path,
    process::{Command, Stdio},
};

use serde::Deserialize;

use super::{Figures, Task};

#[derive(Deserialize)]
struct Output {
    latency: Latencies,
    throughput: Throughput,
}

#[derive(Deserialize)]
struct Latencies {
    acknowledged: Latency,
    ready: Latency,
}

#[derive(Deserialize)]
struct Throughput {
    pizzas_per_second: f64,
}

#[derive(Deserialize)]
struct Latency {
    p50_us: u64,
    p99_us: u64,
}

pub(super) fn measure(program: &Path, folder: &Path, task: Task, partitions: u32) -> Result<Figures, Box<dyn Error>> {
    let json = folder.join("bare.json");
    let flags = [
        ("--pizzas", task.pizzas),
        ("--pizzas-per-order", task.pizzas_per_order.into()),
        ("--clients", task.clients.into()),
        ("--partitions", partitions.into()),
        ("--latency", task.single_orders),
    ];
    let arguments = flags.iter().flat_map(|(flag, value)| [(*flag).to_owned(), value.to_string()]);
    let mut command = Command::new(program);
    command.args(arguments).arg("--dir").arg(folder).arg("--json").arg(&json).stdout(Stdio::null());
    let status = command.status().map_err(|error| format!("cannot start: path={}: {error}", program.display()))?;
    if !status.success() {
        return Err(format!("the bare loop failed: {status}").into());
    }
    let Output { latency, throughput } = serde_json::from_slice(&std::fs::read(json)?)?;
    Ok(Figures {
        pizzas_per_second: throughput.pizzas_per_second,
        acknowledged_p50_us: latency.acknowledged.p50_us,
        acknowledged_p99_us: latency.acknowledged.p99_us,
        ready_p50_us: latency.ready.p50_us,
        ready_p99_us: latency.ready.p99_us,
    })
}
