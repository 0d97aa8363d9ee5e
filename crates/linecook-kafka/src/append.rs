//! What comes in from outside of any group.
//!
//! ```text
//!  one record  ──► idempotent producer ──────────────► its ticket, when the broker has it
//!                      ▲ nothing is outstanding there
//!  several     ──► queue ──► thread ──► transaction ──► its ticket, when who reads sees them
//! ```
//!
//! One thread serves both: it waits for deliveries, and does the transactions one at a time. An append of one record that
//! comes while transactions wait goes through the queue as well, so that appends keep their order.

use std::{
    collections::{BTreeMap, HashMap, VecDeque, btree_map::Entry},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Poll, Waker},
    thread::{self, JoinHandle},
    time::Duration,
};

use linecook_log::{
    Acknowledgement, Batch, BatchBuilder, Clock, Error, ErrorKind, GroupName, Offset, Result, Ticket, TopicPartition,
    waiting::Wakeup,
};
use parking_lot::Mutex;
use rdkafka::error::RDKafkaErrorCode;

use crate::{
    Options, client,
    client::Producer,
    cluster::Cluster,
    fault,
    native::{
        Fault, brokers,
        deliveries::{self, Delivery, Event, Fate},
        queue::Queue,
    },
    outgoing::{self, Sender},
    transaction::{Ended, Outputs, Transactions},
    watcher::Watcher,
};

/// How long a record may wait for a broker. Who has ordered hears by then that it was not stored.
const GIVE_UP_AFTER: Duration = Duration::from_millis(4_000);

pub(crate) struct Appender {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    wakeup: Arc<Wakeup>,
    cluster: Arc<Cluster>,
    watcher: Arc<Watcher>,
    clock: Arc<dyn Clock>,
    options: Options,
    state: Mutex<State>,
    /// Appends that are in the queue or in a transaction.
    queued_count: AtomicUsize,
}

struct State {
    line: Arc<Line>,
    sender: Sender,
    /// By the number that goes along with the record.
    awaited: HashMap<usize, Awaited>,
    next_number: usize,
    queued: VecDeque<Queued>,
    /// Why nothing is taken any more.
    ended: Option<Error>,
    is_closing: bool,
}

/// A record on its way.
struct Awaited {
    to: TopicPartition,
    bytes: usize,
    ack: Arc<Ack>,
}

/// The transactions of each service: in another process services may have this one's instance name.
type Named = BTreeMap<GroupName, Transactions>;

/// A producer that appends without transactions, and what it hears.
struct Line {
    queue: Queue,
    producer: Arc<Producer>,
}

impl Line {
    fn new(options: &Options, cluster: &Cluster, wakeup: &Arc<Wakeup>) -> Result<Self> {
        let producer = Arc::new(client::appending(options, &cluster.news, GIVE_UP_AFTER)?);
        let mut queue = Queue::main(&producer);
        queue.raise(wakeup);
        Ok(Self { queue, producer })
    }

    /// Why it will never send anything again, if so.
    fn over(&self) -> Option<Fault> {
        client::fatal_error(rdkafka::producer::Producer::client(&*self.producer))
    }
}

struct Queued {
    to: TopicPartition,
    batch: Batch,
    ack: Arc<Ack>,
}

/// The acknowledgement of an append.
#[derive(Default)]
struct Ack(Mutex<AckState>);

#[derive(Default)]
struct AckState {
    outcome: Option<Result<()>>,
    /// Stored, but not seen yet.
    unseen: Option<Ticket>,
    waker: Option<Waker>,
}

impl Ack {
    fn set(&self, outcome: Result<()>) {
        let mut state = self.0.lock();
        state.outcome.get_or_insert(outcome);
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }

    fn stored(&self, unseen: Ticket) {
        let mut state = self.0.lock();
        state.unseen = Some(unseen);
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }
}

impl Acknowledgement for Ack {
    fn poll(&self, waker: &Waker) -> Poll<Result<()>> {
        let mut state = self.0.lock();
        if let Some(unseen) = &mut state.unseen {
            let mut context = std::task::Context::from_waker(waker);
            return std::pin::Pin::new(unseen).poll(&mut context);
        }
        match &state.outcome {
            Some(Ok(())) => Poll::Ready(Ok(())),
            Some(Err(error)) => Poll::Ready(Err(fault::copy_of(error))),
            None => {
                state.waker = Some(waker.clone());
                Poll::Pending
            }
        }
    }
}

