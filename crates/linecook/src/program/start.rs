//! From an open log to services at work. The log may not answer yet; then this goes on trying.
//!
//! ```text
//!   Trying ──► Up                        topics, groups, routes and workers are there
//!     └──► Retrying ──► Up               the log could not be used at first
//!     every one of them ──► Over         the program has to end, and why
//! ```

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread::{self, Thread},
    time::Duration,
};

use axum::Router;
use linecook_log::{Clock, Error, ErrorKind, InstanceName, Log, Result};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{
    Prepared, Stop,
    partitions::{self, PartitionCounts},
    workers::{Terms, Workers},
};
use crate::{
    Limits,
    dead_letters::Desk,
    http::{self, Edge, Gate, Health, MetricsPage, Operators},
};

/// How far a start is.
#[derive(Debug, Clone)]
pub(crate) enum Progress {
    /// It has not come to anything.
    Trying,
    /// The log could not be used. It is tried again.
    Retrying,
    /// The services are at work.
    Up {
        /// How many partitions the topics have, which may be others than the setting asks for.
        partition_count: u32,
    },
    /// The program has to end.
    Over(Stop),
}

/// Tells that the program has to end. The first reason is the one that counts.
pub(super) fn end(progress: &watch::Sender<Progress>, why: Stop) {
    progress.send_if_modified(|progress| {
        let is_first = !matches!(progress, Progress::Over(_));
        if is_first {
            *progress = Progress::Over(why);
        }
        is_first
    });
}

/// A start under way, and the workers that came of it.
pub(crate) struct Start {
    progress: watch::Sender<Progress>,
    stop: Arc<AtomicBool>,
    workers: Arc<Mutex<Option<Workers>>>,
    thread: Thread,
    /// Closed when the thread has ended.
    ended: mpsc::Receiver<()>,
}

/// What a start is made of.
pub(crate) struct Starter {
    pub(crate) prepared: Arc<Prepared>,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) instance: InstanceName,
    pub(crate) limits: Limits,
    pub(crate) gate: Gate,
    pub(crate) operators: Operators,
    pub(crate) health: Arc<Health>,
    pub(crate) page: Arc<MetricsPage>,
}

/// How long the end waits for a call that the log has not answered. It changes nothing that was acknowledged.
const LET_GO_WITHIN: Duration = Duration::from_millis(500);

impl Start {
    /// Starts on a thread of its own, for the log may take its time.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub(crate) fn begin(starter: Starter) -> Result<Self, Stop> {
        let (progress, stop) = (watch::Sender::new(Progress::Trying), Arc::<AtomicBool>::default());
        let workers = Arc::<Mutex<Option<Workers>>>::default();
        let (ending, ended) = mpsc::channel::<()>();
        let attempts = Attempts {
            starter,
            progress: progress.clone(),
            stop: Arc::clone(&stop),
            workers: Arc::clone(&workers),
            patience: Patience::default(),
        };
        let work = move || {
            let _ending = ending;
            attempts.run();
        };
        let thread = thread::Builder::new().name("start".to_owned()).spawn(work);
        let thread = thread.map_err(|error| Stop::failed(format!("cannot start a thread: {error}")))?;
        Ok(Self { progress, stop, workers, thread: thread.thread().clone(), ended })
    }

    /// How far it is, now and later.
    pub(crate) fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Starts nothing any more, and lets the workers finish and leave.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.thread.unpark();
        if self.ended.recv_timeout(LET_GO_WITHIN) == Err(RecvTimeoutError::Timeout) {
            tracing::debug!("the log has not answered the start; it is left alone");
        }
        drop(self.workers.lock().take());
    }
}

