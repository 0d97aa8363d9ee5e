//! Transactions of one name, one after the other.
//!
//! ```text
//!  begin ──► records ──► offsets ──► all delivered? ──► commit ──► Committed
//!              │            │              │              │ no answer in time, or fatal
//!              └────────────┴──────────────┴─ abort       └──────────► Lost: it may be either
//!                                              │ done ──► Refused: nothing of it happened; a new producer
//!                                              │ failed ► RefusedAndOver: the same, and the producer is over
//!                                              └ fenced ► Lost: the name may be another's
//! ```
//!
//! The offsets are sent while the records are on their way. After an attempt to commit nothing is aborted: the broker may
//! have done it, and only who asks it again under the same name will know.
//!
//! No producer is used again after an abort. Of the records that waited to be sent once more some may be stored, without its
//! having heard of it. librdkafka (2.12, `rd_kafka_toppar_purge_queues`) takes them all for not stored and gives their numbers
//! to the next ones, which a broker then takes for those that it has: it acknowledges them and stores nothing. A new producer
//! of the name has another epoch, and numbers of its own.

mod deliveries;
mod outputs;

use std::{sync::Arc, time::Duration};

use linecook_log::{Clock, Error, ErrorKind, Offset, Result, TopicPartition};
use rdkafka::{
    consumer::ConsumerGroupMetadata,
    error::{KafkaError, RDKafkaErrorCode},
    producer::Producer as _,
};

use self::deliveries::{Deliveries, is_purged};
pub(crate) use self::outputs::Outputs;
use crate::{
    Options, client,
    client::{News, Producer},
    fault,
    native::{
        Fault,
        admin::{list, native_offset},
        deliveries::{self as told, Event},
        queue::Queue,
    },
    outgoing::Sender,
};

/// How long it may take to get a producer ready. Its predecessor's transaction is ended meanwhile.
const READY_WITHIN: Duration = Duration::from_secs(5);
/// Brokers refuse it while they end that transaction, which takes them some tens of milliseconds, and a connection to them
/// takes as long. librdkafka looks at either again after 500 ms, and at once when it is called again. A call goes on where
/// it was: nothing is asked while an answer is due.
const READY_ASKED_AGAIN_AFTER: Duration = Duration::from_millis(50);
const ABORT_WITHIN: Duration = Duration::from_secs(5);
/// How long after a transaction has failed it is told of the record that it failed for.
const TOLD_WITHIN: Duration = Duration::from_millis(100);
/// How long a call may take before it is looked whether the log ends. A call goes on where it was.
const LOOK_AFTER: Duration = Duration::from_millis(500);
/// The same of one that begins anew.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// A producer of that name.
pub(crate) struct Transactions {
    queue: Queue,
    producer: Arc<Producer>,
    sender: Sender,
    news: Arc<News>,
    options: Options,
    clock: Arc<dyn Clock>,
    name: String,
    deliveries: Deliveries,
}

/// What a group has consumed, and which of its members says so.
pub(crate) struct Consumed<'a> {
    pub(crate) metadata: &'a ConsumerGroupMetadata,
    pub(crate) offsets: &'a [(TopicPartition, Offset)],
}

/// How a transaction has ended.
pub(crate) enum Ended {
    /// It is durable. Behind the last record of each output, in order: batches first, then rows.
    Committed(Vec<Offset>),
    /// Nothing of it happened, and nothing will.
    Refused(Error),
    /// The same, and this producer is over: what is left of it is aborted by the next of this name, or in time.
    RefusedAndOver(Error),
    /// Whether it happened will be known by the next producer of this name; this one is over.
    Lost(Error),
}

/// What ends a transaction before it is committed.
enum Failure {
    Abortable(Error),
    Fatal(Error),
}

