//! The worker: polls, handles, commits.
//!
//! ```text
//!          ┌───────────────────────────── step ─────────────────────────────┐
//!   log ──►│ poll ──► queue ──► hand: stages and tables, record by record ──►│ commit ──► log
//!          │                     ▲                                           │    │
//!          │  rows ──► what is due to be tried again                         │    │
//!          └────▲───────────────────────────────────────────────────────────┘    │
//!               └── a commit that did not come about: the log repeats its records ◄┘
//! ```
//!
//! It is a state machine with one method, [`Worker::step`]; what calls it owns the thread, the waiting and the stop.

mod beginnings;
mod burst;
mod control;
mod dead_letters;
mod done;
mod expiry;
mod failing;
mod hand;
mod health;
mod outputs;
mod pace;
mod parking;
mod queue;
mod recovery;
mod retry;
mod terms;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc, time::Duration};

use linecook_log::{Clock, Error, ErrorKind, Fetch, Log, Member, MemberSpec, Offset, Poll, Result, TopicPartition};

use self::{
    beginnings::{Beginnings, OTHER_IS_ALONE, Permit, Solitude},
    expiry::ExpiryTimer,
    pace::Pace,
    queue::{Queue, Waiting},
    recovery::{Backoff, Isolation},
    retry::RetryTimer,
};
pub(crate) use self::{
    done::Done,
    hand::{Hand, Taken},
    outputs::{KeyOwner, Outputs, TargetIndex},
    parking::{Kept, WaitingCounts, WaitingKey, read_waiting},
    queue::InputIndex,
};
pub use self::{
    health::{InHand, WorkerHealth, WorkerReport},
    terms::{Limits, Seat, Step},
};
use crate::{Metrics, Service, metrics::WorkerMetrics, service::StationIndex};

/// One member of a service's group at work. See the [crate] for a service; this is what runs it.
///
/// ```
/// use std::{sync::Arc, time::Duration};
///
/// use linecook::{Metrics, Seat, Service, Step, Worker};
/// use linecook_log::{Clock, InstanceName, Log, Result};
///
/// fn run(service: Arc<Service>, log: Arc<dyn Log>, clock: Arc<dyn Clock>, metrics: &Metrics) -> Result<()> {
///     let seat = Seat { instance: InstanceName::new("kitchen-1")?, worker: 0, max_silence: Duration::from_secs(60) };
///     let mut worker = Worker::new(service, log, clock, seat, metrics);
///     while worker.step()? != Step::Idle {}
///     worker.leave()
/// }
/// ```
pub struct Worker {
    service: Arc<Service>,
    log: Arc<dyn Log>,
    clock: Arc<dyn Clock>,
    seat: Seat,
    limits: Limits,
    metrics: WorkerMetrics,
    health: Arc<WorkerHealth>,
    joined: Option<Joined>,
    backoff: Backoff,
    isolation: Isolation,
    beginnings: Beginnings,
    solitude: Solitude,
    expiry: ExpiryTimer,
    retry_timer: RetryTimer,
    last_poll: Duration,
}

/// Well within what a group, and who asks for its health, have patience for.
const POLL_AT_LEAST_EVERY: Duration = Duration::from_secs(5);

/// What goes when the member goes.
struct Joined {
    member: Box<dyn Member>,
    queue: Queue,
    hand: Hand,
    /// Whoever was fenced has to poll before it goes on: that is where it learns what it has lost.
    must_poll: bool,
    /// Another worker has joined under this one's name.
    is_replaced: bool,
    /// Partitions that are paused, since too many of their records wait.
    held: Vec<TopicPartition>,
}

/// What has let a worker join before lets it in again when somebody has mended it: a topic that was deleted, a right that
/// was taken away.
fn for_now(error: Error) -> Error {
    if error.kind() == ErrorKind::Invalid { Error::new(ErrorKind::Unavailable, error.chain()) } else { error }
}

