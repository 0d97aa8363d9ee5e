//! How a worker is, for those who ask.

use std::time::Duration;

use linecook_log::{Error, GroupName, Offset, Timestamp, TopicPartition};
use parking_lot::Mutex;

/// How a worker is, shared with the threads that answer for it.
#[derive(Debug, Default)]
pub struct WorkerHealth(Mutex<WorkerReport>);

/// How a worker was when it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WorkerReport {
    /// What it owns.
    pub assigned: Vec<TopicPartition>,
    /// Records that it has in hand, if it has some.
    pub in_hand: Option<InHand>,
    /// When its last poll succeeded, by the clock that never goes back ([`Clock::monotonic`](linecook_log::Clock)): the
    /// time of day may jump, and that is no sign of life.
    pub last_poll: Option<Duration>,
    /// When its last commit was made.
    pub last_commit: Option<Timestamp>,
    /// What keeps it from going on, if something does.
    pub blocked: Option<String>,
    /// What keeps some of its partitions from coming, while it goes on with the others.
    pub stuck: Option<String>,
    /// Partitions of which no more is taken, since as many of their records wait to be tried again as may.
    pub held: Vec<TopicPartition>,
}

/// Records that handlers are at work on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InHand {
    /// Where they lie.
    pub from: TopicPartition,
    /// The first of them.
    pub first: Offset,
    /// When they were taken, by the clock that never goes back.
    pub since: Duration,
}

impl WorkerHealth {
    /// How it is now.
    pub fn report(&self) -> WorkerReport {
        self.0.lock().clone()
    }

    pub(crate) fn owns(&self, assigned: Vec<TopicPartition>) {
        self.0.lock().assigned = assigned;
    }

    pub(crate) fn polled(&self, now: Duration) {
        self.0.lock().last_poll = Some(now);
    }

    /// From here on handlers get the records of a batch, from that one on.
    pub(crate) fn takes(&self, from: &TopicPartition, first: Offset, since: Duration) {
        self.0.lock().in_hand = Some(InHand { from: from.clone(), first, since });
    }

    /// No handler is at work any more, whatever comes of it.
    pub(crate) fn has_handled(&self) {
        self.0.lock().in_hand = None;
    }

    pub(crate) fn committed(&self, now: Timestamp) {
        let mut report = self.0.lock();
        report.last_commit = Some(now);
        report.blocked = None;
    }

    pub(crate) fn holds(&self, partitions: &[TopicPartition]) {
        let mut report = self.0.lock();
        if report.held != partitions {
            report.held = partitions.to_vec();
        }
    }

    /// Tells the operator when that changes.
    pub(crate) fn is_stuck(&self, service: &GroupName, why: Option<Error>) {
        let why = why.map(|error| error.chain());
        let before = std::mem::replace(&mut self.0.lock().stuck, why.clone());
        match why {
            why if why == before => {}
            Some(why) => tracing::warn!(%service, "some partitions do not come: {why}"),
            None => tracing::info!(%service, "no partition is known to be stuck"),
        }
    }

    pub(crate) fn is_blocked(&self, reason: Option<String>) {
        self.0.lock().blocked = reason;
    }
}
