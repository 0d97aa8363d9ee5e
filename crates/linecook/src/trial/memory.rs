//! Rows and records in memory, as a member of a log of one partition a topic.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use linecook_log::{
    Batch, Commit, Member, Offset, Output, Partition, PartitionRows, Poll, Result, Row, RowChange, Rows, Scan,
    TableName, Ticket, Timestamp, TopicName, TopicPartition,
};
use parking_lot::Mutex;

/// See the module. Clones share what they have.
#[derive(Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    rows: BTreeMap<(TableName, Bytes), Bytes>,
    written: Vec<(TopicName, Batch)>,
}

impl Memory {
    /// The rows of a table, for its reader.
    pub(super) fn rows_of(&self, table: TableName) -> Arc<dyn Rows> {
        Arc::new(MemoryRows { table, memory: self.clone() })
    }

    /// What was written to a topic since it was taken last.
    pub(super) fn take_written(&self, topic: &TopicName) -> Vec<Batch> {
        let mut state = self.0.lock();
        state.written.extract_if(.., |(to, _)| to == topic).map(|(_, batch)| batch).collect()
    }

    fn get(&self, table: &TableName, key: &[u8]) -> Option<Bytes> {
        self.0.lock().rows.get(&(table.clone(), Bytes::copy_from_slice(key))).cloned()
    }

    fn scan(&self, table: &TableName, scan: Scan<'_>) -> Vec<Row> {
        let state = self.0.lock();
        let of_table = state.rows.iter().filter(|((of, _), _)| of == table).map(|((_, key), value)| (key, value));
        let is_wanted = |key: &Bytes| key.starts_with(scan.prefix) && scan.after.is_none_or(|after| key > after);
        let wanted = of_table.filter(|(key, _)| is_wanted(key)).take(scan.limit);
        wanted.map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}

impl State {
    fn apply(&mut self, RowChange { table, key, value, .. }: RowChange) {
        match value {
            Some(value) => self.rows.insert((table, key), value),
            None => self.rows.remove(&(table, key)),
        };
    }
}

impl Member for Memory {
    fn poll(&mut self, _max_wait: Duration, _max_bytes: usize) -> Result<Poll> {
        Ok(Poll::Idle)
    }

    fn pause(&mut self, _partition: &TopicPartition) -> Result<()> {
        Ok(())
    }

    fn resume(&mut self, _partition: &TopicPartition) -> Result<()> {
        Ok(())
    }

    fn get(&mut self, table: &TableName, _partition: Partition, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(Self::get(self, table, key))
    }

    fn scan(&mut self, table: &TableName, _partition: Partition, scan: Scan<'_>) -> Result<Vec<Row>> {
        Ok(Self::scan(self, table, scan))
    }

    fn commit(&mut self, commit: Commit) -> Result<Ticket> {
        let mut state = self.0.lock();
        let written = |Output { to, batch }| (to.topic, batch.finish(Offset(0), Timestamp(0)));
        state.written.extend(commit.outputs.into_iter().map(written));
        commit.rows.into_iter().for_each(|change| state.apply(change));
        Ok(Ticket::done())
    }

    fn leave(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

struct MemoryRows {
    table: TableName,
    memory: Memory,
}

impl Rows for MemoryRows {
    fn at_one_moment(
        &self,
        _partition: Partition,
        read: &mut dyn FnMut(&dyn PartitionRows) -> Result<()>,
    ) -> Result<()> {
        read(self)
    }

    fn caught_up(&self, _input: &TopicPartition) -> Result<Ticket> {
        Ok(Ticket::done())
    }
}

/// Nobody commits while they are read: all of it is one thread's.
impl PartitionRows for MemoryRows {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(self.memory.get(&self.table, key))
    }

    fn scan(&self, scan: Scan<'_>) -> Result<Vec<Row>> {
        Ok(self.memory.scan(&self.table, scan))
    }
}
