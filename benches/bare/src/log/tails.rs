//! What the readers read: batches in memory while they are hot, and from the file afterwards.

use std::{collections::VecDeque, io, time::Duration};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex, MutexGuard};

use super::{
    Batch, Offset, Output, PartitionId,
    file::{LogFile, Position},
    payload::{self, Seal},
};

/// A tail for each partition. Their locks are short and their own: a reader never waits for a commit.
pub(super) struct Tails(Vec<Tail>);

#[derive(Default)]
struct Tail {
    state: Mutex<State>,
    changed: Condvar,
}

/// Slots are counted from the first that there ever was.
#[derive(Default)]
struct State {
    slots: VecDeque<Slot>,
    /// How many are forgotten: they are cold and were read. Each partition of this loop has one reader.
    forgotten: usize,
    /// How many are cold. They are the first.
    cold: usize,
    /// How many were read.
    read: usize,
    has_ended: bool,
}

/// Where a batch is.
struct Slot {
    base: Offset,
    position: Position,
    seal: Seal,
    /// In memory, while it is hot.
    records: Option<Bytes>,
}

/// What is known of a batch besides its records once it is committed.
pub(super) struct Stub {
    pub(super) base: Offset,
    pub(super) position: Position,
    pub(super) seal: Seal,
}

impl Tails {
    pub(super) fn new(partition_count: u32) -> Self {
        Self((0..partition_count).map(|_| Tail::default()).collect())
    }

    pub(super) fn push(&self, output: Output, stub: Stub) {
        let Stub { base, position, seal } = stub;
        let tail = self.tail(output.partition);
        let slot = Slot { base, position, seal, records: Some(output.records) };
        tail.state.lock().slots.push_back(slot);
        tail.changed.notify_one();
    }

    /// Drops the oldest hot batch of each of these.
    pub(super) fn cool(&self, partitions: &[PartitionId]) {
        for partition in partitions {
            let mut state = self.tail(*partition).state.lock();
            let index = state.cold - state.forgotten;
            state.slots[index].records = None;
            state.cold += 1;
            state.forget();
        }
    }

    /// The next batch of a partition; `None` when there was none for as long as `wait`.
    pub(super) fn next(&self, partition: PartitionId, wait: Duration, file: &LogFile) -> io::Result<Option<Batch>> {
        let tail = self.tail(partition);
        let mut state = tail.state.lock();
        if state.is_read() && !wait.is_zero() && !state.has_ended {
            tail.changed.wait_for(&mut state, wait);
        }
        if state.is_read() { Ok(None) } else { take(state, file).map(Some) }
    }

    pub(super) fn end(&self) {
        for tail in &self.0 {
            tail.state.lock().has_ended = true;
            tail.changed.notify_all();
        }
    }

    fn tail(&self, partition: PartitionId) -> &Tail {
        &self.0[partition.0 as usize]
    }
}

impl State {
    fn is_read(&self) -> bool {
        self.read == self.forgotten + self.slots.len()
    }

    fn forget(&mut self) {
        while self.forgotten < self.read.min(self.cold) {
            self.slots.pop_front();
            self.forgotten += 1;
        }
    }
}

/// Takes the next batch, out of the file without the lock if it is cold.
fn take(mut state: MutexGuard<'_, State>, file: &LogFile) -> io::Result<Batch> {
    let index = state.read - state.forgotten;
    let slot = &state.slots[index];
    let (base, position, seal, hot) = (slot.base, slot.position, slot.seal, slot.records.clone());
    state.read += 1;
    state.forget();
    drop(state);
    let records = match hot {
        Some(records) => records,
        None => payload::load(file.read(position, seal.stored_bytes as usize)?, seal)?,
    };
    Ok(Batch { base, records })
}
