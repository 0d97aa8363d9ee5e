//! One thread that asks brokers where partitions end, for all who wait for that.
//!
//! A transaction that is committed is durable, but its marks come to the partitions a moment later, and until then who
//! reads what is committed does not see its records. Who waits for a ticket is to see them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    task::{Poll, Waker},
    thread::{self, JoinHandle},
    time::Duration,
};

use linecook_log::{Acknowledgement, Error, ErrorKind, GroupName, Offset, Result, TopicPartition, waiting::Wakeup};
use parking_lot::Mutex;

use crate::{
    cluster::Cluster,
    fault,
    native::admin::{End, Isolation},
    progress::Target,
};

/// How long to wait before asking again for what cannot be seen yet.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(2);

pub(crate) struct Watcher {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    cluster: Arc<Cluster>,
    wakeup: Wakeup,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Whose end is wanted, whatever is committed of it.
    ends: Vec<(TopicPartition, Weak<Target>)>,
    /// What is to become visible.
    unseen: Vec<Weak<Unseen>>,
    ended: Option<Error>,
}

impl Watcher {
    pub(crate) fn start(cluster: &Arc<Cluster>) -> Result<Self> {
        let (wakeup, state) = (Wakeup::default(), Mutex::default());
        let shared = Arc::new(Shared { cluster: Arc::clone(cluster), wakeup, state });
        let watching = Arc::clone(&shared);
        let thread = thread::Builder::new().name("kafka-watcher".into()).spawn(move || watching.run());
        let thread = thread
            .map_err(|error| Error::new(ErrorKind::Unavailable, "a thread cannot be started").with_source(error))?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Where the partition ends now, transactions that are not finished included.
    pub(crate) fn end_of(&self, at: &TopicPartition) -> Arc<Target> {
        let target = Arc::new(Target::new());
        let mut state = self.shared.state.lock();
        match &state.ended {
            Some(reason) => {
                let reason = fault::copy_of(reason);
                drop(state);
                target.set(Err(reason)); // nobody looks any more
            }
            None => {
                state.ends.push((at.clone(), Arc::downgrade(&target)));
                drop(state);
                self.shared.wakeup.raise();
            }
        }
        target
    }

    /// A ticket that is done when who reads what is committed sees all before these offsets, and what the group has
    /// committed.
    pub(crate) fn seen(&self, ends: Vec<(TopicPartition, Offset)>, consumed: Option<Consumed>) -> SeenAck {
        let unseen = Unseen { ends, consumed, outcome: Mutex::default() };
        SeenAck { shared: Arc::clone(&self.shared), unseen: Arc::new(unseen), is_asked: Mutex::new(false) }
    }

    pub(crate) fn end(&self, reason: &Error) {
        self.shared.state.lock().ended.get_or_insert_with(|| fault::copy_of(reason));
        self.shared.wakeup.raise();
        if let Some(thread) = self.thread.lock().take() {
            // Its panic would have been told by the thread itself.
            drop(thread.join());
        }
    }
}

/// Partitions that a group has committed offsets of.
pub(crate) struct Consumed {
    pub(crate) group: GroupName,
    pub(crate) partitions: Vec<TopicPartition>,
}

struct Unseen {
    ends: Vec<(TopicPartition, Offset)>,
    consumed: Option<Consumed>,
    outcome: Mutex<Outcome>,
}

#[derive(Default)]
struct Outcome {
    seen: Option<Result<()>>,
    waker: Option<Waker>,
}

impl Unseen {
    fn set(&self, outcome: Result<()>) {
        let mut state = self.outcome.lock();
        state.seen = Some(outcome);
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }
}

/// The acknowledgement of what is to be seen. Brokers are asked only if somebody waits for it.
pub(crate) struct SeenAck {
    shared: Arc<Shared>,
    unseen: Arc<Unseen>,
    is_asked: Mutex<bool>,
}

impl Acknowledgement for SeenAck {
    fn poll(&self, waker: &Waker) -> Poll<Result<()>> {
        let mut outcome = self.unseen.outcome.lock();
        match &outcome.seen {
            Some(Ok(())) => return Poll::Ready(Ok(())),
            Some(Err(error)) => return Poll::Ready(Err(fault::copy_of(error))),
            None => outcome.waker = Some(waker.clone()),
        }
        drop(outcome);
        if !std::mem::replace(&mut *self.is_asked.lock(), true) {
            let mut state = self.shared.state.lock();
            if let Some(reason) = &state.ended {
                let reason = fault::copy_of(reason);
                drop(state);
                self.unseen.set(Err(fault::copy_of(&reason)));
                return Poll::Ready(Err(reason)); // nobody looks any more
            }
            state.unseen.push(Arc::downgrade(&self.unseen));
            drop(state);
            self.shared.wakeup.raise();
        }
        Poll::Pending
    }
}

impl Shared {
    fn run(&self) {
        loop {
            let (ends, unseen) = {
                let mut state = self.state.lock();
                (std::mem::take(&mut state.ends), state.unseen.clone())
            };
            self.tell_ends(&ends);
            let is_waiting = self.look(&unseen);
            if let Some((reason, left)) = self.left_at_the_end() {
                return give_up(&reason, left);
            }
            self.wakeup.wait(if is_waiting { ASK_AGAIN_AFTER } else { Duration::from_secs(60) });
        }
    }