impl Worker {
    /// A worker that joins with its first step.
    pub fn new(service: Arc<Service>, log: Arc<dyn Log>, clock: Arc<dyn Clock>, seat: Seat, metrics: &Metrics) -> Self {
        Self {
            metrics: metrics.of_worker(&service, seat.worker),
            beginnings: Beginnings::new(service.name(), &seat, clock.timestamp()),
            service,
            log,
            clock,
            seat,
            limits: Limits::default(),
            health: Arc::default(),
            joined: None,
            backoff: Backoff::default(),
            isolation: Isolation::default(),
            solitude: Solitude::default(),
            expiry: ExpiryTimer::default(),
            retry_timer: RetryTimer::default(),
            last_poll: Duration::ZERO,
        }
    }

    /// With other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Tells it that it is one of several of a process: of these one at a time handles a record that has ended processes
    /// before. All of them are beside one, whichever it is.
    pub fn be_beside(&mut self, other: &Self) {
        self.solitude = other.solitude.clone();
    }

    /// How it is, for other threads.
    pub fn health(&self) -> Arc<WorkerHealth> {
        Arc::clone(&self.health)
    }

    /// Does what is next: joins, or polls what there is, lets the service handle it, and commits what came of it.
    ///
    /// # Errors
    /// `Fenced`: another worker has this one's name. `Invalid`, `Corrupt`, `Closed`, and what is not known: it cannot go
    /// on, and a person has to look, unless the log was closed on purpose. Everything else it deals with itself.
    pub fn step(&mut self) -> Result<Step> {
        self.try_step().or_else(|error| self.recover(error))
    }

    /// Gives its partitions back in good order. What was not committed is left to whoever gets them.
    ///
    /// # Errors
    /// `Unavailable`, `Unknown`, `Closed`: the others get them when it has been silent for long enough.
    pub fn leave(self) -> Result<()> {
        self.joined.map_or(Ok(()), |joined| joined.member.leave())
    }

    fn try_step(&mut self) -> Result<Step> {
        let Some(joined) = &self.joined else {
            let has_worked = self.health.report().last_poll.is_some();
            return self.join().map_err(|error| if has_worked { for_now(error) } else { error });
        };
        let (nothing_waits, must_poll) = (joined.queue.is_empty(), joined.must_poll);
        let retried = if must_poll { None } else { self.retry_if_due()? };
        if !must_poll {
            self.resume_held()?;
        }
        // Polls are a sign of life: who is long about what it has looks up now and then.
        let is_overdue = self.clock.monotonic().saturating_sub(self.last_poll) >= POLL_AT_LEAST_EVERY;
        if nothing_waits || must_poll || is_overdue {
            let is_expiring = nothing_waits && self.expire_some()?;
            let is_busy = !nothing_waits || is_expiring || retried.is_some();
            let max_wait = if is_busy { Duration::ZERO } else { self.limits.poll_wait.min(self.until_due()) };
            let max_bytes = if is_overdue && !nothing_waits { 1 } else { self.limits.poll_bytes };
            if let Some(step) = self.poll(max_wait, max_bytes)? {
                return Ok(retried.filter(|_| step == Step::Idle).unwrap_or(step));
            }
        }
        self.commit_waiting()
    }

    fn join(&mut self) -> Result<Step> {
        let hand = Hand::new(&self.service, &self.log.topics()?, self.limits.waiting_records)?;
        let spec = MemberSpec {
            group: self.service.name().clone(),
            instance: self.seat.instance.clone(),
            worker: self.seat.worker,
            inputs: self.service.input_specs(),
            max_silence: self.seat.max_silence,
        };
        let member = self.log.join(spec)?;
        let (queue, held) = (Queue::default(), Vec::new());
        self.joined = Some(Joined { member, queue, hand, must_poll: false, is_replaced: false, held });
        Ok(Step::Moved)
    }

