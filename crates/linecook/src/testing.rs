//! What the tests of this crate share.

mod fixture;
mod script;

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use bytes::Bytes;
use linecook_log::{Batch, BatchBuilder, Clock, GroupName, NewRecord, Offset, Origin, Timestamp};

pub(crate) use self::{
    fixture::{Fixture, at, fetch},
    script::{Made, ScriptedLog},
};

/// A clock that stands still until it is told to go on.
#[derive(Debug, Default)]
pub(crate) struct HandClock {
    now_ms: AtomicU64,
    asked: AtomicU64,
}

impl HandClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.now_ms.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// How often somebody wanted to know what time it is.
    pub(crate) fn times_asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Clock for HandClock {
    fn timestamp(&self) -> Timestamp {
        Timestamp(1_700_000_000_000).plus(self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Duration::from_millis(self.now_ms.load(Ordering::SeqCst))
    }
}

/// The value of the row of a state that has no items.
pub(crate) fn state_row(state: &str) -> Bytes {
    [&b"\x02\0\0\0\0\0\0\0\0"[..], state.as_bytes()].concat().into()
}

pub(crate) fn origin() -> Origin {
    let service = GroupName::new("test").unwrap();
    Origin { service, taken_at: Timestamp(0), attempt: 1, source: None }
}

/// Records of these keys and values, a second apart.
pub(crate) fn batch_of(base: Offset, records: &[(&str, &str)]) -> Batch {
    let mut builder = BatchBuilder::new(&origin(), 0);
    for (index, (key, value)) in (0..).zip(records) {
        let (key, value) = (Some(key.as_bytes()), Some(value.as_bytes()));
        builder.push(&NewRecord { key, value, timestamp: Timestamp(1_000 * index), headers: &[] }).unwrap();
    }
    builder.finish(base, Timestamp(1_699_999_999_000))
}
