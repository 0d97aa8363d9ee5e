//! How far the members of this process are, and who waits for them to get further.

use std::{
    collections::HashMap,
    sync::Arc,
    task::{Poll, Waker},
};

use linecook_log::{
    Acknowledgement, Error, ErrorKind, GroupName, Offset, Result, TopicPartition,
    waiting::{Waiters, address_of},
};
use parking_lot::Mutex;

use crate::fault;

/// What a group reads here, partition by partition.
#[derive(Default)]
pub(crate) struct Progress(Mutex<State>);

#[derive(Default)]
struct State {
    reached: HashMap<(GroupName, TopicPartition), Offset>,
    /// By the address of the ticket: what it waits for is in there.
    waiters: Waiters<()>,
    /// Why nobody gets any further.
    ended: Option<Error>,
}

impl Progress {
    /// All before `offset` is consumed, and its rows can be read.
    pub(crate) fn reach(&self, group: &GroupName, at: &TopicPartition, offset: Offset) {
        let mut state = self.0.lock();
        let key = (group.clone(), at.clone());
        if state.reached.insert(key, offset) != Some(offset) {
            wake_all(state);
        }
    }

    /// The partition is not read here any more.
    pub(crate) fn leave(&self, group: &GroupName, at: &TopicPartition) {
        let mut state = self.0.lock();
        if state.reached.remove(&(group.clone(), at.clone())).is_some() {
            wake_all(state);
        }
    }

    pub(crate) fn is_here(&self, group: &GroupName, at: &TopicPartition) -> bool {
        self.0.lock().reached.contains_key(&(group.clone(), at.clone()))
    }

    pub(crate) fn end(&self, reason: &Error) {
        let mut state = self.0.lock();
        state.ended.get_or_insert_with(|| fault::copy_of(reason));
        wake_all(state);
    }
}

fn wake_all(mut state: parking_lot::MutexGuard<'_, State>) {
    let woken = state.waiters.take_if(|()| true);
    drop(state);
    woken.into_iter().for_each(Waker::wake);
}

/// Where a partition ended when somebody asked; it comes to be known after a while.
pub(crate) struct Target(Mutex<TargetState>);

#[derive(Default)]
struct TargetState {
    end: Option<Result<Offset>>,
    waker: Option<Waker>,
}

impl Target {
    pub(crate) fn new() -> Self {
        Self(Mutex::default())
    }

    pub(crate) fn set(&self, end: Result<Offset>) {
        let mut state = self.0.lock();
        state.end = Some(end);
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    fn poll(&self, waker: &Waker) -> Poll<Result<Offset>> {
        let mut state = self.0.lock();
        match &state.end {
            Some(Ok(end)) => Poll::Ready(Ok(*end)),
            Some(Err(error)) => Poll::Ready(Err(fault::copy_of(error))),
            None => {
                state.waker = Some(waker.clone());
                Poll::Pending
            }
        }
    }
}

/// The acknowledgement that a group has consumed a partition up to its end of a moment ago.
pub(crate) struct CaughtUp {
    pub(crate) progress: Arc<Progress>,
    pub(crate) group: GroupName,
    pub(crate) at: TopicPartition,
    pub(crate) target: Arc<Target>,
}

impl Acknowledgement for CaughtUp {
    fn poll(&self, waker: &Waker) -> Poll<Result<()>> {
        let mut state = self.progress.0.lock();
        if let Some(reason) = &state.ended {
            return Poll::Ready(Err(fault::copy_of(reason)));
        }
        state.waiters.wait(address_of(self), (), waker);
        let Some(reached) = state.reached.get(&(self.group.clone(), self.at.clone())).copied() else {
            return Poll::Ready(Err(not_here(&self.at)));
        };
        drop(state);
        match self.target.poll(waker) {
            Poll::Ready(Ok(end)) if reached >= end => Poll::Ready(Ok(())),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(_)) | Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for CaughtUp {
    fn drop(&mut self) {
        self.progress.0.lock().waiters.forget(address_of(self));
    }
}

pub(crate) fn not_here(at: &TopicPartition) -> Error {
    Error::new(ErrorKind::Unavailable, format!("the partition is not here, or not restored yet: partition={at}"))
}
