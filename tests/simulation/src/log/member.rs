//! A member of a group of the model.

use std::{cell::Cell, sync::Arc, time::Duration};

use bytes::Bytes;
use linecook_log::{
    Assignment, Batch, Commit, Error, ErrorKind, Fetch, GroupName, Member, MemberSpec, Offset, Partition, Poll, Result,
    Row, RowChange, Scan, TableName, Ticket, TopicName, TopicPartition,
};

use super::{
    Data, Process, Shared, State, check_size,
    group::{Membership, Turn, Unit},
};
use crate::{accidents::Call, defect::Defect, log::Durability};

pub(super) struct SimulatedMember {
    pub(super) shared: Arc<Shared>,
    process: Arc<Process>,
    pub(super) group: GroupName,
    pub(super) id: u64,
    /// What has one owner, in the order of the inputs.
    units: Vec<Unit>,
    /// In the order of the polls.
    topics: Vec<TopicName>,
    /// What a planted defect keeps of the commit before.
    pub(super) late_rows: Vec<RowChange>,
    /// It has ended for want of an answer; else another has its place.
    is_over: Cell<bool>,
    /// What a planted defect shows, though the commit was refused.
    pub(super) refused_rows: Vec<RowChange>,
}

impl SimulatedMember {
    pub(super) fn new(
        shared: Arc<Shared>,
        process: Arc<Process>,
        group: GroupName,
        id: u64,
        units: Vec<Unit>,
        topics: Vec<TopicName>,
    ) -> Self {
        Self {
            shared,
            process,
            group,
            id,
            units,
            topics,
            late_rows: Vec::new(),
            is_over: Cell::new(false),
            refused_rows: Vec::new(),
        }
    }

    /// That the log is open, and the process alive.
    fn check_open(&self, state: &State) -> Result<()> {
        state.check_open()?;
        if self.process.is_dead() { Err(Error::closed()) } else { Ok(()) }
    }

    /// What the log did is not known, and it is over with this member.
    pub(super) fn end(&self, state: &mut State) {
        self.is_over.set(true);
        if let Some(group) = state.groups.get_mut(&self.group) {
            group.members.remove(&self.id);
        }
    }

