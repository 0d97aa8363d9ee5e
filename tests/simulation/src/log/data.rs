//! What is stored.

use std::collections::BTreeMap;

use bytes::Bytes;
use linecook_log::{Batch, Error, GroupName, Offset, Partition, Result, TableName, TopicName, TopicPartition};

/// All that is stored.
#[derive(Clone, Default)]
pub(super) struct Data {
    pub(super) topics: BTreeMap<TopicName, Vec<Vec<Batch>>>,
    /// Every known group, with every partition that it reads.
    pub(super) offsets: BTreeMap<GroupName, BTreeMap<TopicPartition, Offset>>,
    /// Where groups go on that were dropped.
    pub(super) dropped: BTreeMap<GroupName, BTreeMap<TopicPartition, Offset>>,
    pub(super) rows: BTreeMap<(GroupName, TableName, Partition, Bytes), Bytes>,
}

impl Data {
    pub(super) fn partition_count(&self, topic: &TopicName) -> Result<u32> {
        let partitions = self.topics.get(topic);
        let partitions = partitions.ok_or_else(|| Error::invalid(format!("no such topic: topic={topic}")))?;
        Ok(u32::try_from(partitions.len()).expect("few partitions"))
    }

    pub(super) fn batches(&self, at: &TopicPartition) -> Result<&Vec<Batch>> {
        let count = self.partition_count(&at.topic)?;
        self.topics[&at.topic].get(at.partition.0 as usize).ok_or_else(|| {
            let TopicPartition { topic, partition } = at;
            Error::invalid(format!("no such partition: topic={topic} partition={partition} partitions={count}"))
        })
    }

    pub(super) fn end(&self, at: &TopicPartition) -> Result<Offset> {
        Ok(self.batches(at)?.last().map_or(Offset(0), Batch::end))
    }

    /// The first batches that reach behind `offset`, about `max_bytes` of them.
    pub(super) fn batches_from(&self, from: &TopicPartition, offset: Offset, max_bytes: usize) -> Result<Vec<Batch>> {
        let batches = self.batches(from)?;
        let first = batches.partition_point(|batch| batch.end() <= offset);
        let mut left = max_bytes.max(1);
        let wanted = batches[first..].iter().take_while(|batch| {
            let is_wanted = left > 0;
            left = left.saturating_sub(batch.bytes().len());
            is_wanted
        });
        Ok(wanted.cloned().collect())
    }

    /// Appends what was checked before.
    pub(super) fn append(&mut self, to: &TopicPartition, batch: &Batch) {
        let base = self.end(to).expect("outputs were checked");
        let partitions = self.topics.get_mut(&to.topic).expect("outputs were checked");
        partitions[to.partition.0 as usize].push(batch.clone().placed(base, batch.committed_at()));
    }

    /// Makes a group known, and all partitions of these topics with it.
    pub(super) fn declare(&mut self, group: &GroupName, topics: &[TopicName]) {
        let dropped = self.dropped.remove(group).unwrap_or_default();
        let offsets = self.offsets.entry(group.clone()).or_default();
        for topic in topics {
            for partition in Partition::all(u32::try_from(self.topics[topic].len()).expect("few partitions")) {
                let at = TopicPartition::new(topic, partition);
                let first = dropped.get(&at).copied().unwrap_or_default();
                offsets.entry(at).or_insert(first);
            }
        }
    }

    pub(super) fn offset(&self, group: &GroupName, from: &TopicPartition) -> Offset {
        self.offsets.get(group).and_then(|offsets| offsets.get(from)).copied().unwrap_or_default()
    }

    pub(super) fn scan(
        &self,
        table: &(GroupName, TableName, Partition),
        scan: linecook_log::Scan<'_>,
    ) -> Vec<linecook_log::Row> {
        let (group, name, partition) = table;
        let rows = self.rows.iter().filter(|((g, t, p, _), _)| g == group && t == name && p == partition);
        rows.map(|((.., key), value)| (key.clone(), value.clone()))
            .filter(|(key, _)| key.starts_with(scan.prefix) && scan.after.is_none_or(|after| key[..] > *after))
            .take(scan.limit)
            .collect()
    }
}
