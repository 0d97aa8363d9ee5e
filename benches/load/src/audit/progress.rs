//! When to give up on orders that do not become ready.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::clock::now;

/// When an order was last seen to have become ready, whichever. As long as there is progress nobody is given up, so a
/// long backlog is no finding; once there has been none for as long as the patience, all that are still waiting are
/// given up together, so a server that stands still costs the patience once and not once an order.
pub(crate) struct Progress {
    last: Mutex<Instant>,
    patience: Duration,
}

impl Progress {
    pub(crate) fn new(patience: Duration) -> Self {
        Self { last: Mutex::new(now()), patience }
    }

    pub(crate) fn made(&self) {
        *self.last.lock() = now();
    }

    pub(crate) fn has_ended(&self) -> bool {
        now().duration_since(*self.last.lock()) >= self.patience
    }
}
