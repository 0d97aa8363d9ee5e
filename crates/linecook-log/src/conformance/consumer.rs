//! A member as the tests use it: it remembers what it owns and what it has polled, and watches the order.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::{Deref, DerefMut},
    time::Duration,
};

use super::{
    fixture::{MAX_BYTES, Timing},
    numbers::{Stored, number_in, outside_origin, text_of},
};
use crate::{
    Assignment, BatchBuilder, Commit, Error, Fetch, Header, Log, Member, MemberSpec, NewRecord, Offset, Output, Poll,
    Result, RowChange, TableName, Ticket, TopicName, TopicPartition,
};

/// Short, so that two members can be polled in turn from one thread.
const MAX_WAIT: Duration = Duration::from_millis(10);

pub(super) struct Consumer {
    member: Box<dyn Member>,
    timing: Timing,
    pub(super) max_bytes: usize,
    pub(super) owned: BTreeSet<TopicPartition>,
    /// Owned until the next poll.
    revoking: Vec<TopicPartition>,
    /// Polled while the test was still waiting for partitions.
    early: Vec<Stored>,
    /// Behind what was polled of each owned partition, or where it begins. Of one that is not in there anything may come.
    pub(super) next: BTreeMap<TopicPartition, Offset>,
}

/// What a poll brought.
#[derive(Debug)]
pub(super) enum Step {
    Records(Vec<Stored>),
    Revoking(Vec<TopicPartition>),
    Lost,
    Other,
}

impl Consumer {
    pub(super) fn join(log: &dyn Log, spec: MemberSpec, timing: &Timing) -> Result<Self> {
        Ok(Self {
            member: log.join(spec)?,
            timing: timing.clone(),
            max_bytes: MAX_BYTES,
            owned: BTreeSet::new(),
            revoking: Vec::new(),
            early: Vec::new(),
            next: BTreeMap::new(),
        })
    }

    /// One poll, or what earlier polls brought too early.
    pub(super) fn step(&mut self) -> Result<Step> {
        if self.early.is_empty() { self.poll_once() } else { Ok(Step::Records(std::mem::take(&mut self.early))) }
    }

    fn poll_once(&mut self) -> Result<Step> {
        let poll = self.member.poll(MAX_WAIT, self.max_bytes)?;
        for partition in std::mem::take(&mut self.revoking) {
            self.forget(&partition);
        }
        Ok(match poll {
            Poll::Assigned(partitions) => {
                for Assignment { partition, position } in partitions {
                    assert!(!self.owned.contains(&partition), "{partition} was assigned to its owner");
                    self.next.insert(partition.clone(), position);
                    self.owned.insert(partition);
                }
                Step::Other
            }
            Poll::Revoking(partitions) => {
                self.revoking.clone_from(&partitions);
                Step::Revoking(partitions)
            }
            Poll::Lost(partitions) => {
                partitions.iter().for_each(|partition| self.forget(partition));
                Step::Lost
            }
            Poll::Records(fetches) => Step::Records(fetches.iter().flat_map(|fetch| self.records(fetch)).collect()),
            Poll::Idle => Step::Other,
        })
    }

    fn forget(&mut self, partition: &TopicPartition) {
        self.owned.remove(partition);
        self.next.remove(partition);
        self.early.retain(|record| record.from != *partition);
    }

    fn records(&mut self, fetch: &Fetch) -> Vec<Stored> {
        let Fetch { from, position, batch, next } = fetch;
        assert!(self.owned.contains(from), "records of {from}, which is not owned");
        assert!(*next > *position, "{from}: a fetch up to {next} for position {position}");
        assert!(*next >= batch.end(), "{from}: the next fetch at {next}, within a batch up to {}", batch.end());
        let expected = self.next.insert(from.clone(), *next).unwrap_or_default();
        assert!(*position >= expected, "{from}: position {position} after records up to {expected}");
        Stored::of_batch(from, batch, *position)
    }

