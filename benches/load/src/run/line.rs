//! Acknowledged orders that are waiting to be asked whether they are ready: first in, first out.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::turns::Turn;
use crate::Order;

/// See the module. It holds what the server has acknowledged and not made ready, so the server's backlog is its bound.
#[derive(Default)]
pub(super) struct Line {
    waiting: Mutex<VecDeque<Waiting>>,
    /// Clients that may still place orders.
    placer_count: AtomicUsize,
    changed: Notify,
}

/// One order in the line.
pub(super) struct Waiting {
    pub(super) order: Order,
    pub(super) turn: Turn,
    pub(super) acknowledged: Instant,
}

/// A client that may still place orders. The line ends when the last of these is dropped.
pub(super) struct Place {
    line: Arc<Line>,
}

impl Line {
    pub(super) fn enter(self: &Arc<Self>) -> Place {
        self.placer_count.fetch_add(1, Ordering::Relaxed);
        Place { line: self.clone() }
    }

    /// The oldest order that nobody has taken; `None` when none is left and none will come.
    pub(super) async fn next(&self) -> Option<Waiting> {
        loop {
            // Made before looking: a change between the look and the wait is then not missed.
            let changed = self.changed.notified();
            if let Some(waiting) = self.waiting.lock().pop_front() {
                return Some(waiting);
            }
            if self.placer_count.load(Ordering::Relaxed) == 0 {
                return None;
            }
            changed.await;
        }
    }
}

impl Place {
    pub(super) fn push(&self, waiting: Waiting) {
        self.line.waiting.lock().push_back(waiting);
        self.line.changed.notify_one();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.line.placer_count.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.line.changed.notify_waiters();
        }
    }
}
