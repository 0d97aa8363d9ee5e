//! What the outside sees of rows and offsets: the commits whose rows the store has.

use std::{
    collections::BTreeMap,
    sync::Arc,
    task::{Poll, Waker},
    time::Duration,
};

use linecook_log::{
    Acknowledgement, Error, ErrorKind, Offset, Result,
    waiting::{Waiters, address_of},
};
use parking_lot::{Condvar, Mutex};

use crate::{
    catalog::{Catalog, GroupId, PartitionId},
    frame::CommitNumber,
    published::Ended,
};

/// See the module. It follows the published number, a moment behind.
#[derive(Default)]
pub(crate) struct Outside {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    number: CommitNumber,
    offsets: BTreeMap<(GroupId, PartitionId), Offset>,
    waiters: Waiters<Awaited>,
    /// Why nothing more becomes visible, and up to which commit everything is on disk nevertheless.
    ended: Option<(Ended, CommitNumber)>,
}

/// What somebody waits to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// All commits up to this one.
    Commit(CommitNumber),
    /// That a group has consumed a partition up to an offset.
    Consumed(GroupId, PartitionId, Offset),
}

/// What a commit makes visible besides its rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Consumed {
    pub(crate) group: GroupId,
    pub(crate) partition: PartitionId,
    pub(crate) offset: Offset,
}

impl State {
    fn sees(&self, awaited: Awaited) -> bool {
        match awaited {
            Awaited::Commit(number) => self.number >= number,
            Awaited::Consumed(group, partition, offset) => {
                self.offsets.get(&(group, partition)).copied().unwrap_or_default() >= offset
            }
        }
    }

    /// Why it will never be seen; `None` while it may be.
    fn refusal(&self, awaited: Awaited) -> Option<Error> {
        let (ended, stored) = self.ended.as_ref()?;
        match awaited {
            // As `Closed` it would say that nothing was stored, and its work would be done twice.
            Awaited::Commit(number) if number <= *stored => {
                let text = format!("the commit is stored, but it did not become visible: {}", ended.message);
                Some(Error::new(ErrorKind::Unknown, text))
            }
            Awaited::Commit(_) | Awaited::Consumed(..) => Some(ended.error()),
        }
    }
}

impl Outside {
    pub(crate) fn at(number: CommitNumber, catalog: &Catalog) -> Self {
        let groups = catalog.groups.iter().enumerate();
        let offsets = groups.flat_map(|(index, group)| {
            let id = GroupId(crate::codec::length(index));
            group.progress.iter().map(move |(partition, progress)| ((id, *partition), progress.offset))
        });
        let state = State { number, offsets: offsets.collect(), ..State::default() };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    pub(crate) fn number(&self) -> CommitNumber {
        self.state.lock().number
    }

    pub(crate) fn offset(&self, group: GroupId, partition: PartitionId) -> Option<Offset> {
        self.state.lock().offsets.get(&(group, partition)).copied()
    }

    /// How far a group is, in all partitions that it reads.
    pub(crate) fn offsets_of(&self, group: GroupId) -> Vec<(PartitionId, Offset)> {
        let state = self.state.lock();
        let of_group = state.offsets.range((group, PartitionId(0))..=(group, PartitionId(u32::MAX)));
        of_group.map(|((_, partition), offset)| (*partition, *offset)).collect()
    }

    pub(crate) fn advance(&self, number: CommitNumber, consumed: &[Consumed]) {
        let mut state = self.state.lock();
        state.number = number;
        for it in consumed {
            state.offsets.insert((it.group, it.partition), it.offset);
        }
        self.changed.notify_all();
        let mut waiters = std::mem::take(&mut state.waiters);
        let woken = waiters.take_if(|awaited| state.sees(awaited));
        state.waiters = waiters;
        drop(state);
        woken.into_iter().for_each(Waker::wake);
    }

    /// Nothing more becomes visible; what is on disk is so up to `stored`.
    pub(crate) fn end(&self, ended: Ended, stored: CommitNumber) {
        let mut state = self.state.lock();
        state.ended.get_or_insert((ended, stored));
        self.changed.notify_all();
        let woken = state.waiters.take_if(|_| true);
        drop(state);
        woken.into_iter().for_each(Waker::wake);
    }

    /// Whether all commits up to `number` are seen, waiting at most `max_wait`.
    pub(crate) fn wait_for(&self, number: CommitNumber, max_wait: Duration) -> bool {
        let mut state = self.state.lock();
        if state.number < number && state.ended.is_none() {
            self.changed.wait_while_for(&mut state, |state| state.number < number && state.ended.is_none(), max_wait);
        }
        state.number >= number
    }

    /// Whether it may still be seen.
    pub(crate) fn check(&self, awaited: Awaited) -> Result<()> {
        let state = self.state.lock();
        if state.sees(awaited) { Ok(()) } else { state.refusal(awaited).map_or(Ok(()), Err) }
    }

    fn poll(&self, ticket: usize, awaited: Awaited, waker: &Waker) -> Poll<Result<()>> {
        let mut state = self.state.lock();
        if state.sees(awaited) {
            return Poll::Ready(Ok(()));
        }
        if let Some(error) = state.refusal(awaited) {
            return Poll::Ready(Err(error));
        }
        state.waiters.wait(ticket, awaited, waker);
        Poll::Pending
    }
}

/// The acknowledgement of what the outside is to see.
pub(crate) struct SeenAck {
    pub(crate) outside: Arc<Outside>,
    pub(crate) awaited: Awaited,
}

impl Acknowledgement for SeenAck {
    fn poll(&self, waker: &Waker) -> Poll<Result<()>> {
        self.outside.poll(address_of(self), self.awaited, waker)
    }
}

impl Drop for SeenAck {
    fn drop(&mut self) {
        self.outside.state.lock().waiters.forget(address_of(self));
    }
}
