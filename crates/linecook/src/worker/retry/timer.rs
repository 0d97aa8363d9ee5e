//! When to try again after attempts whose commits did not come about.

use std::{collections::BTreeMap, time::Duration};

use linecook_log::{Partition, TopicPartition};

use crate::{service::StationIndex, worker::recovery::Backoff};

/// At the longest; others go on meanwhile.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What keeps the commits of one station from coming about, such as a topic that is gone, need not keep those of the others:
/// each partition of each station waits for itself.
#[derive(Debug, Default)]
pub(in crate::worker) struct RetryTimer {
    /// Nothing is tried before.
    not_before: Duration,
    failing: BTreeMap<Whose, Failing>,
    /// Whose records are being tried; `None` as long as that is not known.
    trying: Option<Whose>,
    /// The step before was one that failed: this one polls, and handles what comes.
    rests: bool,
}

/// For whom records wait, and in which partition.
pub(crate) type Whose = (StationIndex, Partition);

#[derive(Debug, Default)]
struct Failing {
    backoff: Backoff,
    not_before: Duration,
}

impl RetryTimer {
    /// Whether anything may be tried.
    pub(super) fn begin(&mut self, now: Duration) -> bool {
        self.trying = None;
        !std::mem::take(&mut self.rests) && now >= self.not_before
    }

    /// How long none of them is tried.
    pub(super) fn wait(&self, whose: Whose, now: Duration) -> Duration {
        let not_before = self.failing.get(&whose).map_or(self.not_before, |it| it.not_before.max(self.not_before));
        not_before.saturating_sub(now)
    }

    /// It is these that are tried.
    pub(super) fn tries(&mut self, whose: Whose) {
        self.trying = Some(whose);
    }

    /// The attempt was committed.
    pub(super) fn succeeded(&mut self) {
        if let Some(whose) = self.trying {
            self.failing.remove(&whose);
        }
    }

    /// The commit did not come about.
    pub(super) fn failed(&mut self, now: Duration) {
        self.rests = true;
        match self.trying {
            Some(whose) => {
                let failing = self.failing.entry(whose).or_default();
                failing.not_before = now + failing.backoff.next_up_to(LONGEST_WAIT);
            }
            None => self.wait_until(now + NOT_EVEN_READ),
        }
    }

    /// These partitions are another's, who finds out for itself.
    pub(in crate::worker) fn forget(&mut self, partitions: &[TopicPartition]) {
        self.failing.retain(|(_, partition), _| !partitions.iter().any(|at| at.partition == *partition));
    }

    /// Nothing is tried until then.
    pub(super) fn wait_until(&mut self, then: Duration) {
        self.not_before = then;
    }
}

/// After rows could not be read.
const NOT_EVEN_READ: Duration = Duration::from_secs(1);
