//! A clock that goes when it is told to.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use linecook_log::{Clock, Timestamp};

/// The time of the simulation; it begins at the same moment each time.
#[derive(Debug, Default)]
pub(crate) struct TurnClock(AtomicU64);

impl TurnClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_micros()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }
}

impl Clock for TurnClock {
    fn timestamp(&self) -> Timestamp {
        Timestamp(1_700_000_000_000).plus(self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::SeqCst))
    }
}
