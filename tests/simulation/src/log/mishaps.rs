//! What befalls a member, and what is planted in it.

use linecook_log::{
    Batch, BatchBuilder, Commit, Error, ErrorKind, NewRecord, Offset, Output, Partition, Result, RowChange, TableName,
    Ticket, TopicPartition,
};

use super::{State, member::SimulatedMember};
use crate::defect::Defect;

impl SimulatedMember {
    /// A call has come to an accident.
    pub(super) fn after(&self, state: &mut State, error: &Error) {
        match error.kind() {
            ErrorKind::Unknown => self.end(state),
            ErrorKind::Fenced => self.lose_all(state),
            _ => {}
        }
    }

    /// The group takes it for silent: it is told so with its next poll.
    pub(super) fn lose_all(&self, state: &mut State) {
        if let Some(membership) = self.membership(state) {
            membership.be_away();
        }
    }

    /// A commit that does not go as it should.
    pub(super) fn commit_with_accident(&mut self, state: &mut State, commit: Commit, error: Error) -> Result<Ticket> {
        if self.shared.has(Defect::RefusedRowsKept) && error.kind() != ErrorKind::Unknown {
            self.refused_rows.extend(commit.rows.iter().cloned());
        }
        match error.kind() {
            // It was done, or was not, and whoever asked for it is no more.
            ErrorKind::Closed => {
                if self.shared.world.accidents.as_ref().is_some_and(|accidents| accidents.is_done()) {
                    // What comes of it nobody hears.
                    drop(self.commit_or_refuse(state, commit));
                }
                Err(error)
            }
            // Nobody hears whether it was done.
            ErrorKind::Unknown => {
                let is_done = self.shared.world.accidents.as_ref().is_some_and(|accidents| accidents.is_done());
                let done = if is_done { self.commit_or_refuse(state, commit) } else { Err(Error::closed()) };
                if self.shared.has(Defect::UnknownIsSuccess) {
                    return Ok(Ticket::done());
                }
                if self.shared.has(Defect::UnknownIsFailure) {
                    self.rewind_to_before(state, done.is_ok());
                    return Err(Error::new(ErrorKind::Unavailable, "no answer"));
                }
                self.end(state);
                Err(error)
            }
            ErrorKind::Fenced => {
                self.lose_all(state);
                self.rewind(state);
                self.commit_or_refuse(state, commit)
            }
            _ => {
                self.rewind(state);
                Err(error)
            }
        }
    }

    /// The records of a commit that was done are polled again, as if it was not.
    pub(super) fn rewind_to_before(&self, state: &mut State, was_done: bool) {
        if !was_done {
            return self.rewind(state);
        }
        let Some(membership) = self.membership(state) else { return };
        for position in membership.owned.values_mut() {
            *position = Offset(position.0.saturating_sub(1));
        }
    }

    pub(super) fn with_defects(&mut self, mut commit: Commit) -> Commit {
        if self.shared.has(Defect::ParkedLater) {
            let is_parked = |row: &mut RowChange| row.table.as_str().ends_with(".parked");
            let parked: Vec<_> = commit.rows.extract_if(.., is_parked).collect();
            let late = std::mem::replace(&mut self.late_rows, parked);
            commit.rows.extend(
                late.into_iter().filter(|row| commit.offsets.iter().any(|(at, _)| at.partition == row.partition)),
            );
        }
        if self.shared.has(Defect::MovedTwice) {
            let moved = commit.outputs.iter().position(|output| output.to.topic.as_str().ends_with(".repartition"));
            if let Some(index) = moved {
                let output = commit.outputs.remove(index);
                let batch = output.batch.finish(Offset(0), linecook_log::Timestamp(0));
                commit.outputs.extend(twice(&output.to, &batch));
            }
        }
        if self.shared.has(Defect::OutputsLost) && commit.outputs.len() > 1 {
            commit.outputs.pop();
        }
        commit
    }

    /// Whether somebody else has had that partition before.
    pub(super) fn has_gained(&self, state: &State, table: &TableName, partition: Partition) -> bool {
        let member = state.groups.get(&self.group).and_then(|group| group.members.get(&self.id));
        member.is_some_and(|member| member.has_gained(table, partition))
    }
}

fn twice(to: &TopicPartition, batch: &Batch) -> Vec<Output> {
    let origin = batch.origin().expect("our own batch has one");
    let copy = || {
        let mut builder = BatchBuilder::new(&origin, 0);
        for record in batch.records() {
            let headers: Vec<_> = record.headers.collect();
            let new =
                NewRecord { key: record.key, value: record.value, timestamp: record.timestamp, headers: &headers };
            builder.push(&new).expect("it was in a batch before");
        }
        Output { to: to.clone(), batch: builder }
    };
    vec![copy(), copy()]
}
