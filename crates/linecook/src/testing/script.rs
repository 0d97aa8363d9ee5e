//! A log that follows a script: a state machine is tested by what it is told.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use linecook_log::{
    Batch, BatchBuilder, Commit, Error, ErrorKind, GroupDescription, GroupName, GroupSpec, Log, Member, MemberSpec,
    Offset, Partition, PartitionDescription, PartitionRows, Poll, Result, Row, RowChange, Rows, Scan, Status,
    TableName, Ticket, Timestamp, TopicDescription, TopicName, TopicPartition, TopicSpec,
};
use parking_lot::{Mutex, MutexGuard};

use super::at;

/// What a member is told, and what it has done.
#[derive(Debug, Default)]
pub(crate) struct Script {
    pub(crate) topics: BTreeMap<TopicName, u32>,
    /// What the next attempts to create topics are answered; later ones succeed.
    pub(crate) create_errors: VecDeque<Error>,
    /// Groups, each with the offset of one partition, as `topic/partition`.
    pub(crate) group_offsets: Vec<(&'static str, &'static str, u64)>,
    pub(crate) joins: Vec<MemberSpec>,
    pub(crate) join_errors: VecDeque<Error>,
    pub(crate) polls: VecDeque<Result<Poll>>,
    /// What some partitions wait for.
    pub(crate) stuck: Option<&'static str>,
    /// The longest wait of each poll.
    pub(crate) waits: Vec<Duration>,
    /// What the next commits are answered; what is not here succeeds.
    pub(crate) answers: VecDeque<Option<ErrorKind>>,
    pub(crate) refused: Vec<Made>,
    pub(crate) made: Vec<Made>,
    /// Commits that do nothing but note what is begun. They follow no script unless it is this, and are in no other list.
    pub(crate) notes: Vec<Made>,
    pub(crate) note_errors: VecDeque<Error>,
    /// A commit with a record larger than that is invalid.
    pub(crate) largest_value_bytes: Option<usize>,
    /// So is one with a record, be it a dead letter, that is larger than that with its key and headers.
    pub(crate) largest_record_bytes: Option<usize>,
    /// And so is one with a row that is larger than that.
    pub(crate) largest_row_bytes: Option<usize>,
    pub(crate) get_errors: VecDeque<Error>,
    pub(crate) scan_errors: VecDeque<Error>,
    /// What the next attempts to resume a partition are answered.
    pub(crate) resume_errors: VecDeque<Error>,
    pub(crate) gets: usize,
    /// What was appended outside of any commit.
    pub(crate) appended: Vec<(TopicPartition, Batch)>,
    /// Which partitions were paused and resumed.
    pub(crate) pauses: Vec<String>,
    pub(crate) left: bool,
    /// A commit with an output that has this in it ends the process: it comes to nothing, and nobody hears of it.
    pub(crate) is_deadly: Option<&'static str>,
    pub(crate) has_died: bool,
    rows: BTreeMap<(TableName, Partition, Bytes), Bytes>,
}

/// A commit, to be looked at.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) outputs: Vec<(TopicPartition, Batch)>,
    pub(crate) rows: Vec<RowChange>,
    pub(crate) offsets: Vec<(TopicPartition, Offset)>,
}

impl Made {
    fn of(commit: Commit) -> Self {
        let finish = |output: linecook_log::Output| (output.to, output.batch.finish(Offset(0), Timestamp(0)));
        Self { outputs: commit.outputs.into_iter().map(finish).collect(), rows: commit.rows, offsets: commit.offsets }
    }

    /// Whether it only notes what is begun.
    fn is_note(&self) -> bool {
        self.outputs.is_empty() && !self.rows.is_empty() && self.rows.iter().all(|row| is_note(&row.table, &row.key))
    }

    /// `topic/partition key=value` of each record.
    pub(crate) fn written(&self) -> Vec<String> {
        let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or(b"-")).into_owned();
        let lines = |(to, batch): &(TopicPartition, Batch)| {
            let line = |record: linecook_log::Record<'_>| format!("{to} {}={}", text(record.key), text(record.value));
            batch.records().map(line).collect::<Vec<_>>()
        };
        self.outputs.iter().flat_map(lines).collect()
    }

    /// `topic/partition:offset` of each partition.
    pub(crate) fn offsets(&self) -> Vec<String> {
        self.offsets.iter().map(|(at, offset)| format!("{at}:{offset}")).collect()
    }

    /// `stage reason` of each dead letter.
    pub(crate) fn dead_letters(&self) -> Vec<String> {
        let letters = self.outputs.iter().filter(|(to, _)| to.topic.as_str().ends_with(".dead-letters"));
        let text = |record: &linecook_log::Record<'_>, name| {
            String::from_utf8_lossy(record.headers.value_of(name).unwrap()).into_owned()
        };
        let line = |record: linecook_log::Record<'_>| {
            format!("{} {}", text(&record, "linecook-stage"), text(&record, "linecook-reason"))
        };
        letters.flat_map(|(_, batch)| batch.records().map(line).collect::<Vec<_>>()).collect()
    }
}

