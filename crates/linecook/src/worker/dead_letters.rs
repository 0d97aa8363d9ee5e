//! Records that failed for good.

use std::time::Duration;

use linecook_log::{GroupName, Header, Headers, Record, Timestamp, TopicPartition};

use super::Outputs;
use crate::service::DEAD_LETTERS;

/// How much of its record a letter has. With the headers that say what happened it is larger than the record was, and
/// the log may refuse it. The record itself is where those headers say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it.
    Whole,
    /// Its key and its headers.
    WithoutValue,
    /// Nothing.
    PlaceOnly,
}

impl Extent {
    /// The next to be tried when the log refuses this one.
    pub(crate) fn less(self) -> Option<Self> {
        match self {
            Self::Whole => Some(Self::WithoutValue),
            Self::WithoutValue => Some(Self::PlaceOnly),
            Self::PlaceOnly => None,
        }
    }
}

/// Which record has failed where, and why.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DeadLetter<'a> {
    pub(crate) service: &'a GroupName,
    pub(crate) stage: &'a str,
    pub(crate) from: &'a TopicPartition,
    pub(crate) record: &'a Record<'a>,
    pub(crate) reason: &'a str,
    pub(crate) failed_at: Timestamp,
    pub(crate) extent: Extent,
}

impl DeadLetter<'_> {
    /// Writes the record as it is, unless the log refuses that, with headers behind its own that tell where it failed
    /// and why.
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
        let mut ours: Vec<_> = texts.iter().map(|(name, text)| Header { name, value: text.as_bytes() }).collect();
        let value_bytes = self.record.value.map_or_else(String::new, |value| value.len().to_string());
        if self.extent != Extent::Whole && self.record.value.is_some() {
            ours.push(Header { name: "linecook-value-bytes", value: value_bytes.as_bytes() });
        }
        let kept = self.kept();
        let headers: Vec<_> = kept.headers.chain(ours).collect();
        if outputs.push_as_is(DEAD_LETTERS, &kept, &headers).is_err() {
            // With ours its headers are too many; one that is noted by its place has ours alone.
            let extent = self.extent.less().expect("few headers, with short names, are taken");
            DeadLetter { extent, ..*self }.write(outputs);
        }
    }

    /// The record as far as the letter has it.
    fn kept(&self) -> Record<'_> {
        match self.extent {
            Extent::Whole => *self.record,
            Extent::WithoutValue => Record { value: None, ..*self.record },
            Extent::PlaceOnly => Record { key: None, value: None, headers: Headers::default(), ..*self.record },
        }
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