impl Transactions {
    /// Gets a producer ready. One of the same name before is over from here on, and its transaction is ended.
    ///
    /// # Errors
    /// `Unavailable`; `Invalid` when the cluster does not allow it.
    pub(crate) fn begin_with(options: &Options, news: &Arc<News>, clock: &Arc<dyn Clock>, name: &str) -> Result<Self> {
        let producer = Arc::new(client::transacting(options, news, name)?);
        let queue = Queue::main(&producer);
        make_ready(&producer, news, &**clock).map_err(|fault| {
            while told::serve(&queue, Duration::ZERO, |event| hear(news, event)) {}
            let what = format!("a producer cannot be made ready for transactions: transactional_id={name}");
            fault::error(what, client::reason(fault, news))
        })?;
        Ok(Self {
            queue,
            producer,
            sender: Sender::default(),
            news: Arc::clone(news),
            options: options.clone(),
            clock: Arc::clone(clock),
            name: name.to_owned(),
            deliveries: Deliveries::default(),
        })
    }

    /// Makes all of it true, or nothing.
    pub(crate) fn run(&mut self, outputs: &Outputs<'_>, consumed: Option<&Consumed<'_>>) -> Ended {
        let run = self.deliveries.run.wrapping_add(1);
        self.deliveries = Deliveries { run, ends: vec![None; outputs.count()], failed: None };
        let deadline = self.clock.monotonic() + self.options.session_timeout;
        if let Err(error) = self.producer.begin_transaction() {
            return match self.failure(&error, "a transaction cannot be begun") {
                Failure::Abortable(error) => Ended::Refused(error),
                Failure::Fatal(error) => Ended::Lost(error),
            };
        }
        match self.prepare(outputs, consumed, deadline) {
            Ok(()) => self.commit(deadline),
            Err(Failure::Fatal(error)) => Ended::Lost(error),
            Err(Failure::Abortable(error)) => match self.abort() {
                Ok(()) => match self.renew() {
                    Ok(()) => Ended::Refused(error),
                    Err(cause) => {
                        tracing::debug!(error = cause.chain(), "no new producer after an abort");
                        Ended::RefusedAndOver(error)
                    }
                },
                // Who has this name now says what is to be done: see `KafkaMember::lost`.
                Err(()) if self.is_fenced() => Ended::Lost(Error::new(ErrorKind::Unknown, error.chain())),
                Err(()) => Ended::RefusedAndOver(error),
            },
        }
    }

    /// A new producer of the name: see the module.
    fn renew(&mut self) -> Result<()> {
        let new = Self::begin_with(&self.options, &self.news, &self.clock, &self.name)?;
        let old = std::mem::replace(self, new);
        // It may take its time to end.
        drop(std::thread::spawn(move || drop(old)));
        Ok(())
    }

    /// Whether another producer of this name has come.
    pub(crate) fn is_fenced(&self) -> bool {
        client::fatal_error(self.producer.client()).is_some_and(|fault| {
            matches!(
                fault.code,
                RDKafkaErrorCode::Fenced | RDKafkaErrorCode::ProducerFenced | RDKafkaErrorCode::InvalidProducerEpoch
            )
        })
    }

    fn prepare(
        &mut self,
        outputs: &Outputs<'_>,
        consumed: Option<&Consumed<'_>>,
        deadline: Duration,
    ) -> Result<(), Failure> {
        self.send(outputs, deadline)?;
        if let Some(consumed) = consumed {
            let sent = self.send_offsets(consumed, deadline);
            sent.map_err(|failure| self.better_known(failure, outputs))?;
        }
        self.wait_for_deliveries(outputs, deadline)
    }

