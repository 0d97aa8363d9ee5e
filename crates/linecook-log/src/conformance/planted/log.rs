//! A log, and members of it, that keep all laws but one.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::{super::numbers::empty_batch, Law, Never, doubled, is_lagging, reversed};
use crate::{
    Batch, BatchBuilder, Commit, Error, ErrorKind, GroupDescription, GroupName, GroupSpec, Log, Member, MemberSpec,
    Offset, Output, Partition, Poll, Result, Row, RowChange, Rows, Scan, Status, TableName, Ticket, TopicDescription,
    TopicPartition, TopicSpec,
};

#[derive(Debug)]
pub(super) struct FaultyLog {
    law: Law,
    log: Arc<dyn Log>,
}

impl FaultyLog {
    pub(super) fn new(law: Law, log: Arc<dyn Log>) -> Self {
        Self { law, log }
    }
}

impl Log for FaultyLog {
    fn append(&self, to: &TopicPartition, records: BatchBuilder) -> Result<Ticket> {
        let is_blocked = self.law == Law::Independent && is_lagging(&*self.log, to)?;
        let outcome = self.log.append(to, records);
        match (self.law, outcome) {
            (Law::Durable, Ok(_)) => Ok(Ticket::done()),
            (Law::Refused, Err(error)) if error.kind() == ErrorKind::Invalid => Ok(Ticket::done()),
            (_, Ok(_)) if is_blocked => Ok(Ticket::new(Arc::new(Never))),
            (_, outcome) => outcome,
        }
    }

    fn join(&self, spec: MemberSpec) -> Result<Box<dyn Member>> {
        let member = self.log.join(spec)?;
        Ok(Box::new(FaultyMember { law: self.law, log: Arc::clone(&self.log), member, late_rows: Vec::new() }))
    }

    fn create_topics(&self, topics: &[TopicSpec]) -> Result<()> {
        self.log.create_topics(topics)
    }

    fn declare_groups(&self, groups: &[GroupSpec]) -> Result<()> {
        self.log.declare_groups(groups)
    }

    fn describe(&self) -> Result<Vec<TopicDescription>> {
        self.log.describe()
    }

    fn read(&self, from: &TopicPartition, offset: Offset, max_bytes: usize) -> Result<Vec<Batch>> {
        self.log.read(from, offset, max_bytes)
    }

    fn rows(&self, service: &GroupName, table: &TableName) -> Result<Arc<dyn Rows>> {
        self.log.rows(service, table)
    }

    fn groups(&self) -> Result<Vec<GroupDescription>> {
        self.log.groups()
    }

    fn reset(&self, group: &GroupName, offsets: &[(TopicPartition, Offset)]) -> Result<()> {
        self.log.reset(group, offsets)
    }

    fn drop_group(&self, group: &GroupName) -> Result<()> {
        self.log.drop_group(group)
    }

    fn status(&self) -> Status {
        self.log.status()
    }

    fn close(&self) -> Result<()> {
        self.log.close()
    }
}

struct FaultyMember {
    law: Law,
    log: Arc<dyn Log>,
    member: Box<dyn Member>,
    /// Those of the commit before, of a log that is not atomic.
    late_rows: Vec<RowChange>,
}

impl FaultyMember {
    fn commit_rows_late(&mut self, mut commit: Commit) -> Result<Ticket> {
        std::mem::swap(&mut commit.rows, &mut self.late_rows);
        commit.rows.retain(|row| commit.offsets.iter().any(|(from, _)| from.partition == row.partition));
        self.member.commit(commit)
    }

    fn commit_reversed(&mut self, mut commit: Commit) -> Result<Ticket> {
        let reverse = |Output { to, batch }| Output { to, batch: reversed(batch) };
        commit.outputs = commit.outputs.into_iter().map(reverse).collect();
        self.member.commit(commit)
    }

    /// Appends the outputs when the commit is refused.
    fn commit_or_append(&mut self, mut commit: Commit) -> Result<Ticket> {
        let mut copies = Vec::new();
        for output in &mut commit.outputs {
            let empty = empty_batch();
            let [batch, copy] = doubled(std::mem::replace(&mut output.batch, empty));
            output.batch = batch;
            copies.push(Output { to: output.to.clone(), batch: copy });
        }
        self.member.commit(commit).inspect_err(|_| {
            for output in copies {
                // What the log refuses as an append cannot be made visible: the rest is enough to be found.
                drop(self.log.append(&output.to, output.batch));
            }
        })
    }
}

impl Member for FaultyMember {
    fn commit(&mut self, commit: Commit) -> Result<Ticket> {
        match self.law {
            Law::Atomic => self.commit_rows_late(commit),
            Law::Fenced => match self.commit_or_append(commit) {
                Err(error) if error.kind() == ErrorKind::Fenced => Ok(Ticket::done()),
                outcome => outcome,
            },
            Law::CommittedOnly => self.commit_or_append(commit),
            Law::Ordered => self.commit_reversed(commit),
            Law::Durable => self.member.commit(commit).map(|_| Ticket::done()),
            Law::Prefix | Law::Independent | Law::Refused => self.member.commit(commit),
        }
    }

    fn poll(&mut self, max_wait: Duration, max_bytes: usize) -> Result<Poll> {
        self.member.poll(max_wait, max_bytes)
    }

    fn pause(&mut self, partition: &TopicPartition) -> Result<()> {
        self.member.pause(partition)
    }

    fn resume(&mut self, partition: &TopicPartition) -> Result<()> {
        self.member.resume(partition)
    }

    fn stuck(&self) -> Option<Error> {
        self.member.stuck()
    }

    fn get(&mut self, table: &TableName, partition: Partition, key: &[u8]) -> Result<Option<Bytes>> {
        self.member.get(table, partition, key)
    }

    fn scan(&mut self, table: &TableName, partition: Partition, scan: Scan<'_>) -> Result<Vec<Row>> {
        self.member.scan(table, partition, scan)
    }

    fn leave(self: Box<Self>) -> Result<()> {
        self.member.leave()
    }
}
