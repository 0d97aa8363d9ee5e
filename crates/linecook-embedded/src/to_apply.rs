//! Commits on their way from the log to the rows.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};

use crate::{frame::CommitNumber, writer::Written};

/// Commits that are written and not yet applied to what the outside sees, in order.
#[derive(Default)]
pub(crate) struct ToApply {
    state: Mutex<ToApplyState>,
    pub(crate) drained: Condvar,
}

#[derive(Default)]
struct ToApplyState {
    commits: VecDeque<Written>,
    bytes: usize,
}

impl ToApply {
    pub(crate) fn push(&self, written: Written) {
        let mut state = self.state.lock();
        state.bytes += written.size_bytes();
        state.commits.push_back(written);
    }

    /// The commits up to `number`, in order.
    pub(crate) fn take_up_to(&self, number: CommitNumber) -> Vec<Written> {
        let mut state = self.state.lock();
        let count = state.commits.partition_point(|written| written.number <= number);
        state.commits.drain(..count).collect()
    }

    /// Says that these are applied.
    pub(crate) fn applied(&self, written: &Written) {
        self.state.lock().bytes -= written.size_bytes();
        self.drained.notify_all();
    }

    pub(crate) fn bytes(&self) -> usize {
        self.state.lock().bytes
    }

    /// Waits until there are less than `limit` bytes, at most until something was applied or for `max_wait`.
    pub(crate) fn wait_below(&self, limit: usize, max_wait: Duration) -> Room {
        let mut state = self.state.lock();
        let is_draining = state.bytes < limit || !self.drained.wait_for(&mut state, max_wait).timed_out();
        match (state.bytes < limit, is_draining) {
            (true, _) => Room::Enough,
            (false, true) => Room::Draining,
            (false, false) => Room::Stuck,
        }
    }
}

/// Whether there is room for one more.
pub(crate) enum Room {
    Enough,
    /// Not yet, but something was applied.
    Draining,
    /// No, and nothing was applied meanwhile.
    Stuck,
}

impl Written {
    /// What it takes in memory, so that many commits without rows count, too.
    fn size_bytes(&self) -> usize {
        let rows = self.rows.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Bytes::len));
        let places = size_of_val(&self.rows[..]) + size_of_val(&self.consumed[..]);
        size_of::<Self>() + places + rows.sum::<usize>()
    }
}
