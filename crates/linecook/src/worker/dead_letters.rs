//! Records that failed for good.

use std::time::Duration;

use linecook_log::{GroupName, Header, Record, Timestamp, TopicPartition};

use super::Outputs;
use crate::service::DEAD_LETTERS;

/// Which record has failed where, and why.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DeadLetter<'a> {
    pub(crate) service: &'a GroupName,
    pub(crate) stage: &'a str,
    pub(crate) from: &'a TopicPartition,
    pub(crate) record: &'a Record<'a>,
    pub(crate) reason: &'a str,
    pub(crate) failed_at: Timestamp,
}

impl DeadLetter<'_> {
    /// Writes the record as it is, with headers behind its own that tell where it failed and why.
    pub(crate) fn write(&self, outputs: &mut Outputs) {
        let texts = [
            ("linecook-service", self.service.to_string()),
            ("linecook-stage", self.stage.to_owned()),
            ("linecook-topic", self.from.topic.to_string()),
            ("linecook-partition", self.from.partition.to_string()),
            ("linecook-offset", self.record.offset.to_string()),
            ("linecook-reason", self.reason.to_owned()),
            ("linecook-attempts", "1".to_owned()),
            ("linecook-failed-at", self.failed_at.0.to_string()),
        ];
        let ours = texts.iter().map(|(name, text)| Header { name, value: text.as_bytes() });
        let headers: Vec<_> = self.record.headers.chain(ours).collect();
        outputs.push_as_is(DEAD_LETTERS, self.record, &headers);
    }
}

/// Tells of failures in the process's log: the first at once, then at most one in a while, with how many there were
/// in between. A poisoned topic must not fill the disk with its own obituaries.
#[derive(Debug, Default)]
pub(crate) struct Burst {
    told: Option<Duration>,
    untold_count: u64,
}

const QUIET: Duration = Duration::from_secs(10);

impl Burst {
    pub(crate) fn tell(&mut self, letter: &DeadLetter<'_>, now: Duration) {
        let Some(untold_count) = self.count(now) else { return };
        let DeadLetter { service, stage, from, record, reason, .. } = letter;
        let offset = record.offset;
        tracing::warn!(%service, stage, at = %from, %offset, untold_count, "a record goes to the dead letters: {reason}");
    }

    /// How many were not told since the last one that was, if this one is to be told.
    fn count(&mut self, now: Duration) -> Option<u64> {
        if self.told.is_some_and(|told| now.saturating_sub(told) < QUIET) {
            self.untold_count += 1;
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold_count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_told_once_and_its_size_later() {
        let mut burst = Burst::default();
        let told: Vec<_> = [0, 1, 2, 9, 10, 11, 30].map(|second| burst.count(Duration::from_secs(second))).into();
        assert_eq!(told, [Some(0), None, None, None, Some(3), None, Some(1)]);
    }
}