impl Drop for Start {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The thread that starts.
struct Attempts {
    starter: Starter,
    progress: watch::Sender<Progress>,
    stop: Arc<AtomicBool>,
    workers: Arc<Mutex<Option<Workers>>>,
    patience: Patience,
}

/// The log is ready for the services.
struct Ready {
    counts: PartitionCounts,
    partition_count: u32,
}

impl Attempts {
    fn run(mut self) {
        while !self.is_stopped() {
            match self.make_ready() {
                Ok(ready) => {
                    let outcome = self.bring_up(ready);
                    return outcome.unwrap_or_else(|why| end(&self.progress, why));
                }
                Err(error) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Unknown) => self.wait(&error),
                Err(_) if self.is_stopped() => return,
                Err(error) => return end(&self.progress, Stop::from(error)),
            }
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Whatever of it was done before is done again, and is the same.
    fn make_ready(&self) -> Result<Ready> {
        let Starter { prepared, log, .. } = &self.starter;
        let topics = partitions::topics_to_create(prepared, &partitions::described(&**log)?);
        log.create_topics(&topics)?;
        log.declare_groups(&prepared.topology.group_specs())?;
        let counts = partitions::described(&**log)?;
        partitions::check(prepared, &counts)?;
        Ok(Ready { counts, partition_count: topics.first().map_or(0, |topic| topic.partition_count) })
    }

    fn wait(&mut self, error: &Error) {
        self.starter.health.waits(error.chain());
        self.progress.send_if_modified(|progress| {
            let is_first = matches!(progress, Progress::Trying);
            if is_first {
                *progress = Progress::Retrying;
            }
            is_first
        });
        let wait = self.patience.failed(error, self.starter.clock.monotonic());
        thread::park_timeout(wait);
    }

    fn bring_up(&self, Ready { counts, partition_count }: Ready) -> Result<(), Stop> {
        let Starter { prepared, log, clock, instance, limits, gate, operators, health, page } = &self.starter;
        let desk =
            Arc::new(Desk::new(Arc::clone(log), Arc::clone(clock), prepared.running_services().cloned().collect()));
        let dead_letters = http::dead_letters(&desk, operators.clone());
        let routes = routes_of(prepared, log, clock, counts)?.merge(dead_letters);
        let terms = Terms { instance: instance.clone(), limits: *limits, progress: self.progress.clone() };
        let workers = Workers::start(prepared, log, clock, page.metrics(), &terms)?;
        health.is_up(workers.watched());
        {
            let mut place = self.workers.lock();
            if self.is_stopped() {
                return Ok(());
            }
            *place = Some(workers);
        }
        gate.open(http::routes(routes, health, page));
        if self.patience.has_failed() {
            tracing::info!("the log can be used; the services have started");
        }
        self.progress.send_if_modified(|progress| {
            let goes_on = !matches!(progress, Progress::Over(_));
            if goes_on {
                *progress = Progress::Up { partition_count };
            }
            goes_on
        });
        Ok(())
    }
}

/// When the thread ends in any other way, somebody waits for it.
impl Drop for Attempts {
    fn drop(&mut self) {
        if thread::panicking() {
            end(&self.progress, Stop::failed("the start has panicked"));
        }
    }
}

/// The routes of the services that run.
fn routes_of(
    prepared: &Prepared,
    log: &Arc<dyn Log>,
    clock: &Arc<dyn Clock>,
    counts: PartitionCounts,
) -> Result<Router> {
    let partition_counts = Arc::new(counts);
    let mut routes = Router::new();
    for service in prepared.running_services() {
        let edge = Edge::of(service, log, clock, &partition_counts)?;
        if let Some(of_service) = service.routes() {
            routes = routes.merge(of_service(&edge));
        }
    }
    Ok(routes)
}

/// How long to wait before the next attempt, and whether the operator is told of the last.
#[derive(Debug, Default)]
struct Patience {
    wait: Option<Duration>,
    /// The first failure, and the next one that is told.
    since: Option<(Duration, Duration)>,
}

const SHORTEST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// The second time that a failure is told; after that it is each time twice as long since the first.
const TOLD_AGAIN_AFTER: Duration = Duration::from_secs(30);

impl Patience {
    fn failed(&mut self, error: &Error, now: Duration) -> Duration {
        let error = error.chain();
        match &mut self.since {
            None => {
                tracing::warn!(error, "the log cannot be used yet; the services start when it can");
                self.since = Some((now, now + TOLD_AGAIN_AFTER));
            }
            Some((first, next)) if now >= *next => {
                let silence = now.saturating_sub(*first);
                tracing::warn!(error, seconds = silence.as_secs(), "the log still cannot be used");
                *next = now + silence;
            }
            Some(_) => {}
        }
        let wait = self.wait.map_or(SHORTEST_WAIT, |wait| (wait * 2).min(LONGEST_WAIT));
        self.wait = Some(wait);
        wait
    }

    fn has_failed(&self) -> bool {
        self.since.is_some()
    }
}
