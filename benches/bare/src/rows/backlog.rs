//! Rows between their commit and the tree.

use std::collections::VecDeque;

use parking_lot::{Condvar, Mutex};

use super::Row;
use crate::log::CommitNumber;

/// More than this waits for the applier before the next commit of rows is made.
const BYTES_MAX: usize = 32 << 20;

#[derive(Default)]
pub(crate) struct Backlog {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    commits: VecDeque<(CommitNumber, Vec<Row>)>,
    bytes: usize,
    /// Up to where rows are in the tree.
    applied: CommitNumber,
    has_ended: bool,
}

impl Backlog {
    /// Waits, before a commit, until there is room for its rows.
    pub(crate) fn wait_for_room(&self) {
        let mut state = self.state.lock();
        while state.bytes > BYTES_MAX && !state.has_ended {
            self.changed.wait(&mut state);
        }
    }

    /// Waits until the rows of a commit are in the tree, or there is nobody left who could apply them.
    pub(crate) fn wait_until_applied(&self, number: CommitNumber) {
        let mut state = self.state.lock();
        while state.applied < number && !state.has_ended {
            self.changed.wait(&mut state);
        }
    }

    /// Called under the commit lock, so in the order of the numbers.
    pub(crate) fn push(&self, number: CommitNumber, rows: Vec<Row>) {
        let mut state = self.state.lock();
        state.bytes += rows.iter().map(Row::bytes).sum::<usize>();
        state.commits.push_back((number, rows));
    }

    /// Takes the oldest commit, if it is not newer than `published`.
    pub(super) fn pop(&self, published: CommitNumber) -> Option<(CommitNumber, Vec<Row>)> {
        let mut state = self.state.lock();
        let is_due = state.commits.front().is_some_and(|(number, _)| *number <= published);
        let commit = state.commits.pop_front_if(|_| is_due)?;
        state.bytes -= commit.1.iter().map(Row::bytes).sum::<usize>();
        Some(commit)
    }

    pub(super) fn applied(&self, number: CommitNumber) {
        self.state.lock().applied = number;
        self.changed.notify_all();
    }

    pub(crate) fn end(&self) {
        self.state.lock().has_ended = true;
        self.changed.notify_all();
    }
}
