//! The threads that work: each owns a worker and steps it until it is told to stop.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use linecook_log::{Clock, Error, ErrorKind, InstanceName, Log};
use tokio::sync::watch;

use super::{
    Prepared, Stop,
    start::{Progress, end},
};
use crate::{Limits, Metrics, Seat, Step, Worker, WorkerHealth, http::Watched};

/// How long a worker may be busy with what it polled before others get its partitions.
const MAX_SILENCE: Duration = Duration::from_secs(60);

/// All workers of a process.
pub(crate) struct Workers {
    threads: Vec<Running>,
    stop: Arc<AtomicBool>,
}

/// What all of them are told, and whom they tell.
pub(crate) struct Terms {
    /// The process that they belong to.
    pub(crate) instance: InstanceName,
    pub(crate) limits: Limits,
    /// Where one tells that the program has to end.
    pub(crate) progress: watch::Sender<Progress>,
}

struct Running {
    name: String,
    health: Arc<WorkerHealth>,
    has_ended: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Workers {
    /// Starts the workers of the services that run.
    pub(crate) fn start(
        prepared: &Prepared,
        log: &Arc<dyn Log>,
        clock: &Arc<dyn Clock>,
        metrics: &Metrics,
        terms: &Terms,
    ) -> Result<Self, Stop> {
        let mut workers = Self { threads: Vec::new(), stop: Arc::default() };
        let mut made: Vec<(String, Worker)> = Vec::new();
        for service in prepared.running_services() {
            for worker in 0..prepared.process.workers {
                let seat = Seat { instance: terms.instance.clone(), worker, max_silence: MAX_SILENCE };
                let name = format!("{}-{}", service.name(), worker + 1);
                let worker = Worker::new(Arc::clone(service), Arc::clone(log), Arc::clone(clock), seat, metrics);
                let mut worker = worker.with_limits(terms.limits);
                if let Some((_, first)) = made.first() {
                    worker.be_beside(first);
                }
                made.push((name, worker));
            }
        }
        made.into_iter().try_for_each(|(name, worker)| workers.run(name, worker, &terms.progress))?;
        Ok(workers)
    }

    fn run(&mut self, name: String, worker: Worker, progress: &watch::Sender<Progress>) -> Result<(), Stop> {
        let (health, has_ended) = (worker.health(), Arc::<AtomicBool>::default());
        let (stop, ended) = (Arc::clone(&self.stop), Arc::clone(&has_ended));
        let (label, progress) = (name.clone(), progress.clone());
        let work = move || {
            // Set however the thread ends, by a panic of ours, too.
            let _ended = SetOnDrop(ended);
            work(&label, worker, &stop, &progress);
        };
        let thread = thread::Builder::new().name(name.clone()).spawn(work);
        let thread = thread.map_err(|error| Stop::failed(format!("cannot start a worker: {error}")))?;
        self.threads.push(Running { name, health, has_ended, thread });
        Ok(())
    }

    /// What to ask how they are.
    pub(crate) fn watched(&self) -> Vec<Watched> {
        let watched = |running: &Running| Watched {
            name: running.name.clone(),
            health: Arc::clone(&running.health),
            has_ended: Arc::clone(&running.has_ended),
        };
        self.threads.iter().map(watched).collect()
    }
}

/// Lets each finish its step and leave.
impl Drop for Workers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        for running in self.threads.drain(..) {
            running.thread.thread().unpark();
            if running.thread.join().is_err() {
                tracing::error!(worker = running.name, "a worker has panicked");
            }
        }
    }
}

struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

fn work(name: &str, mut worker: Worker, stop: &AtomicBool, progress: &watch::Sender<Progress>) {
    let health = worker.health();
    while !stop.load(Ordering::Acquire) {
        match worker.step() {
            Ok(Step::Blocked { wait }) => thread::park_timeout(wait),
            Ok(_) => {}
            Err(error) => {
                if error.kind() != ErrorKind::Closed {
                    tracing::error!(worker = name, error = error.chain(), "a worker cannot go on");
                }
                let has_worked = health.report().last_poll.is_some();
                why_all_end(error, has_worked).into_iter().for_each(|why| end(progress, why));
                return;
            }
        }
    }
    if let Err(error) = worker.leave() {
        tracing::warn!(worker = name, error = error.chain(), "a worker could not leave in good order");
    }
}

/// Why the program has to end with one of its workers, if so: another process has its name, or the log refuses it from
/// the start and will do so again. What stops one later is for a person to look at, while the others go on.
fn why_all_end(error: Error, has_worked: bool) -> Option<Stop> {
    let is_refused = error.kind() == ErrorKind::Invalid && !has_worked;
    (error.kind() == ErrorKind::Fenced || is_refused).then(|| Stop::from(error))
}
