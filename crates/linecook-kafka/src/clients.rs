//! What a member has of librdkafka.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use linecook_log::{Clock, Partition, waiting::Wakeup};
use parking_lot::Mutex;
use rdkafka::{TopicPartitionList, consumer::Consumer as _};

use crate::{
    client::{self, Consumer, Rebalance},
    native::{
        self,
        queue::{Forwarded, Queue},
        topic::Topic,
    },
    transaction::Transactions,
};

const POLL_FOR: Duration = Duration::from_millis(20);
/// Who comes next under its name need not wait for it: it is fenced.
const END_WITHIN: Duration = Duration::from_secs(5);
/// What the coordinator has not heard by then it finds out by the member's silence.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);
/// By them a revocation comes that is behind a few other events.
const LAST_POLLS: u32 = 10;
const LOOK_AFTER: Duration = Duration::from_millis(1);

/// What a member has of librdkafka. The log lets it go when it ends.
pub(crate) struct Clients {
    pub(crate) wakeup: Arc<Wakeup>,
    pub(crate) open: Mutex<Option<Open>>,
}

/// Dropping it ends its clients, in whatever they are about.
pub(crate) struct Open {
    /// One for each topic, in the order of the polls. They go before their client.
    pub(crate) queues: Vec<TopicQueue>,
    /// What the group and the client tell.
    pub(crate) events: Queue,
    pub(crate) consumer: Arc<Consumer>,
    /// Whether the group waits for partitions to be given up.
    pub(crate) owes_answer: bool,
    /// At its end the group is left.
    pub(crate) leaves: bool,
    /// Always there once the member has joined.
    pub(crate) transactions: Option<Transactions>,
    /// A client for rows on their way, while there are some.
    pub(crate) restoring: Option<Arc<Consumer>>,
}

pub(crate) struct TopicQueue {
    pub(crate) topic: Topic,
    /// The partitions whose records come here. They go before the queue.
    pub(crate) forwarded: BTreeMap<Partition, Forwarded>,
    pub(crate) queue: Queue,
}

impl Clients {
    /// Lets them go: without a farewell, as static members do, unless the group is to be left. They end on a thread of
    /// their own: now and then a client waits for ever for itself, and then it has that thread, not the caller's.
    pub(crate) fn end(&self) {
        self.begin_to_end().wait(END_WITHIN);
    }

    /// The same of several, at a time.
    pub(crate) fn end_all(all: &[Arc<Self>], clock: &dyn Clock) {
        let ending: Vec<_> = all.iter().map(|clients| clients.begin_to_end()).collect();
        let deadline = clock.monotonic() + END_WITHIN;
        ending.into_iter().for_each(|ending| ending.wait(deadline.saturating_sub(clock.monotonic())));
    }

    fn begin_to_end(&self) -> Ending {
        let open = self.open.lock().take();
        self.wakeup.raise();
        let (has_ended, ended) = mpsc::channel();
        if let Some(open) = open {
            let ending = move || {
                drop(open);
                drop(has_ended);
            };
            // Without threads it has ended already: what is not run is dropped.
            drop(thread::Builder::new().name("kafka-end".into()).spawn(ending));
        }
        Ending(ended)
    }
}

/// Clients that are being let go: the other side is dropped when they have ended.
struct Ending(mpsc::Receiver<()>);

impl Ending {
    fn wait(self, within: Duration) {
        let _disconnected = self.0.recv_timeout(within);
    }
}

impl Drop for Open {
    /// A client that waits for the answer to a rebalance does not end, and the end brings rebalances of its own.
    fn drop(&mut self) {
        self.queues.clear();
        let consumer = &self.consumer;
        if self.owes_answer {
            answer(consumer, Answer::Revoked);
        }
        // It may not have polled since the group has wanted something back.
        let leaves = self.leaves || (0..LAST_POLLS).any(|_| serve(consumer, Duration::ZERO).is_revoked);
        if leaves && client::fatal_error(consumer.client()).is_none() {
            leave(consumer);
        }
        if consumer.close_queue().is_err() {
            return;
        }
        while !consumer.closed() {
            serve(consumer, POLL_FOR);
        }
    }
}

/// Leaves the group, if its coordinator is there. A static member does not leave when it is closed, but when it has
/// subscribed to nothing.
fn leave(consumer: &Arc<Consumer>) {
    consumer.unsubscribe();
    let mut waited = Duration::ZERO;
    while waited < LEAVE_WITHIN && native::member::member_id(consumer).is_some() {
        waited += if serve(consumer, POLL_FOR).is_idle { POLL_FOR } else { Duration::ZERO };
    }
}

struct Served {
    is_idle: bool,
    /// The group wants something back.
    is_revoked: bool,
}

/// One poll, and what it brings of rebalances is answered with nothing.
fn serve(consumer: &Arc<Consumer>, wait: Duration) -> Served {
    let mut served = Served { is_idle: consumer.poll(wait).is_none(), is_revoked: false };
    while let Some(event) = consumer.context().next_rebalance() {
        served.is_revoked |= matches!(event, Rebalance::Revoked(_));
        let is_assigned = matches!(event, Rebalance::Assigned(_));
        answer(consumer, if is_assigned { Answer::Assigned } else { Answer::Revoked });
    }
    served
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// Nothing of it is taken.
    Assigned,
    /// What is to be given up is, when the client leaves.
    Revoked,
}

/// Answers on a thread of its own. When the group is left before the client has seen the answer, it throws that away, and
/// whoever has given it waits for ever: then that is the thread, and the client stays with it.
fn answer(consumer: &Arc<Consumer>, what: Answer) {
    let is_answered = Arc::<AtomicBool>::default();
    let (answering, answered) = (Arc::clone(consumer), Arc::clone(&is_answered));
    let thread = thread::Builder::new().name("kafka-end".into()).spawn(move || {
        let nothing = TopicPartitionList::new();
        match what {
            Answer::Assigned => drop(answering.incremental_assign(&nothing)),
            Answer::Revoked => drop(answering.incremental_unassign(&nothing)), // it is over in any case
        }
        drop(answering);
        answered.store(true, Ordering::Release);
    });
    if thread.is_err() {
        return; // it waits until there are threads again
    }
    while !is_answered.load(Ordering::Acquire) && !consumer.closed() {
        thread::park_timeout(LOOK_AFTER);
    }
}
