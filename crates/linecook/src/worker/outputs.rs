//! The records that a commit is going to write.
//!
//! ```text
//!  record in hand ──► target (topic) ──► slot (topic, partition) ──► open batch of the source in hand
//!                     an index, given    an index, by addition       an index, by look-up in `slots`
//!                     at declaration
//! ```
//!
//! No name is compared or hashed on that way: it is walked once a record.

use linecook_log::{
    BatchBuilder, GroupName, Header, Mark, NewRecord, Offset, Origin, Output, Partition, Record, Result,
};
use linecook_log::{Source, Timestamp, TopicName, TopicPartition, partition_of};

use crate::EncodeError;

/// A topic that a service writes, by its place in the service's list of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TargetIndex(pub(crate) usize);

#[derive(Debug)]
struct Target {
    topic: TopicName,
    partition_count: u32,
    /// The slot of its partition 0.
    first_slot: usize,
}

#[derive(Debug)]
struct OpenBatch {
    to: TargetIndex,
    partition: Partition,
    builder: BatchBuilder,
    /// The last record of the source that went into it.
    last: Offset,
    /// The mark, by its number, at which `undo` has an entry for this batch.
    marked_at: u64,
}

#[derive(Debug)]
struct Undo {
    batch: usize,
    mark: Mark,
    last: Offset,
}

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Outputs {
    service: GroupName,
    targets: Vec<Target>,
    /// The open batch of each slot, of the source in hand.
    slots: Vec<Option<usize>>,
    batches: Vec<OpenBatch>,
    source: Option<(TopicPartition, u32)>,
    taken_at: Timestamp,
    attempt: u16,
    offset: Offset,
    undo: Vec<Undo>,
    mark_number: u64,
    size_bytes: usize,
    size_bytes_at_mark: usize,
}

impl Outputs {
    /// Nothing yet. `targets` are the topics and how many partitions each has.
    pub(crate) fn new(service: &GroupName, targets: Vec<(TopicName, u32)>) -> Self {
        let mut first_slot = 0;
        let targets: Vec<_> = targets
            .into_iter()
            .map(|(topic, partition_count)| {
                let target = Target { topic, partition_count, first_slot };
                first_slot += partition_count as usize;
                target
            })
            .collect();
        Self {
            service: service.clone(),
            targets,
            slots: vec![None; first_slot],
            batches: Vec::new(),
            source: None,
            taken_at: Timestamp::default(),
            attempt: 1,
            offset: Offset(0),
            undo: Vec::new(),
            mark_number: 0,
            size_bytes: 0,
            size_bytes_at_mark: 0,
        }
    }

    /// The records taken next are of `from`, a partition of a topic that has `partition_count` of them, and taken for the
    /// `attempt`th time.
    pub(crate) fn begin_source(
        &mut self,
        from: &TopicPartition,
        partition_count: u32,
        taken_at: Timestamp,
        attempt: u16,
    ) {
        self.taken_at = taken_at;
        if self.attempt == attempt && self.source.as_ref().is_some_and(|(source, _)| source == from) {
            return;
        }
        self.attempt = attempt;
        self.source = Some((from.clone(), partition_count));
        self.slots.fill(None);
    }

    /// Takes a mark: [`rollback`](Self::rollback) drops what the record at `offset` adds from here on.
    pub(crate) fn mark(&mut self, offset: Offset) {
        self.offset = offset;
        self.mark_number += 1;
        self.size_bytes_at_mark = self.size_bytes;
        self.undo.clear();
    }

    /// Back to the mark.
    pub(crate) fn rollback(&mut self) {
        for undo in self.undo.drain(..) {
            let batch = &mut self.batches[undo.batch];
            batch.builder.rollback(undo.mark);
            batch.last = undo.last;
            batch.marked_at = 0;
        }
        self.size_bytes = self.size_bytes_at_mark;
    }

    /// Adds a record to the partition that the source's records lie in.
    pub(crate) fn push(
        &mut self,
        to: TargetIndex,
        record: &Record<'_>,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let partition = self.source_partition();
        self.push_to(to, partition, record.key, record.timestamp, encode)
    }

