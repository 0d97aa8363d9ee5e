//! A run of the product.

use std::{error::Error, path::Path};

use load::{Depth, Outcome};

use super::{Figures, Task, task::Crowd};
use crate::{runtime::block_on, server::Server};

/// What came of a run.
pub(super) struct Measured {
    pub(super) figures: Figures,
    pub(super) peak_memory_mib: f64,
    /// How many promises it broke.
    pub(super) finding_count: usize,
}

/// The same in the same order as the bare loop: single orders and large ones; then, begun anew, small ones.
pub(super) fn measure(program: &Path, folder: &Path, task: &Task) -> Result<Measured, Box<dyn Error>> {
    let (outcomes, memory) = run(program, &folder.join("large"), &[task.single(), task.large])?;
    let (small, small_memory) = run(program, &folder.join("small"), &[task.small])?;
    let [Outcome { report: single, .. }, Outcome { report: large, .. }] = &outcomes[..] else {
        return Err("a run of two has not two outcomes".into());
    };
    let figures = Figures {
        pizzas_per_second: large.pizzas_per_second,
        small_orders_per_second: small[0].report.orders_per_second,
        acknowledged_p50_us: single.acknowledged.p50_us,
        acknowledged_p99_us: single.acknowledged.p99_us,
        ready_p50_us: single.ready.p50_us,
        ready_p99_us: single.ready.p99_us,
    };
    let finding_count = outcomes.iter().chain(&small).map(|outcome| outcome.findings.count()).sum();
    Ok(Measured { figures, peak_memory_mib: memory.max(small_memory), finding_count })
}

/// One process, from its start to its end, and the most memory that it had, in MiB.
fn run(program: &Path, folder: &Path, crowds: &[Crowd]) -> Result<(Vec<Outcome>, f64), Box<dyn Error>> {
    let server = Server::start(program, folder)?;
    let outcomes = block_on(async {
        server.wait_until_ready().await?;
        let mut outcomes = Vec::new();
        for crowd in crowds {
            let Crowd { orders, pizzas_per_order, clients } = *crowd;
            let plan = server.plan(Some(orders), pizzas_per_order, clients, Depth::Sample);
            outcomes.push(load::run(plan).await?);
        }
        load::Result::Ok(outcomes)
    })?;
    let outcomes = outcomes.map_err(|error| format!("{error}\n{}", server.last_words()))?;
    let peak_memory_mib = server.peak_memory_mib()?;
    server.stop()?;
    Ok((outcomes, peak_memory_mib))
}
