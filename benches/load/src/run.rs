//! A run under load: orders are placed, watched until they are ready, and read again afterwards.
//!
//! There are two ways to run. *One at a time*: a single client places an order, looks at it back to back until it is
//! ready, and places the next; what it measures of a single order is exact. *Under load*: several clients place orders
//! while a few others ask the acknowledged ones, oldest first, whether they are ready, with pauses, so that the asking
//! costs the server little; the time until an order is ready is then seen some milliseconds late.

mod figures;
mod ledger;
mod line;
mod one_by_one;
mod pacer;
mod placing;
mod plan;
mod report;
mod shared;
mod turns;
mod watching;

use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;

pub use self::{
    figures::Latency,
    plan::{Depth, Intake, Pace, Plan},
    report::{Outcome, Report},
};
use self::{pacer::Pacer, shared::Shared};
use crate::{
    Examination, Findings, Keys, Result, Setbacks,
    audit::{close, read_all},
};

/// Runs a plan. The findings do not make it fail: they are part of the outcome.
///
/// # Errors
/// [`Unreachable`](crate::ErrorKind::Unreachable) when the server could not be reached within the patience,
/// [`Unexpected`](crate::ErrorKind::Unexpected) when it answers with what the API does not know,
/// [`File`](crate::ErrorKind::File) when the journal cannot be written.
pub async fn run(plan: Plan) -> Result<Outcome> {
    let cpu_before = cpu_time();
    let shared = Arc::new(Shared::open(plan)?);
    let mut setbacks = drive(&shared).await?;
    let cpu = cpu_time().saturating_sub(cpu_before);
    let (plan, totals) = Shared::take_apart(shared);
    let (findings, audited_count) = audit(&plan, totals.audited, totals.auditor, &mut setbacks).await?;
    Ok(Outcome { report: Report::new(&plan, &totals.figures, setbacks, cpu, audited_count), findings })
}

/// The CPU time that this process has used so far, all its threads together.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Everything for which time is measured.
async fn drive(shared: &Arc<Shared>) -> Result<Setbacks> {
    let _pacer = Pacer::start(&shared.turns);
    let mut tasks = JoinSet::new();
    match shared.plan.intake() {
        Intake::OneByOne => {
            tasks.spawn(one_by_one::serve(shared.clone()));
        }
        Intake::UnderLoad => {
            for _ in 0..shared.plan.client_count {
                tasks.spawn(placing::place_orders(shared.clone(), shared.line.enter()));
            }
            for _ in 0..watching::watcher_count(shared.plan.client_count) {
                tasks.spawn(watching::watch_orders(shared.clone()));
            }
        }
    }
    let mut setbacks = Setbacks::default();
    while let Some(ended) = tasks.join_next().await {
        setbacks += ended.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()))?;
    }
    Ok(setbacks)
}

/// Reads the orders that are audited once more, now that there is time to read them in full.
async fn audit(
    plan: &Plan,
    orders: Vec<crate::Order>,
    auditor: crate::Auditor,
    setbacks: &mut Setbacks,
) -> Result<(Findings, usize)> {
    let (count, orders, auditor) = (orders.len(), orders.into(), Arc::new(parking_lot::Mutex::new(auditor)));
    let examination = Examination {
        target: plan.target.clone(),
        client_count: AUDITOR_CLIENTS,
        patience: plan.patience,
        menu: plan.menu,
        keys: Keys::Leave,
    };
    *setbacks += read_all(&auditor, &orders, &examination).await?;
    Ok((close(auditor), count))
}

/// More would not be faster: this client and the server have to share what there is.
const AUDITOR_CLIENTS: u32 = 4;

/// The shortest time that a report divides by.
const SHORTEST: Duration = Duration::from_micros(1);