    /// Adds a record to that partition.
    pub(crate) fn push_to(
        &mut self,
        to: TargetIndex,
        partition: Partition,
        key: Option<&[u8]>,
        timestamp: Timestamp,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let builder = self.builder(to, partition);
        let before = builder.size_bytes();
        builder.push_with(key, timestamp, encode)?;
        self.size_bytes += builder.size_bytes() - before;
        Ok(())
    }

    /// Adds a record as it is, with these headers.
    ///
    /// # Errors
    /// As [`BatchBuilder::push`].
    pub(crate) fn push_as_is(&mut self, to: TargetIndex, record: &Record<'_>, headers: &[Header<'_>]) -> Result<()> {
        let partition = Partition(self.source_partition().0 % self.targets[to.0].partition_count);
        self.push_as_is_to(to, partition, record, headers)
    }

    /// Adds a record as it is, with these headers, to that partition.
    ///
    /// # Errors
    /// As [`BatchBuilder::push`].
    pub(crate) fn push_as_is_to(
        &mut self,
        to: TargetIndex,
        partition: Partition,
        record: &Record<'_>,
        headers: &[Header<'_>],
    ) -> Result<()> {
        let builder = self.builder(to, partition);
        let before = builder.size_bytes();
        builder.push(&NewRecord { key: record.key, value: record.value, timestamp: record.timestamp, headers })?;
        self.size_bytes += builder.size_bytes() - before;
        Ok(())
    }

    /// The partition of the target for a record of that key, which may be the key of the record in hand.
    pub(crate) fn partition_for(&self, to: TargetIndex, key: &[u8], owner: KeyOwner) -> Partition {
        let partition_count = self.targets[to.0].partition_count;
        match (&self.source, owner) {
            (Some((from, source_count)), KeyOwner::Record) if *source_count == partition_count => from.partition,
            _ => partition_of(key, partition_count),
        }
    }

    /// The size of what was added since the last [`take`](Self::take).
    pub(crate) fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// What was added, in the order in which the batches were begun. Nothing is left.
    pub(crate) fn take(&mut self) -> Vec<Output> {
        let mut outputs = Vec::with_capacity(self.batches.len());
        for OpenBatch { to, partition, mut builder, last, .. } in self.batches.drain(..) {
            if builder.is_empty() {
                continue;
            }
            builder.extend_source(last);
            let to = TopicPartition::new(&self.targets[to.0].topic, partition);
            outputs.push(Output { to, batch: builder });
        }
        self.clear();
        outputs
    }

    /// Drops what was added.
    pub(crate) fn clear(&mut self) {
        self.batches.clear();
        self.slots.fill(None);
        self.undo.clear();
        self.source = None;
        self.size_bytes = 0;
        self.size_bytes_at_mark = 0;
    }

    fn source_partition(&self) -> Partition {
        self.source.as_ref().expect("a record is in hand").0.partition
    }

    /// The open batch of that partition, with an entry in `undo`.
    fn builder(&mut self, to: TargetIndex, partition: Partition) -> &mut BatchBuilder {
        let slot = self.targets[to.0].first_slot + partition.0 as usize;
        let index = match self.slots[slot] {
            // What is tried again comes in the order in which it is due, and a batch is of records from one to another.
            Some(index) if self.batches[index].last <= self.offset => index,
            _ => self.open(to, partition, slot),
        };
        let batch = &mut self.batches[index];
        if batch.marked_at != self.mark_number {
            batch.marked_at = self.mark_number;
            self.undo.push(Undo { batch: index, mark: batch.builder.mark(), last: batch.last });
            batch.last = self.offset;
        }
        &mut batch.builder
    }

    fn open(&mut self, to: TargetIndex, partition: Partition, slot: usize) -> usize {
        let from = self.source.as_ref().map(|(from, _)| from.clone());
        let source = from.map(|from| Source { from, first: self.offset, last: self.offset });
        let origin = Origin { service: self.service.clone(), taken_at: self.taken_at, attempt: self.attempt, source };
        let builder = BatchBuilder::new(&origin, 0);
        self.batches.push(OpenBatch { to, partition, builder, last: self.offset, marked_at: 0 });
        self.slots[slot] = Some(self.batches.len() - 1);
        self.batches.len() - 1
    }
}

/// Whose key it is that a partition is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyOwner {
    /// The record in hand.
    Record,
    /// Something else.
    Other,
}

#[cfg(test)]
mod tests;
