//! What a worker is told, and what it tells.

use std::time::Duration;

use linecook_log::InstanceName;

/// Who a worker is in its group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// The process, stable over its restarts.
    pub instance: InstanceName,
    /// Which of the process's workers for this service, from 0.
    pub worker: u32,
    /// How long it may go without a poll before its partitions are given to others.
    pub max_silence: Duration,
}

/// How much a worker does at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long a poll waits when nothing comes: the time in which the worker notices that it is to stop.
    pub poll_wait: Duration,
    /// About how much one poll brings; also about what the worker holds in memory.
    pub poll_bytes: usize,
    /// A commit is made when its records have that size, even if more of what was polled waits.
    pub output_bytes: usize,
    /// A commit is made when its handlers have taken that long, even if more of what was polled waits.
    pub commit_time: Duration,
    /// How many records of a partition may wait, to be tried again, for a redrive, or behind one that does, for each stage and
    /// table. When there are so many, no more of the partition are taken until there is room.
    pub waiting_records: u64,
    /// How often it looks for rows that expire.
    pub expiry_interval: Duration,
    /// About how many rows one commit deletes when they expire.
    pub expiry_rows: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            poll_wait: Duration::from_millis(100),
            poll_bytes: 256 << 10,
            output_bytes: 1 << 20,
            commit_time: Duration::from_millis(100),
            waiting_records: 10_000,
            expiry_interval: Duration::from_secs(10),
            expiry_rows: 1_000,
        }
    }
}

/// What a [step](super::Worker::step) came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// It has joined, or partitions came or went.
    Moved,
    /// It has committed what it made of that many records.
    Committed {
        /// How many.
        record_count: usize,
    },
    /// Nothing is there to do. It has waited for it.
    Idle,
    /// What was in hand could not be committed; the next step takes it in hand again.
    Again,
    /// It cannot go on. Call the next step when that time has passed; the reason is in its health.
    Blocked {
        /// How long.
        wait: Duration,
    },
}