impl Appender {
    pub(crate) fn start(
        options: &Options,
        cluster: &Arc<Cluster>,
        watcher: &Arc<Watcher>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self> {
        let wakeup = Arc::<Wakeup>::default();
        let state = State {
            line: Arc::new(Line::new(options, cluster, &wakeup)?),
            sender: Sender::default(),
            awaited: HashMap::new(),
            next_number: 0,
            queued: VecDeque::new(),
            ended: None,
            is_closing: false,
        };
        let shared = Arc::new(Shared {
            wakeup,
            cluster: Arc::clone(cluster),
            watcher: Arc::clone(watcher),
            clock: Arc::clone(clock),
            options: options.clone(),
            state: Mutex::new(state),
            queued_count: AtomicUsize::new(0),
        });
        let serving = Arc::clone(&shared);
        let thread = thread::Builder::new().name("kafka-appender".into()).spawn(move || serving.run());
        let thread = thread
            .map_err(|error| Error::new(ErrorKind::Unavailable, "a thread cannot be started").with_source(error))?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// See [`Log::append`](linecook_log::Log::append).
    pub(crate) fn append(&self, to: &TopicPartition, records: BatchBuilder) -> Result<Ticket> {
        let shared = &self.shared;
        shared.cluster.check_partition(to)?;
        if records.is_empty() {
            return Err(Error::invalid(format!("an append without records: partition={to}")));
        }
        let is_one = records.count() == 1;
        let batch = records.finish(Offset(0), shared.clock.timestamp());
        outgoing::check_size(&batch, shared.options.max_record_bytes)?;
        let ack = Arc::<Ack>::default();
        let mut state = shared.state.lock();
        if let Some(reason) = &state.ended {
            return Err(fault::copy_of(reason));
        }
        if is_one && shared.queued_count.load(Ordering::Acquire) == 0 {
            shared.send(&mut state, to, &batch, &ack)?;
        } else {
            shared.queued_count.fetch_add(1, Ordering::AcqRel);
            state.queued.push_back(Queued { to: to.clone(), batch, ack: Arc::clone(&ack) });
            shared.wakeup.raise();
        }
        drop(state);
        Ok(Ticket::new(ack))
    }

    /// Stores what was taken, as far as it goes in that time, and takes no more.
    pub(crate) fn close(&self, reason: &Error) {
        let mut state = self.shared.state.lock();
        state.ended.get_or_insert_with(|| fault::copy_of(reason));
        state.is_closing = true;
        drop(state);
        self.join();
    }

    /// Gives up what was taken, as when its process dies.
    pub(crate) fn abandon(&self, reason: &Error) {
        let mut state = self.shared.state.lock();
        state.ended.get_or_insert_with(|| fault::copy_of(reason));
        state.is_closing = true;
        let queued = std::mem::take(&mut state.queued).into_iter().map(|queued| queued.ack);
        let lost: Vec<_> =
            queued.chain(std::mem::take(&mut state.awaited).into_values().map(|awaited| awaited.ack)).collect();
        drop(state);
        let unknown = || Error::new(ErrorKind::Unknown, "the log has ended; whether it was stored is not known");
        lost.into_iter().for_each(|ack| ack.set(Err(unknown())));
        self.join();
    }

    fn join(&self) {
        self.shared.wakeup.raise();
        if let Some(thread) = self.thread.lock().take() {
            // Its panic would have been told by the thread itself.
            drop(thread.join());
        }
    }
}

impl Shared {
    fn send(&self, state: &mut State, to: &TopicPartition, batch: &Batch, ack: &Arc<Ack>) -> Result<()> {
        let number = state.next_number;
        state.next_number = number.wrapping_add(1);
        // Without one that is awaited nothing of it can still be heard.
        if state.awaited.is_empty() && state.line.over().is_some() {
            state.line = Arc::new(Line::new(&self.options, &self.cluster, &self.wakeup)?);
            self.wakeup.raise();
        }
        let line = Arc::clone(&state.line);
        let sent = state.sender.send(&line.producer, to, batch, number, &mut |code| {
            if code == RDKafkaErrorCode::QueueFull {
                let text = "too much waits for a broker; nothing was stored";
                return Err(Error::new(ErrorKind::Unavailable, text));
            }
            let fault = line.over().unwrap_or(Fault::of_code(code));
            Err(fault::of_records(format!("a record cannot be sent: partition={to}"), fault))
        });
        sent?;
        let bytes = batch.records().map(|record| record.size_bytes()).sum();
        state.awaited.insert(number, Awaited { to: to.clone(), bytes, ack: Arc::clone(ack) });
        Ok(())
    }

    fn run(&self) {
        let mut transactions = Named::new();
        loop {
            let line = Arc::clone(&self.state.lock().line);
            while deliveries::serve(&line.queue, Duration::ZERO, |event| self.see(event)) {}
            if self.do_queued(&mut transactions) {
                continue;
            }
            let state = self.state.lock();
            if state.is_closing && state.queued.is_empty() && state.awaited.is_empty() {
                return;
            }
            drop(state);
            self.wakeup.wait(Duration::from_secs(1));
        }
    }

    fn see(&self, event: Event) {
        match event {
            Event::Delivery(delivery) => {
                let awaited = self.state.lock().awaited.remove(&delivery.opaque);
                if let Some(Awaited { to, bytes, ack }) = awaited {
                    ack.set(self.outcome_of(&to, bytes, delivery));
                }
            }
            Event::Fault(code, text) => self.cluster.news.heard(Fault::new(code, text)),
        }
    }

    fn outcome_of(&self, to: &TopicPartition, bytes: usize, delivery: Delivery) -> Result<()> {
        match delivery.fate {
            Fate::Stored => Ok(()),
            Fate::NotStored(code) => {
                // Its size was checked; what is left is a broker with a lower limit, or none that answers.
                let line = Arc::clone(&self.state.lock().line);
                brokers::find_again(&line.producer, self.options.properties.servers().unwrap_or_default());
                let over = line.over();
                let fault = over.unwrap_or_else(|| client::reason(Fault::of_code(code), &self.cluster.news));
                let what = if code == RDKafkaErrorCode::MessageSizeTooLarge {
                    format!("a record is larger than the broker takes: partition={to} bytes={bytes}")
                } else {
                    format!("the record was not stored: partition={to}")
                };
                Err(fault::of_records(what, fault))
            }
            Fate::Unknown(code) => Err(fault::unknown(
                "a broker has not answered in time",
                client::reason(Fault::of_code(code), &self.cluster.news),
            )),
        }
    }

    /// Does the next transaction, if one waits and nothing before it is outstanding. Returns whether it did.
    fn do_queued(&self, transactions: &mut Named) -> bool {
        let mut state = self.state.lock();
        if state.queued.is_empty() || !state.awaited.is_empty() {
            return false;
        }
        let queued = state.queued.pop_front().expect("it is not empty");
        drop(state);
        match self.transact(transactions, &queued) {
            Ok(seen) => queued.ack.stored(seen),
            Err(error) => queued.ack.set(Err(error)),
        }
        self.queued_count.fetch_sub(1, Ordering::AcqRel);
        true
    }

    fn transact(&self, kept: &mut Named, queued: &Queued) -> Result<Ticket> {
        let service = queued.batch.origin()?.service;
        let transactions = match kept.entry(service.clone()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let name = format!("{}.{}.append", entry.key(), self.options.instance);
                let begun = Transactions::begin_with(&self.options, &self.cluster.news, &self.clock, &name);
                // A right that is missing is no fault of the records.
                entry.insert(begun.map_err(|error| Error::new(ErrorKind::Unavailable, error.chain()))?)
            }
        };
        let batches = [(queued.to.clone(), queued.batch.clone())];
        match transactions.run(&Outputs { batches: &batches, rows: &[] }, None) {
            Ended::Committed(ends) => {
                let ends = ends.into_iter().map(|end| (queued.to.clone(), end)).collect();
                Ok(Ticket::new(Arc::new(self.watcher.seen(ends, None))))
            }
            Ended::Refused(error) => Err(error),
            Ended::RefusedAndOver(error) | Ended::Lost(error) => {
                kept.remove(&service);
                Err(error)
            }
        }
    }
}