    /// Polls until it owns these partitions, and no other.
    pub(super) fn until_owns(&mut self, partitions: &[TopicPartition]) {
        let partitions: BTreeSet<_> = partitions.iter().cloned().collect();
        let timing = self.timing.clone();
        timing.until(&format!("a member owns {partitions:?}"), || {
            self.owned == partitions || {
                self.step_early();
                self.owned == partitions
            }
        });
    }

    /// One poll, whose records are kept for the next [`step`](Self::step).
    pub(super) fn step_early(&mut self) {
        if let Step::Records(records) = self.poll_once().expect("a member can poll") {
            self.early.extend(records);
        }
    }

    /// One poll, whose records are kept, and why it was refused, if it was.
    pub(super) fn step_early_or_refused(&mut self) -> Option<Error> {
        let step = self.poll_once();
        if let Ok(Step::Records(records)) = &step {
            self.early.extend(records.iter().cloned());
        }
        step.err()
    }

    /// Polls until at least `count` records have come.
    pub(super) fn take(&mut self, count: usize) -> Vec<Stored> {
        let mut records = Vec::new();
        let timing = self.timing.clone();
        timing.until(&format!("a member polls {count} records"), || {
            if records.len() < count
                && let Step::Records(more) = self.step().expect("a member can poll")
            {
                records.extend(more);
            }
            records.len() >= count
        });
        records
    }

    /// The commit that copies the records to the same partition of every topic of `to`, and counts each in `table`.
    pub(super) fn copy(&mut self, records: &[Stored], to: &[&TopicName], table: Option<&TableName>) -> Result<Commit> {
        let mut commit = consumed(records);
        for (from, _) in &commit.offsets {
            for topic in to {
                let mut batch = BatchBuilder::new(&outside_origin(), 0);
                records.iter().filter(|record| record.from == *from).for_each(|record| push(&mut batch, record));
                commit.outputs.push(Output { to: TopicPartition::new(topic, from.partition), batch });
            }
        }
        if let Some(table) = table {
            for record in records {
                commit.rows.push(self.count(table, record)?);
            }
        }
        Ok(commit)
    }

    /// The row that says how often this number was seen, one more than it says now.
    fn count(&mut self, table: &TableName, record: &Stored) -> Result<RowChange> {
        let partition = record.from.partition;
        let key = text_of(record.number());
        let count = self.member.get(table, partition, key.as_bytes())?.map_or(0, |value| number_in(&value));
        let value = Some(text_of(count + 1).into());
        Ok(RowChange { table: table.clone(), partition, key: key.into(), value })
    }

    /// After a commit that was refused everything that is not committed comes again.
    pub(super) fn commit(&mut self, commit: Commit) -> Result<Ticket> {
        self.member.commit(commit).inspect_err(|_| {
            self.next.clear();
            self.early.clear();
        })
    }

    /// What was polled of it and is not committed comes again.
    pub(super) fn resume(&mut self, partition: &TopicPartition) -> Result<()> {
        self.next.remove(partition);
        self.member.resume(partition)
    }

    pub(super) fn leave(self) -> Result<()> {
        self.member.leave()
    }
}

/// The commit that only moves the offsets behind the records.
pub(super) fn consumed(records: &[Stored]) -> Commit {
    let offsets: BTreeMap<_, _> = records.iter().map(|record| (record.from.clone(), record.offset.plus(1))).collect();
    Commit { offsets: offsets.into_iter().collect(), ..Commit::default() }
}

fn push(batch: &mut BatchBuilder, record: &Stored) {
    let headers: Vec<_> = record.headers.iter().map(|(name, value)| Header { name, value }).collect();
    let (key, value) = (record.key.as_deref(), record.value.as_deref());
    batch
        .push(&NewRecord { key, value, timestamp: record.timestamp, headers: &headers })
        .expect("a batch takes a few headers");
}

impl Deref for Consumer {
    type Target = dyn Member;

    fn deref(&self) -> &Self::Target {
        &*self.member
    }
}

impl DerefMut for Consumer {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut *self.member
    }
}
