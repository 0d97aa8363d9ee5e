//! The hot tail of a partition: its newest batches, in memory, for the readers that keep up.

use std::{collections::VecDeque, sync::Arc};

use linecook_log::{Batch, Offset, waiting::Wakeup};
use parking_lot::Mutex;

use crate::frame::CommitNumber;

/// See the module. The lock is short and its own: a reader never waits for a commit.
pub(crate) struct Tail {
    state: Mutex<State>,
}

struct State {
    batches: VecDeque<Hot>,
    end: Offset,
    /// Who is told of new batches.
    watchers: Vec<Arc<Wakeup>>,
}

struct Hot {
    number: CommitNumber,
    batch: Batch,
}

/// What a tail has from an offset on.
pub(crate) enum HotRead {
    /// These batches: at least one.
    Batches(Vec<Batch>),
    /// Nothing: the reader is at the end.
    End,
    /// It begins later: the files have it.
    Older,
}

impl Tail {
    pub(crate) fn new(end: Offset) -> Self {
        Self { state: Mutex::new(State { batches: VecDeque::new(), end, watchers: Vec::new() }) }
    }

    pub(crate) fn push(&self, number: CommitNumber, batch: Batch) {
        let mut state = self.state.lock();
        debug_assert_eq!(state.end, batch.base(), "a tail has no gaps");
        state.end = batch.end();
        state.batches.push_back(Hot { number, batch });
        for watcher in &state.watchers {
            watcher.raise();
        }
    }

    pub(crate) fn drop_oldest(&self) {
        self.state.lock().batches.pop_front();
    }

    pub(crate) fn end(&self) -> Offset {
        self.state.lock().end
    }

    pub(crate) fn watch(&self, watcher: &Arc<Wakeup>) {
        self.state.lock().watchers.push(Arc::clone(watcher));
    }

    pub(crate) fn unwatch(&self, watcher: &Arc<Wakeup>) {
        self.state.lock().watchers.retain(|other| !Arc::ptr_eq(other, watcher));
    }

    /// Batches of commits up to `limit` from `offset` on, about `max_bytes` of them.
    pub(crate) fn read(&self, offset: Offset, limit: CommitNumber, max_bytes: usize) -> HotRead {
        let state = self.state.lock();
        if offset >= state.end {
            return HotRead::End;
        }
        let first = state.batches.partition_point(|hot| hot.batch.end() <= offset);
        let Some(hot) = state.batches.get(first).filter(|hot| hot.batch.base() <= offset) else {
            return HotRead::Older;
        };
        if hot.number > limit {
            return HotRead::End;
        }
        let mut batches = Vec::new();
        let mut bytes_left = max_bytes;
        for hot in state.batches.range(first..).take_while(|hot| hot.number <= limit) {
            batches.push(hot.batch.clone());
            bytes_left = bytes_left.saturating_sub(hot.batch.bytes().len());
            if bytes_left == 0 {
                break;
            }
        }
        HotRead::Batches(batches)
    }
}
