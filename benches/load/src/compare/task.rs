//! What both have to do in a round, and what they took for it.

use serde::Serialize;

/// Single orders, one at a time; then large orders; then small ones.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Task {
    pub(super) single_orders: u64,
    pub(super) large: Crowd,
    pub(super) small: Crowd,
}

/// Orders of some clients, each of which waits until its last one is acknowledged.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Crowd {
    pub(super) orders: u64,
    pub(super) pizzas_per_order: u32,
    pub(super) clients: u32,
}

impl Task {
    pub(super) fn single(&self) -> Crowd {
        Crowd { orders: self.single_orders, pizzas_per_order: 1, clients: 1 }
    }
}

/// What one of them took for it.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Figures {
    /// Of the large orders.
    pub(super) pizzas_per_second: f64,
    pub(super) small_orders_per_second: f64,
    /// Of single orders.
    pub(super) acknowledged_p50_us: u64,
    pub(super) acknowledged_p99_us: u64,
    pub(super) ready_p50_us: u64,
    pub(super) ready_p99_us: u64,
}