    fn send(&mut self, outputs: &Outputs<'_>, deadline: Duration) -> Result<(), Failure> {
        let Self { producer, queue, sender, deliveries, news, clock, .. } = self;
        let opaque = deliveries.opaque();
        let mut refused = |to: &TopicPartition, code| {
            if code == RDKafkaErrorCode::QueueFull && clock.monotonic() < deadline {
                serve(queue, Duration::from_millis(10), deliveries, news);
                return Ok(());
            }
            let fault = client::fatal_error(producer.client()).unwrap_or(Fault::of_code(code));
            Err(fault::of_records(format!("a record cannot be sent: partition={to}"), fault))
        };
        let mut send = || {
            for (number, (to, batch)) in outputs.batches.iter().enumerate() {
                sender.send(producer, to, batch, opaque | number, &mut |code| refused(to, code))?;
            }
            for (number, (to, rows)) in (outputs.batches.len()..).zip(outputs.rows) {
                for row in *rows {
                    sender.send_row(producer, to, row, opaque | number, &mut |code| refused(to, code))?;
                }
            }
            Ok(())
        };
        send().map_err(Failure::Abortable)
    }

    fn send_offsets(&self, consumed: &Consumed<'_>, deadline: Duration) -> Result<(), Failure> {
        let offsets = list(consumed.offsets.iter().map(|(at, offset)| (at, native_offset(*offset))));
        loop {
            let left = self.left(deadline);
            let within = left.min(ASK_AGAIN_AFTER);
            match self.producer.send_offsets_to_transaction(&offsets, consumed.metadata, within) {
                Ok(()) => return Ok(()),
                Err(KafkaError::Transaction(error)) if error.is_retriable() && !left.is_zero() => {}
                Err(error) => return Err(self.failure(&error, "what was consumed cannot be committed")),
            }
        }
    }

    fn wait_for_deliveries(&mut self, outputs: &Outputs<'_>, deadline: Duration) -> Result<(), Failure> {
        while told::outstanding_count(&self.producer) > 0 {
            let left = self.left(deadline);
            if left.is_zero() {
                break;
            }
            serve(&self.queue, left.min(Duration::from_millis(100)), &mut self.deliveries, &self.news);
        }
        if let Some(error) = self.undelivered(outputs) {
            return Err(Failure::Abortable(error));
        }
        if told::outstanding_count(&self.producer) == 0 {
            return Ok(());
        }
        let number = self.deliveries.ends.iter().position(Option::is_none);
        let what = format!("records were not stored in time{}", outputs.partition_text(number));
        let fault = client::reason(Fault::of_code(RDKafkaErrorCode::OperationTimedOut), &self.news);
        Err(Failure::Abortable(fault::of_records(what, fault)))
    }

    /// When a record could not be stored, all that comes after it fails as well, and says less.
    fn better_known(&mut self, failure: Failure, outputs: &Outputs<'_>) -> Failure {
        let deadline = self.clock.monotonic() + TOLD_WITHIN;
        while self.deliveries.failed.is_none()
            && told::outstanding_count(&self.producer) > 0
            && self.clock.monotonic() < deadline
        {
            serve(&self.queue, Duration::from_millis(5), &mut self.deliveries, &self.news);
        }
        match failure {
            Failure::Abortable(error) => Failure::Abortable(self.undelivered(outputs).unwrap_or(error)),
            failure @ Failure::Fatal(_) => failure,
        }
    }

    /// Why a record could not be stored, if that was so of one.
    fn undelivered(&mut self, outputs: &Outputs<'_>) -> Option<Error> {
        let mut failed = self.deliveries.failed.take();
        if let Some((_, fault)) = &mut failed
            && is_purged(fault.code)
        {
            *fault = self.reason().unwrap_or_else(|| fault.clone());
        }
        let (number, fault) = failed?;
        let what = if fault.code == RDKafkaErrorCode::MessageSizeTooLarge {
            outputs.too_large(number)
        } else {
            format!("records could not be stored{}", outputs.partition_text(Some(number)))
        };
        Some(fault::of_records(what, client::reason(fault, &self.news)))
    }

