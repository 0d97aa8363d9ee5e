//! What a member owns.

use std::time::Duration;

use linecook_log::{Offset, Partition, TopicPartition};
use rdkafka::error::RDKafkaErrorCode;

use super::KafkaMember;

/// A partition of all topics of an input: what moves together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    /// Which of the inputs.
    pub(super) input: usize,
    pub(super) partition: Partition,
}

/// A partition that the member was told of.
#[derive(Debug)]
pub(super) struct Owned {
    pub(super) at: TopicPartition,
    pub(super) share: Share,
    /// The place of its topic in the order of the polls.
    pub(super) rank: usize,
    pub(super) committed: Offset,
    /// Behind the last record that was handed out.
    pub(super) handed: Offset,
    /// Behind what the consumer has taken: also behind offsets that are no records.
    pub(super) position: Offset,
    /// The furthest position it ever had: no commit goes beyond.
    pub(super) seen: Offset,
    /// When what is committed of it is committed once more, should nothing be until then.
    pub(super) keep_at: Duration,
    /// Why no records of it come.
    pub(super) fault: Option<(RDKafkaErrorCode, String)>,
    /// Nothing of it is handed out.
    pub(super) is_paused: bool,
}

impl Owned {
    pub(super) fn new(at: TopicPartition, share: Share, rank: usize, position: Offset, keep_at: Duration) -> Self {
        Self {
            at,
            share,
            rank,
            committed: position,
            handed: position,
            position,
            seen: position,
            keep_at,
            fault: None,
            is_paused: false,
        }
    }

    /// All before it is consumed.
    pub(super) fn reached(&self) -> Offset {
        if self.committed >= self.handed { self.committed.max(self.position) } else { self.committed }
    }

    /// The consumer has got that far.
    pub(super) fn advance(&mut self, position: Offset) {
        self.position = self.position.max(position);
        self.seen = self.seen.max(position);
    }
}

impl KafkaMember {
    /// Those that these partitions stand for: of each input the first topic does.
    pub(super) fn shares_of(&self, partitions: &[TopicPartition]) -> Vec<Share> {
        let share = |at: &TopicPartition| {
            let input = self.spec.inputs.iter().position(|input| input.topics[0] == at.topic)?;
            Some(Share { input, partition: at.partition })
        };
        let exists = |share: &Share| share.partition.0 < self.partition_counts[share.input];
        partitions.iter().filter_map(share).filter(exists).collect()
    }

    /// Whether it has it, told or on its way.
    pub(super) fn has(&self, share: Share) -> bool {
        self.owned.iter().any(|owned| owned.share == share) || self.arriving.iter().any(|it| it.share == share)
    }

    pub(super) fn partitions_of(&self, share: Share) -> impl Iterator<Item = TopicPartition> {
        self.spec.inputs[share.input].topics.iter().map(move |topic| TopicPartition::new(topic, share.partition))
    }

    /// Which partitions of these it was told of.
    pub(super) fn partitions_told(&self, shares: &[Share]) -> Vec<TopicPartition> {
        let told = self.owned.iter().filter(|owned| shares.contains(&owned.share));
        told.map(|owned| owned.at.clone()).collect()
    }

    pub(super) fn rank_of(&self, at: &TopicPartition) -> usize {
        let mut topics = self.spec.inputs.iter().flat_map(|input| &input.topics);
        topics.position(|topic| *topic == at.topic).unwrap_or(usize::MAX)
    }
}