/// A log that plays a [`Script`].
#[derive(Debug, Clone, Default)]
pub(crate) struct ScriptedLog(pub(crate) Arc<Mutex<Script>>);

impl ScriptedLog {
    /// With these topics of two partitions each.
    pub(crate) fn with_topics(names: &[&str]) -> Self {
        let log = Self::default();
        log.0.lock().topics = names.iter().map(|name| (TopicName::new(name).unwrap(), 2)).collect();
        log
    }

    /// The rows of a table as text, of keys and values as they are.
    /// Those that note what is begun are left out.
    pub(crate) fn rows_of(&self, table: &TableName) -> Vec<(Partition, Bytes, Bytes)> {
        let script = self.0.lock();
        let rows = script.rows.iter().filter(|((of, _, key), _)| of == table && !is_note(of, key));
        rows.map(|((_, partition, key), value)| (*partition, key.clone(), value.clone())).collect()
    }

    /// Deletes all rows past every commit.
    pub(crate) fn clear_rows(&self) {
        self.0.lock().rows.clear();
    }

    /// Puts a row past every commit.
    pub(crate) fn put_row(&self, table: &TableName, partition: Partition, key: Bytes, value: impl Into<Bytes>) {
        self.0.lock().rows.insert((table.clone(), partition, key), value.into());
    }
}

impl Script {
    fn apply(&mut self, change: &RowChange) {
        let key = (change.table.clone(), change.partition, change.key.clone());
        match &change.value {
            Some(value) => drop(self.rows.insert(key, value.clone())),
            None => drop(self.rows.remove(&key)),
        }
    }

    fn answer(&mut self, made: &Made) -> Option<ErrorKind> {
        let largest = made.outputs.iter().filter(|(to, _)| !to.topic.as_str().ends_with(".dead-letters"));
        let largest = largest.flat_map(|(_, batch)| batch.records().map(|record| record.value.unwrap_or(b"").len()));
        let is_too_large = largest.max() > self.largest_value_bytes && self.largest_value_bytes.is_some();
        let records = made.outputs.iter().flat_map(|(_, batch)| batch.records().map(|record| size_bytes(&record)));
        let is_too_large = is_too_large || self.largest_record_bytes.is_some_and(|most| records.max() > Some(most));
        let rows = made.rows.iter().map(RowChange::size_bytes);
        let is_too_large = is_too_large || self.largest_row_bytes.is_some_and(|most| rows.max() > Some(most));
        if is_too_large { Some(ErrorKind::Invalid) } else { self.answers.pop_front().flatten() }
    }

    fn get(&self, table: &TableName, partition: Partition, key: &[u8]) -> Option<Bytes> {
        self.rows.get(&(table.clone(), partition, Bytes::copy_from_slice(key))).cloned()
    }

    fn scan(&self, table: &TableName, partition: Partition, scan: Scan<'_>) -> Vec<Row> {
        let of_table = self.rows.iter().filter(|((of, at, _), _)| of == table && *at == partition);
        let rows = of_table.map(|((_, _, key), value)| (key.clone(), value.clone()));
        let rows = rows.filter(|(key, _)| key.starts_with(scan.prefix) && scan.after.is_none_or(|after| key > after));
        rows.take(scan.limit).collect()
    }
}

fn is_note(table: &TableName, key: &[u8]) -> bool {
    table.as_str().ends_with(".parked") && key.starts_with(&[3])
}

fn size_bytes(record: &linecook_log::Record<'_>) -> usize {
    let headers = record.headers.map(|header| header.name.len() + header.value.len());
    record.key.unwrap_or_default().len() + record.value.unwrap_or_default().len() + headers.sum::<usize>()
}

impl Member for ScriptedLog {
    fn poll(&mut self, max_wait: Duration, _max_bytes: usize) -> Result<Poll> {
        let mut script = self.0.lock();
        script.waits.push(max_wait);
        script.polls.pop_front().unwrap_or(Ok(Poll::Idle))
    }

    fn pause(&mut self, partition: &TopicPartition) -> Result<()> {
        self.0.lock().pauses.push(format!("{partition} pauses"));
        Ok(())
    }

    fn resume(&mut self, partition: &TopicPartition) -> Result<()> {
        let mut script = self.0.lock();
        script.resume_errors.pop_front().map_or(Ok(()), Err)?;
        script.pauses.push(format!("{partition} goes on"));
        Ok(())
    }

    fn stuck(&self) -> Option<Error> {
        self.0.lock().stuck.map(|why| Error::new(ErrorKind::Unavailable, why))
    }

    fn get(&mut self, table: &TableName, partition: Partition, key: &[u8]) -> Result<Option<Bytes>> {
        let mut script = self.0.lock();
        if !is_note(table, key) {
            script.gets += 1;
            script.get_errors.pop_front().map_or(Ok(()), Err)?;
        }
        Ok(script.get(table, partition, key))
    }

    fn scan(&mut self, table: &TableName, partition: Partition, scan: Scan<'_>) -> Result<Vec<Row>> {
        let mut script = self.0.lock();
        script.scan_errors.pop_front().map_or(Ok(()), Err)?;
        Ok(script.scan(table, partition, scan))
    }