    /// Polls. Returns what the step has come to, unless there are records to be handled.
    fn poll(&mut self, max_wait: Duration, max_bytes: usize) -> Result<Option<Step>> {
        let joined = joined(&mut self.joined);
        let poll = joined.member.poll(max_wait, max_bytes);
        let poll = poll.inspect_err(|error| joined.is_replaced = error.kind() == ErrorKind::Fenced)?;
        self.last_poll = self.clock.monotonic();
        self.health.polled(self.last_poll);
        joined.must_poll = false;
        self.health.is_stuck(self.service.name(), joined.member.stuck());
        match poll {
            Poll::Assigned(assignments) => {
                joined.hand.assign(assignments.iter().map(|assignment| &assignment.partition));
                self.metrics.owns(assignments.iter().map(|assignment| &assignment.partition));
                self.watch(assignments.iter().map(|assignment| &assignment.partition));
                self.moved(|queue| queue.assign(assignments))
            }
            // A partition that is revoked is owned until the next poll, but this is the last that is said of it, and
            // nothing of it is in hand: whoever polls has committed what it took, or has dropped it.
            Poll::Revoking(partitions) | Poll::Lost(partitions) => {
                joined.held.retain(|at| !partitions.contains(at));
                self.isolation.forget(&partitions);
                self.retry_timer.forget(&partitions);
                self.metrics.gave_up(&partitions, &joined.hand.give_up(&partitions));
                self.unwatch(&partitions);
                self.moved(|queue| queue.give_up(&partitions))
            }
            Poll::Records(fetches) => self.add_polled(fetches).map(|()| None),
            Poll::Idle if joined.queue.is_empty() => {
                let Joined { queue, held, .. } = joined;
                self.metrics.has_caught_up(|at| queue.is_done(at));
                // Neither for a poll that brings records, nor while some are still to come again: their commit may be
                // what does not come about. What is held comes when there is room, which may take for ever.
                if queue.owned().all(|at| queue.is_done(at) || held.contains(at)) && self.goes_on() {
                    self.health.is_blocked(None);
                }
                Ok(Some(Step::Idle))
            }
            Poll::Idle => Ok(None),
        }
    }

    fn moved(&mut self, change: impl FnOnce(&mut Queue)) -> Result<Option<Step>> {
        let queue = &mut joined(&mut self.joined).queue;
        change(queue);
        self.health.owns(queue.owned().cloned().collect());
        Ok(Some(Step::Moved))
    }

    fn add_polled(&mut self, fetches: Vec<Fetch>) -> Result<()> {
        let now = self.clock.timestamp();
        for fetch in fetches {
            let input = self.service.inputs().iter().position(|input| input.topic == fetch.from.topic);
            let unasked = || Error::invalid(format!("the log handed out what was not asked for: from={}", fetch.from));
            let input = InputIndex(input.ok_or_else(unasked)?);
            self.metrics.lags(&fetch.from, now.since(fetch.batch.committed_at()));
            self.beginnings.polled(&fetch.from);
            joined(&mut self.joined).queue.add(input, fetch);
        }
        Ok(())
    }

    /// Handles what waits, as far as the limits of one commit allow, and commits it.
    fn commit_waiting(&mut self) -> Result<Step> {
        let Joined { member, hand, .. } = joined(&mut self.joined);
        hand.read_parked(&mut **member)?;
        // Held until what is begun is committed.
        let alone = match self.begin_polled()? {
            Permit::Free => None,
            Permit::Alone { at, _alone } => Some((at, _alone)),
            Permit::NotYet => return Ok(Step::Blocked { wait: OTHER_IS_ALONE }),
        };
        let taken = self.take_waiting(alone.as_ref().map(|(at, _)| at));
        self.health.has_handled();
        if let Err(error) = taken {
            let offsets = joined(&mut self.joined).queue.committed_offsets();
            return self.stop_at(error, offsets);
        }
        let offsets = joined(&mut self.joined).queue.taken_offsets();
        if offsets.is_empty() { Ok(Step::Moved) } else { self.commit_hand(offsets, None) }
    }

