//! The number up to which everything is on disk: what acknowledgements wait for.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Poll, Waker},
};

use linecook_log::{
    Acknowledgement, Error, ErrorKind, Offset, Result,
    waiting::{Waiters, address_of},
};
use parking_lot::{Condvar, Mutex};

use crate::frame::CommitNumber;

/// See the module.
pub(crate) struct Published {
    number: AtomicU64,
    state: Mutex<State>,
    /// It grew, or it is over.
    changed: Condvar,
    /// It is over.
    is_over: Condvar,
}

struct State {
    /// The ends of all partitions as of the published number.
    ends: Vec<Offset>,
    waiters: Waiters<CommitNumber>,
    /// Why it will grow no more.
    ended: Option<Ended>,
}

/// Why a log is over. It is told again and again, so it is kept as its parts.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) kind: ErrorKind,
    pub(crate) message: String,
}

impl Ended {
    pub(crate) fn error(&self) -> Error {
        Error::new(self.kind, self.message.clone())
    }
}

impl Published {
    pub(crate) fn new(number: CommitNumber, ends: Vec<Offset>) -> Self {
        let state = State { ends, waiters: Waiters::default(), ended: None };
        let (changed, is_over) = (Condvar::new(), Condvar::new());
        Self { number: AtomicU64::new(number.0), state: Mutex::new(state), changed, is_over }
    }

    pub(crate) fn number(&self) -> CommitNumber {
        CommitNumber(self.number.load(Ordering::Acquire))
    }

    pub(crate) fn ends(&self) -> Vec<Offset> {
        self.state.lock().ends.clone()
    }

    pub(crate) fn publish(&self, number: CommitNumber, ends: Vec<Offset>) {
        let mut state = self.state.lock();
        state.ends = ends;
        self.number.store(number.0, Ordering::Release);
        self.changed.notify_all();
        let woken = state.waiters.take_if(|awaited| awaited <= number);
        drop(state);
        woken.into_iter().for_each(Waker::wake);
    }

    /// It will grow no more: who waits is told why.
    pub(crate) fn end(&self, ended: Ended) {
        let mut state = self.state.lock();
        state.ended.get_or_insert(ended);
        self.changed.notify_all();
        self.is_over.notify_all();
        let woken = state.waiters.take_if(|_| true);
        drop(state);
        woken.into_iter().for_each(Waker::wake);
    }

    /// Blocks until it will grow no more, and says why.
    pub(crate) fn wait_for_end(&self) -> Ended {
        let mut state = self.state.lock();
        loop {
            if let Some(ended) = &state.ended {
                return ended.clone();
            }
            self.is_over.wait(&mut state);
        }
    }

    pub(crate) fn ended(&self) -> Option<Ended> {
        self.state.lock().ended.clone()
    }

    /// Blocks until it is greater than `number`; `None` when it will grow no more.
    pub(crate) fn wait_beyond(&self, number: CommitNumber) -> Option<CommitNumber> {
        let mut state = self.state.lock();
        loop {
            let now = self.number();
            if now > number {
                return Some(now);
            }
            if state.ended.is_some() {
                return None;
            }
            self.changed.wait(&mut state);
        }
    }

    fn poll(&self, ticket: usize, number: CommitNumber, waker: &Waker) -> Poll<Result<()>> {
        if self.number() >= number {
            return Poll::Ready(Ok(()));
        }
        let mut state = self.state.lock();
        if self.number() >= number {
            return Poll::Ready(Ok(()));
        }
        if let Some(ended) = &state.ended {
            return Poll::Ready(Err(ended.error()));
        }
        state.waiters.wait(ticket, number, waker);
        Poll::Pending
    }

    fn forget(&self, ticket: usize) {
        self.state.lock().waiters.forget(ticket);
    }
}

/// The acknowledgement of an append: it has no number until somebody has written it.
pub(crate) struct AppendAck {
    published: Arc<Published>,
    state: Mutex<AppendState>,
}

enum AppendState {
    Queued(Option<Waker>),
    Written(CommitNumber),
    Refused(Ended),
}

impl AppendAck {
    pub(crate) fn new(published: &Arc<Published>) -> Self {
        Self { published: Arc::clone(published), state: Mutex::new(AppendState::Queued(None)) }
    }

    /// It is in the frame `number`. Who waits is not woken for that, but passed on to wait for the number.
    pub(crate) fn written(&self, number: CommitNumber) {
        let mut state = self.state.lock();
        let AppendState::Queued(waiting) = std::mem::replace(&mut *state, AppendState::Written(number)) else { return };
        let Some(waker) = waiting else { return };
        // Still under the lock. Otherwise a poll could come in between with a newer waker, which this older one would
        // replace: nobody would ever wake who waits now.
        let is_ready = self.published.poll(address_of(self), number, &waker).is_ready();
        drop(state);
        if is_ready {
            waker.wake();
        }
    }

    pub(crate) fn refused(&self, error: &Error) {
        let refused = AppendState::Refused(Ended { kind: error.kind(), message: error.chain() });
        let before = std::mem::replace(&mut *self.state.lock(), refused);
        if let AppendState::Queued(Some(waker)) = before {
            waker.wake();
        }
    }
}

impl Acknowledgement for AppendAck {
    fn poll(&self, waker: &Waker) -> Poll<Result<()>> {
        let mut state = self.state.lock();
        match &mut *state {
            AppendState::Queued(waiting) => {
                *waiting = Some(waker.clone());
                Poll::Pending
            }
            AppendState::Refused(ended) => Poll::Ready(Err(ended.error())),
            AppendState::Written(number) => self.published.poll(address_of(self), *number, waker),
        }
    }
}

impl Drop for AppendAck {
    fn drop(&mut self) {
        self.published.forget(address_of(self));
    }
}