    /// Itself; `None` when another has joined under its name.
    pub(super) fn membership<'s>(&self, state: &'s mut State) -> Option<&'s mut Membership> {
        state.groups.get_mut(&self.group)?.members.get_mut(&self.id)
    }

    fn next(&self, state: &mut State, max_bytes: usize) -> Result<Option<Poll>> {
        if self.membership(state).is_none() {
            let kind = if self.is_over.get() { ErrorKind::Unknown } else { ErrorKind::Fenced };
            return Err(Error::new(kind, format!("it is over with this member: group={}", self.group)));
        }
        let group = state.groups.get_mut(&self.group).expect("a member's group is known");
        Ok(match group.turn(self.id, &self.units, self.shared.now()) {
            Turn::Lost(partitions) => Some(Poll::Lost(partitions)),
            Turn::Revoking(partitions) => Some(Poll::Revoking(partitions)),
            Turn::Assigned(partitions) => {
                let mut assignments = Vec::new();
                for partition in partitions {
                    let position = state.current.offset(&self.group, &partition);
                    let membership = self.membership(state).expect("it was there");
                    membership.owned.insert(partition.clone(), position);
                    if position > Offset(0) {
                        membership.gain(&partition);
                    }
                    membership.paused.remove(&partition);
                    assignments.push(Assignment { partition, position });
                }
                Some(Poll::Assigned(assignments))
            }
            Turn::Unchanged => self.records(state, max_bytes)?,
        })
    }

    fn records(&self, state: &mut State, max_bytes: usize) -> Result<Option<Poll>> {
        let mut fetches = Vec::new();
        let mut left = max_bytes.max(1);
        let membership = self.membership(state).expect("it was there");
        let (mut positions, paused) = (membership.owned.clone(), membership.paused.clone());
        for topic in &self.topics {
            let of_topic = positions.iter_mut().filter(|(from, _)| from.topic == *topic && !paused.contains(from));
            for (from, position) in of_topic {
                let batches = if left > 0 { state.current.batches_from(from, *position, left)? } else { Vec::new() };
                for batch in batches {
                    left = left.saturating_sub(batch.bytes().len());
                    let fetch = Fetch::new(from.clone(), *position, batch);
                    *position = fetch.next;
                    fetches.push(fetch);
                }
            }
        }
        self.membership(state).expect("it was there").owned = positions;
        Ok(if fetches.is_empty() { None } else { Some(Poll::Records(fetches)) })
    }

    fn check(&self, state: &mut State, commit: &Commit) -> Result<()> {
        if commit.outputs.is_empty() && commit.rows.is_empty() && commit.offsets.is_empty() {
            return Err(Error::invalid("a commit of nothing"));
        }
        if commit.offsets.is_empty() {
            return Err(Error::invalid("a commit that speaks for no partition: name the unchanged offset"));
        }
        let fenced = |from: &TopicPartition| Error::new(ErrorKind::Fenced, format!("not owned any more: {from}"));
        let Some(member) = self.membership(state) else { return Err(fenced(&commit.offsets[0].0)) };
        let is_checked = !self.shared.has(Defect::EpochUnchecked);
        if let Some((from, _)) = commit.offsets.iter().find(|(from, _)| is_checked && !member.owned.contains_key(from))
        {
            return Err(fenced(from));
        }
        for row in &commit.rows {
            let topics = topics_of(&member.spec, &row.table)?;
            let is_spoken_for = |from: &TopicPartition| from.partition == row.partition && topics.contains(&from.topic);
            if !commit.offsets.iter().any(|(from, _)| is_spoken_for(from)) {
                let text = format!("rows of a partition that the commit does not speak for: {}", row.partition);
                return Err(Error::invalid(text));
            }
        }
        for (from, offset) in &commit.offsets {
            let end = state.current.end(from)?;
            if *offset > end {
                return Err(Error::invalid(format!("an offset behind the end: {from} offset={offset} end={end}")));
            }
        }
        commit.outputs.iter().try_for_each(|output| state.current.batches(&output.to).map(drop))
    }

    pub(super) fn commit_or_refuse(&self, state: &mut State, commit: Commit) -> Result<Ticket> {
        self.check(state, &commit)?;
        let now = self.shared.world.clock.timestamp();
        let mut outputs: Vec<(TopicPartition, Batch)> = Vec::new();
        for output in commit.outputs.into_iter().filter(|output| !output.batch.is_empty()) {
            let batch = output.batch.finish(Offset(0), now);
            check_size(&batch)?;
            outputs.push((output.to, batch));
        }
        let (group, rows, offsets) = (self.group.clone(), commit.rows, commit.offsets);
        Ok(self.shared.make(state, move |data: &mut Data| {
            outputs.iter().for_each(|(to, batch)| data.append(to, batch));
            for row in &rows {
                let key = (group.clone(), row.table.clone(), row.partition, row.key.clone());
                match &row.value {
                    Some(value) => drop(data.rows.insert(key, value.clone())),
                    None => drop(data.rows.remove(&key)),
                }
            }
            data.offsets.entry(group.clone()).or_default().extend(offsets.iter().cloned());
        }))
    }

    /// What a commit that was refused was to consume is polled again.
    pub(super) fn rewind(&self, state: &mut State) {
        if self.shared.has(Defect::NotRewound) {
            return;
        }
        let Some(owned) = self.membership(state).map(|membership| membership.owned.clone()) else { return };
        let committed = owned.into_keys().map(|at| (at.clone(), state.current.offset(&self.group, &at))).collect();
        self.membership(state).expect("it was there").owned = committed;
    }

    /// Itself, as the owner of that partition.
    fn owning<'s>(&self, state: &'s mut State, partition: &TopicPartition) -> Result<&'s mut Membership> {
        self.check_open(state)?;
        let fenced = || Error::new(ErrorKind::Fenced, format!("not owned: {partition}"));
        self.membership(state).filter(|membership| membership.owned.contains_key(partition)).ok_or_else(fenced)
    }

    fn check_owned(&self, state: &mut State, table: &TableName, partition: Partition) -> Result<()> {
        self.check_open(state)?;
        let fenced = || Error::new(ErrorKind::Fenced, format!("not owned: table={table} partition={partition}"));
        let member = self.membership(state).ok_or_else(fenced)?;
        let topics = topics_of(&member.spec, table)?;
        let is_its = |owned: &TopicPartition| owned.partition == partition && topics.contains(&owned.topic);
        if member.owned.keys().any(is_its) { Ok(()) } else { Err(fenced()) }
    }
}

