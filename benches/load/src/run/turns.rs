//! Whose turn it is to place which order, and since when.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;

use super::{Pace, Plan};
use crate::clock::now;

/// Hands out the orders of a run.
pub(super) struct Turns {
    begin: Instant,
    end: Option<Instant>,
    order_count: u64,
    pace: Pace,
    next_index: AtomicU64,
    /// At a given pace a permit is an order whose time has come.
    due: Semaphore,
}

/// One order to be placed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    /// From 0.
    pub(super) index: u64,
    /// When the order should have been placed, which may be long ago when all clients were held up. Times are counted
    /// from here, so that what the server makes wait is not left out (coordinated omission).
    pub(super) intended: Instant,
}

impl Turns {
    pub(super) fn new(plan: &Plan) -> Self {
        let begin = now();
        Self {
            begin,
            end: plan.duration.map(|duration| begin + duration),
            order_count: plan.order_count.unwrap_or(u64::MAX),
            pace: plan.pace,
            next_index: AtomicU64::new(0),
            due: Semaphore::new(0),
        }
    }

    /// The next order, when its time has come; `None` when there are no more.
    pub(super) async fn next(&self) -> Option<Turn> {
        if self.rate().is_some() {
            self.due.acquire().await.ok()?.forget();
        }
        let index = self.next_index.fetch_add(1, Ordering::Relaxed);
        let intended = self.intended(index);
        let is_over = index >= self.order_count || self.end.is_some_and(|end| intended >= end);
        (!is_over).then_some(Turn { index, intended })
    }

    /// The pace, unless clients set it themselves.
    pub(super) fn rate(&self) -> Option<f64> {
        match self.pace {
            Pace::ClosedLoop => None,
            Pace::PerSecond(rate) => Some(rate),
        }
    }

    fn intended(&self, index: u64) -> Instant {
        match self.pace {
            Pace::ClosedLoop => now(),
            Pace::PerSecond(rate) => self.begin + after(index, rate),
        }
    }

    /// Releases what is due and says when more will be; `None` when nothing is to come. `released` counts on.
    pub(super) fn release(&self, released: &mut u64, rate: f64) -> Option<Instant> {
        let last = self.order_count.min(self.end.map_or(u64::MAX, |end| orders_before(end - self.begin, rate)));
        let due = orders_before(self.begin.elapsed(), rate).min(last);
        self.due.add_permits(usize::try_from(due - *released).unwrap_or(Semaphore::MAX_PERMITS));
        *released = due;
        (due < last).then(|| self.intended(due))
    }

    /// Nothing more will be released. What is due already is still handed out.
    pub(super) fn close_when_taken(&self) {
        // One more order than there are ends each client that is waiting: it sees that there is none.
        self.due.add_permits(Semaphore::MAX_PERMITS / 2);
    }
}

#[expect(clippy::cast_precision_loss, reason = "beyond 2^52 orders nobody asks for the nanosecond")]
fn after(index: u64, rate: f64) -> Duration {
    Duration::from_secs_f64(index as f64 / rate)
}

/// How many orders are intended in the time up to `elapsed`, the first at 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "times and rates are not negative")]
fn orders_before(elapsed: Duration, rate: f64) -> u64 {
    (elapsed.as_secs_f64() * rate).ceil() as u64
}