    fn commit(&mut self, commit: Commit) -> Result<Ticket> {
        let made = Made::of(commit);
        assert!(!made.offsets.is_empty(), "a commit speaks for some partition");
        assert!(made.outputs.iter().all(|(_, batch)| batch.count() > 0), "no empty batches");
        let mut script = self.0.lock();
        let is_deadly =
            |deadly: &str| made.written().iter().any(|line| line.starts_with("shouted") && line.contains(deadly));
        if script.is_deadly.is_some_and(|deadly| is_deadly(&deadly.to_uppercase())) {
            script.has_died = true;
        }
        if script.has_died {
            return Err(Error::new(ErrorKind::Unavailable, "the process has ended"));
        }
        if made.is_note() {
            script.note_errors.pop_front().map_or(Ok(()), Err)?;
            made.rows.iter().for_each(|change| script.apply(change));
            script.notes.push(made);
            return Ok(Ticket::done());
        }
        if let Some(kind) = script.answer(&made) {
            script.refused.push(made);
            return Err(Error::new(kind, "refused by the script"));
        }
        made.rows.iter().for_each(|change| script.apply(change));
        script.made.push(made);
        Ok(Ticket::done())
    }

    fn leave(self: Box<Self>) -> Result<()> {
        self.0.lock().left = true;
        Ok(())
    }
}

impl Rows for ScriptedLog {
    fn at_one_moment(
        &self,
        partition: Partition,
        read: &mut dyn FnMut(&dyn PartitionRows) -> Result<()>,
    ) -> Result<()> {
        let table = self.only_table();
        read(&ScriptedRows { script: self.0.lock(), table, partition })
    }

    fn caught_up(&self, _input: &TopicPartition) -> Result<Ticket> {
        Ok(Ticket::done())
    }
}

struct ScriptedRows<'a> {
    script: MutexGuard<'a, Script>,
    table: TableName,
    partition: Partition,
}

impl PartitionRows for ScriptedRows<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(self.script.get(&self.table, self.partition, key))
    }

    fn scan(&self, scan: Scan<'_>) -> Result<Vec<Row>> {
        Ok(self.script.scan(&self.table, self.partition, scan))
    }
}

impl ScriptedLog {
    /// The one table that the test's service has.
    fn only_table(&self) -> TableName {
        self.0.lock().joins[0].inputs.iter().find_map(|input| input.tables.first()).unwrap().clone()
    }
}

impl Log for ScriptedLog {
    fn create_topics(&self, _topics: &[TopicSpec]) -> Result<()> {
        self.0.lock().create_errors.pop_front().map_or(Ok(()), Err)
    }

    fn declare_groups(&self, _groups: &[GroupSpec]) -> Result<()> {
        Ok(())
    }

    fn describe(&self) -> Result<Vec<TopicDescription>> {
        let empty = PartitionDescription { start: Offset(0), end: Offset(0) };
        let describe = |(name, count): (&TopicName, &u32)| TopicDescription {
            name: name.clone(),
            partitions: vec![empty; *count as usize],
        };
        Ok(self.0.lock().topics.iter().map(describe).collect())
    }

    fn append(&self, to: &TopicPartition, records: BatchBuilder) -> Result<Ticket> {
        self.0.lock().appended.push((to.clone(), records.finish(Offset(0), Timestamp(0))));
        Ok(Ticket::done())
    }

    fn read(&self, _from: &TopicPartition, _offset: Offset, _max_bytes: usize) -> Result<Vec<Batch>> {
        Ok(Vec::new())
    }

    fn join(&self, spec: MemberSpec) -> Result<Box<dyn Member>> {
        let mut script = self.0.lock();
        script.join_errors.pop_front().map_or(Ok(()), Err)?;
        script.joins.push(spec);
        Ok(Box::new(self.clone()))
    }

    fn rows(&self, _service: &GroupName, _table: &TableName) -> Result<Arc<dyn Rows>> {
        Ok(Arc::new(self.clone()))
    }

    fn scan_rows(
        &self,
        _service: &GroupName,
        table: &TableName,
        partition: Partition,
        scan: Scan<'_>,
    ) -> Result<Vec<Row>> {
        Ok(self.0.lock().scan(table, partition, scan))
    }

    fn groups(&self) -> Result<Vec<GroupDescription>> {
        let described = |(name, partition, offset): &(&str, &str, u64)| GroupDescription {
            name: GroupName::new(name).unwrap(),
            has_members: false,
            offsets: vec![(at(partition), Offset(*offset))],
        };
        Ok(self.0.lock().group_offsets.iter().map(described).collect())
    }

    fn reset(&self, _group: &GroupName, _offsets: &[(TopicPartition, Offset)]) -> Result<()> {
        Ok(())
    }

    fn drop_group(&self, _group: &GroupName) -> Result<()> {
        Ok(())
    }

    fn status(&self) -> Status {
        Status { refuses_writes: None, figures: Vec::new() }
    }

    fn close(&self) -> Result<()> {
        Ok(())
    }
}
