//! What a contender has to do in a turn, and what it took for it.

use serde::Serialize;

use crate::{findings::Findings, latency::Latency};

/// So many pizzas that were there before, then so many one at a time.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Work {
    pub(super) pizzas: u32,
    pub(super) single_pizzas: u32,
}

/// What it took.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Figures {
    pub(super) pizzas_per_second: f64,
    /// CPU time of its processes, start included. It says more than the rate where others use the machine, too.
    pub(super) cpu_us_per_pizza: f64,
    pub(super) latency: Latency,
    pub(super) findings: Findings,
}
