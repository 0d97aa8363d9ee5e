//! Records that failed for good.

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
    /// How often it was tried.
    pub(crate) attempts: u16,
    /// When the first attempt failed, and when the last one did.
    pub(crate) first_failed_at: Timestamp,
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
            ("linecook-attempts", self.attempts.to_string()),
            ("linecook-first-failed-at", self.first_failed_at.0.to_string()),
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