    fn commit(&self, deadline: Duration) -> Ended {
        loop {
            // At the end of its time once more, for what was cut short before.
            match self.producer.commit_transaction(LOOK_AFTER) {
                Ok(()) => {
                    let ends = self.deliveries.ends.iter().map(|end| end.unwrap_or_default());
                    return Ended::Committed(ends.collect());
                }
                Err(KafkaError::Transaction(error)) if error.is_retriable() && !self.left(deadline).is_zero() => {}
                Err(error) => {
                    let fault = client::reason(client::fault_in(&error), &self.news);
                    return Ended::Lost(fault::unknown("whether the transaction was committed is not known", fault));
                }
            }
        }
    }

    fn abort(&mut self) -> Result<(), ()> {
        let deadline = self.news.deadline(self.clock.monotonic() + ABORT_WITHIN);
        // What is not delivered is purged, and its deliveries have to be taken before the rest can be done.
        let mut patience = Duration::from_millis(10);
        loop {
            match self.producer.abort_transaction(patience) {
                Ok(()) => return Ok(()),
                Err(KafkaError::Transaction(error)) if error.is_retriable() && self.clock.monotonic() < deadline => {}
                Err(error) => {
                    tracing::debug!(%error, "a transaction could not be aborted");
                    return Err(());
                }
            }
            while serve(&self.queue, Duration::ZERO, &mut self.deliveries, &self.news) {}
            patience = deadline.saturating_sub(self.clock.monotonic()).max(Duration::from_millis(10));
        }
    }

    fn failure(&self, error: &KafkaError, what: &str) -> Failure {
        let mut fault = client::fault_in(error);
        let is_fatal = matches!(error, KafkaError::Transaction(native) if native.is_fatal());
        if is_fatal {
            let fault = client::fatal_error(self.producer.client()).unwrap_or(fault);
            // Nothing was committed, but the name may be another's by now: the next of this name will know.
            return Failure::Fatal(fault::unknown(what, fault));
        }
        if fault.code == RDKafkaErrorCode::State {
            // Something else of it has failed meanwhile.
            fault = self.reason().unwrap_or(fault);
        }
        Failure::Abortable(fault::of_records(what, client::reason(fault, &self.news)))
    }

    /// Why the transaction in hand can only be aborted. Nothing is begun: it is not over.
    fn reason(&self) -> Option<Fault> {
        match self.producer.begin_transaction() {
            Err(KafkaError::Transaction(error)) if error.txn_requires_abort() || error.is_fatal() => {
                Some(Fault::new(error.code(), error.string()))
            }
            _ => None,
        }
    }

    /// How much time there is.
    fn left(&self, deadline: Duration) -> Duration {
        self.news.deadline(deadline).saturating_sub(self.clock.monotonic())
    }
}

/// Has brokers end what a predecessor has left open.
fn make_ready(producer: &Producer, news: &News, clock: &dyn Clock) -> Result<(), Fault> {
    let deadline = clock.monotonic() + READY_WITHIN;
    let mut said = None;
    while let Err(error) = producer.init_transactions(READY_ASKED_AGAIN_AFTER) {
        let fault = client::fault_in(&error);
        // Each call forgets what brokers have said before.
        if !fault::is_silence(fault.code) {
            said = Some(fault.clone());
        }
        let is_retriable = matches!(&error, KafkaError::Transaction(native) if native.is_retriable());
        if !is_retriable || clock.monotonic() >= news.deadline(deadline) {
            return Err(said.unwrap_or(fault));
        }
    }
    Ok(())
}

/// Takes an event of the queue; returns whether there was one.
fn serve(queue: &Queue, max_wait: Duration, into: &mut Deliveries, news: &News) -> bool {
    told::serve(queue, max_wait, |event| match event {
        Event::Delivery(delivery) => into.see(delivery),
        event @ Event::Fault(..) => hear(news, event),
    })
}

fn hear(news: &News, event: Event) {
    if let Event::Fault(code, text) = event {
        news.heard(Fault::new(code, text));
    }
}