    /// One question for all who have asked meanwhile.
    fn tell_ends(&self, wanted: &[(TopicPartition, Weak<Target>)]) {
        let mut partitions: Vec<_> = wanted.iter().map(|(at, _)| at.clone()).collect();
        partitions.sort();
        partitions.dedup();
        if partitions.is_empty() {
            return;
        }
        let found = self.cluster.offsets_at(End::End, &partitions, Isolation::All);
        for (at, target) in wanted {
            let Some(target) = target.upgrade() else { continue };
            target.set(match &found {
                Err(error) => Err(fault::copy_of(error)),
                Ok(found) => found.get(at).copied().ok_or_else(|| crate::progress::not_here(at)),
            });
        }
    }

    /// Whether somebody still waits to see something.
    fn look(&self, all: &[Weak<Unseen>]) -> bool {
        let waiting: Vec<_> = all.iter().filter_map(Weak::upgrade).collect();
        for unseen in &waiting {
            match self.is_seen(unseen) {
                Ok(false) => {}
                Ok(true) => unseen.set(Ok(())),
                // It is stored; that it is seen is not known.
                Err(error) => unseen.set(Err(Error::new(ErrorKind::Unknown, error.chain()))),
            }
        }
        let is_waiting = |unseen: &Weak<Unseen>| unseen.upgrade().is_some_and(|it| it.outcome.lock().seen.is_none());
        let mut state = self.state.lock();
        state.unseen.retain(is_waiting);
        !state.unseen.is_empty()
    }

    fn is_seen(&self, unseen: &Unseen) -> Result<bool> {
        let partitions: Vec<_> = unseen.ends.iter().map(|(at, _)| at.clone()).collect();
        let ends: BTreeMap<_, _> = self.cluster.offsets_at(End::End, &partitions, Isolation::Committed)?;
        if unseen.ends.iter().any(|(at, offset)| ends.get(at).is_none_or(|end| end < offset)) {
            return Ok(false);
        }
        let Some(consumed) = &unseen.consumed else { return Ok(true) };
        Ok(self.cluster.stable_offsets(&consumed.group, &consumed.partitions)?.is_some())
    }

    /// Once it is over: why, and what was wanted until then. Nobody adds to it any more.
    fn left_at_the_end(&self) -> Option<(Error, State)> {
        let mut state = self.state.lock();
        let reason = fault::copy_of(state.ended.as_ref()?);
        let (ends, unseen) = (std::mem::take(&mut state.ends), std::mem::take(&mut state.unseen));
        Some((reason, State { ends, unseen, ended: None }))
    }
}

fn give_up(reason: &Error, State { ends, unseen, .. }: State) {
    for target in ends.iter().filter_map(|(_, target)| target.upgrade()) {
        target.set(Err(fault::copy_of(reason)));
    }
    for unseen in unseen.iter().filter_map(Weak::upgrade) {
        if unseen.outcome.lock().seen.is_none() {
            unseen.set(Err(fault::copy_of(reason)));
        }
    }
}