    /// Commits what is in hand, up to these offsets. `station` is who tries it again, if it waited.
    fn commit_hand(&mut self, offsets: Vec<(TopicPartition, Offset)>, station: Option<StationIndex>) -> Result<Step> {
        let Joined { member, queue, hand, .. } = joined(&mut self.joined);
        let (record_count, first) = (hand.record_count(), hand.first_record());
        let began = self.clock.monotonic();
        let made = hand.commit(offsets.clone(), self.clock.timestamp()).and_then(|commit| {
            // Nothing leaves the process from here, so nobody has to wait until it is durable.
            member.commit(commit).map(drop).inspect_err(|_| queue.forget_polled())
        });
        if let Err(error) = made {
            self.isolation.attempted(record_count, first, station);
            return Err(error);
        }
        let took = self.clock.monotonic().saturating_sub(began);
        queue.committed(&offsets);
        self.beginnings.committed(&offsets, station);
        let (done, counted) = hand.done();
        self.metrics.committed(done, counted, took);
        hand.committed();
        hand.take_parked_counts().for_each(|(table, at, waiting)| self.metrics.waits(table, at, waiting));
        self.made_progress(record_count);
        Ok(Step::Committed { record_count })
    }

    fn take_waiting(&mut self, permitted: Option<&TopicPartition>) -> Result<()> {
        let mut pace = Pace::begin(&*self.clock);
        while let Some((index, waiting)) = joined(&mut self.joined).queue.next() {
            let in_hand = joined(&mut self.joined).hand.record_count();
            if !self.beginnings.may_begin(&waiting.from, permitted, in_hand)
                || !self.take_batch(index, &waiting, &mut pace)?
            {
                break;
            }
        }
        Ok(())
    }

    /// Returns whether the whole batch was taken: if not, a commit is due.
    fn take_batch(&mut self, index: usize, waiting: &Waiting, pace: &mut Pace) -> Result<bool> {
        let Joined { member, queue, hand, .. } = joined(&mut self.joined);
        let Waiting { input, from, next, end, .. } = waiting;
        let at = self.clock.timestamp();
        self.health.takes(from, *next, self.clock.monotonic());
        hand.begin_source(*input, from, at, 1);
        let own_input = &self.service.inputs()[input.0];
        let is_control = own_input.is_control();
        for record in waiting.records() {
            if !hand.has_room(*input, from.partition) {
                self.hold(from)?;
                return Ok(true);
            }
            let is_full = hand.output_bytes() >= self.limits.output_bytes || self.isolation.is_one_by_one();
            // One record at least, or there would be no end of it.
            if hand.record_count() > 0 && (is_full || pace.is_over(self.limits.commit_time, &*self.clock)) {
                return Ok(false);
            }
            let taken = Taken::new(*input, from, &record, at);
            if is_control && hand.waits_for_commit(&taken) {
                return Ok(false);
            }
            match self.isolation.take_refused(from, record.offset, None) {
                Some(refused) => match refused.refusal() {
                    None => hand.take_apart(taken, &*self.clock)?,
                    Some(refusal) => hand.refuse(taken, refusal, &*self.clock)?,
                },
                None if is_control => hand.obey(&taken, &mut **member)?,
                None => hand.take(own_input, taken, &mut **member, &*self.clock)?,
            }
            queue.take(index, record.offset.plus(1));
        }
        queue.take(index, *end);
        Ok(true)
    }

    fn made_progress(&mut self, record_count: usize) {
        self.isolation.committed(record_count);
        self.goes_on();
        self.health.committed(self.clock.timestamp());
    }
}

/// What `try_step` has made sure of. A function of the field, so that the other fields stay free.
fn joined(joined: &mut Option<Joined>) -> &mut Joined {
    joined.as_mut().expect("a step has joined before it does anything else")
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("service", self.service.name()).field("seat", &self.seat).finish_non_exhaustive()
    }
}
