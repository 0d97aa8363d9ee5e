//! What a run has measured, for the screen and for programs.

use std::{fmt, time::Duration};

use serde::Serialize;

use super::{Intake, Latency, Pace, Plan, SHORTEST, figures::Figures};
use crate::{Findings, Setbacks};

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// What was measured.
    pub report: Report,
    /// The promises that were not kept.
    pub findings: Findings,
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// How it was measured.
    pub intake: Intake,
    /// How many placed orders.
    pub client_count: u32,
    /// At which pace, if clients did not set it themselves.
    pub orders_per_second_wanted: Option<f64>,
    /// Of each order.
    pub pizzas_per_order: u32,
    /// Acknowledged orders.
    pub order_count: u64,
    /// Those of them that were seen ready.
    pub ready_count: u64,
    /// From the first order until the last one was ready.
    pub seconds: f64,
    /// Ready orders in that time.
    pub orders_per_second: f64,
    /// Their pizzas.
    pub pizzas_per_second: f64,
    /// From when an order should have been placed until its 201.
    pub acknowledged: Latency,
    /// From the same until its first ready body was seen.
    pub ready: Latency,
    /// How often an order was asked and was not ready yet, which costs the server something too.
    pub early_looks: u64,
    /// What the clients met with.
    pub setbacks: Setbacks,
    /// What this program has used of one core in that time, in percent. Close to 100 it is what was measured.
    pub client_cpu_percent: f64,
    /// Orders that were read again in full afterwards.
    pub audited_count: usize,
}

impl Report {
    pub(super) fn new(plan: &Plan, figures: &Figures, setbacks: Setbacks, cpu: Duration, audited_count: usize) -> Self {
        let seconds = figures.elapsed().max(SHORTEST).as_secs_f64();
        let ready_count = figures.ready.count();
        let orders_per_second = per_second(ready_count, seconds);
        Self {
            intake: plan.intake(),
            client_count: plan.client_count,
            orders_per_second_wanted: if let Pace::PerSecond(rate) = plan.pace { Some(rate) } else { None },
            pizzas_per_order: plan.pizzas_per_order.0,
            order_count: figures.acknowledged.count(),
            ready_count,
            seconds,
            orders_per_second,
            pizzas_per_second: orders_per_second * f64::from(plan.pizzas_per_order.0),
            acknowledged: figures.acknowledged.latency(),
            ready: figures.ready.latency(),
            early_looks: figures.early_looks,
            setbacks,
            client_cpu_percent: cpu.as_secs_f64() / seconds * 100.0,
            audited_count,
        }
    }

    fn conditions(&self) -> String {
        match (self.intake, self.orders_per_second_wanted) {
            (Intake::OneByOne, _) => "one at a time, looked at back to back until ready".to_owned(),
            (Intake::UnderLoad, None) => format!(
                "{} clients in a closed loop: a server that stalls is asked less, so the times leave out what it made \
                 wait; --rate does not",
                self.client_count
            ),
            (Intake::UnderLoad, Some(rate)) => {
                format!("{rate} orders/s by {} clients, times from when an order was due", self.client_count)
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "fifteen digits are enough for a rate")]
fn per_second(count: u64, seconds: f64) -> f64 {
    count as f64 / seconds
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { order_count, ready_count, pizzas_per_order, seconds, setbacks, .. } = self;
        writeln!(f, "{order_count} orders of {pizzas_per_order}, {ready_count} ready; {}", self.conditions())?;
        writeln!(
            f,
            "throughput      {:.0} pizzas/s, {:.0} orders/s, all ready in {seconds:.2} s",
            self.pizzas_per_second, self.orders_per_second
        )?;
        writeln!(f, "acknowledged    {}", self.acknowledged)?;
        match self.intake {
            Intake::OneByOne => writeln!(f, "order to ready  {}", self.ready)?,
            Intake::UnderLoad => {
                writeln!(f, "order to ready  {}   (seen some ms late: asked with pauses)", self.ready)?
            }
        }
        writeln!(f, "asked too early {} times", self.early_looks)?;
        writeln!(f, "setbacks        {} refusals waited for, {} outages", setbacks.refusals, setbacks.outages)?;
        writeln!(f, "this client     {:.0} % of a core", self.client_cpu_percent)?;
        write!(f, "audited         {} orders", self.audited_count)
    }
}