/// The topics that a table is kept of.
fn topics_of<'s>(spec: &'s MemberSpec, table: &TableName) -> Result<&'s [TopicName]> {
    let input = spec.inputs.iter().find(|input| input.tables.contains(table));
    let unknown = || Error::invalid(format!("a table that the member did not join with: table={table}"));
    input.map(|input| &*input.topics).ok_or_else(unknown)
}

impl Member for SimulatedMember {
    fn poll(&mut self, max_wait: Duration, max_bytes: usize) -> Result<Poll> {
        /// Nobody notifies when another member has been silent for too long.
        const LOOK_AGAIN: Duration = Duration::from_millis(10);
        let deadline = self.shared.now() + max_wait;
        let mut state = self.shared.state.lock();
        self.shared.accident(Call::Poll, &self.process).inspect_err(|error| self.after(&mut state, error))?;
        let max_bytes = self.shared.world.accidents.as_ref().map_or(max_bytes, |it| it.poll_bytes(max_bytes));
        loop {
            self.check_open(&state)?;
            if let Some(poll) = self.next(&mut state, max_bytes)? {
                return Ok(poll);
            }
            let left = deadline.saturating_sub(self.shared.now());
            if left.is_zero() || matches!(self.shared.durability, Durability::ByHand) {
                return Ok(Poll::Idle);
            }
            self.shared.news.wait_for(&mut state, left.min(LOOK_AGAIN));
        }
    }

    fn pause(&mut self, partition: &TopicPartition) -> Result<()> {
        let mut state = self.shared.state.lock();
        self.owning(&mut state, partition)?.paused.insert(partition.clone());
        Ok(())
    }

    fn resume(&mut self, partition: &TopicPartition) -> Result<()> {
        let mut state = self.shared.state.lock();
        let committed = state.current.offset(&self.group, partition);
        let membership = self.owning(&mut state, partition)?;
        if membership.paused.remove(partition) {
            membership.owned.insert(partition.clone(), committed);
        }
        Ok(())
    }

    fn get(&mut self, table: &TableName, partition: Partition, key: &[u8]) -> Result<Option<Bytes>> {
        let mut state = self.shared.state.lock();
        self.check_owned(&mut state, table, partition)?;
        self.shared.accident(Call::Read, &self.process)?;
        let is_it = |row: &&RowChange| row.table == *table && row.partition == partition && row.key == key;
        if let Some(row) = self.refused_rows.iter().rev().find(is_it) {
            return Ok(row.value.clone());
        }
        if self.shared.has(Defect::NotRestored) && self.has_gained(&state, table, partition) {
            return Ok(None);
        }
        let key = (self.group.clone(), table.clone(), partition, Bytes::copy_from_slice(key));
        Ok(state.current.rows.get(&key).cloned())
    }

    fn scan(&mut self, table: &TableName, partition: Partition, scan: Scan<'_>) -> Result<Vec<Row>> {
        let mut state = self.shared.state.lock();
        self.check_owned(&mut state, table, partition)?;
        self.shared.accident(Call::Read, &self.process)?;
        Ok(state.current.scan(&(self.group.clone(), table.clone(), partition), scan))
    }

    fn commit(&mut self, commit: Commit) -> Result<Ticket> {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state.lock();
        self.check_open(&state)?;
        let commit = self.with_defects(commit);
        if let Err(error) = shared.accident(Call::Commit, &self.process) {
            return self.commit_with_accident(&mut state, commit, error);
        }
        let rows = if shared.has(Defect::RefusedRowsKept) { commit.rows.clone() } else { Vec::new() };
        let committed = self.commit_or_refuse(&mut state, commit);
        if committed.is_err() {
            self.refused_rows.extend(rows);
            self.rewind(&mut state);
        }
        committed
    }

    fn leave(self: Box<Self>) -> Result<()> {
        self.check_open(&self.shared.state.lock())
    }
}

impl Drop for SimulatedMember {
    /// The log knows that a member is gone which its process has dropped: nobody has to wait for its silence. Of a process
    /// that is dead it hears nothing.
    fn drop(&mut self) {
        if self.process.is_dead() {
            return;
        }
        if let Some(group) = self.shared.state.lock().groups.get_mut(&self.group) {
            group.members.remove(&self.id);
        }
        self.shared.news.notify_all();
    }
}
