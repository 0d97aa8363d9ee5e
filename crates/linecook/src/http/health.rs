//! `/healthz` and `/readyz`: derived from what workers and log did, not from what they intend.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use linecook_log::{Clock, Log};
use parking_lot::RwLock;
use serde_json::{Value, json};

use super::Problem;
use crate::WorkerHealth;

/// A worker that is asked how it is.
pub(crate) struct Watched {
    /// The service and which of its workers it is.
    pub(crate) name: String,
    pub(crate) health: Arc<WorkerHealth>,
    /// Its thread has ended before it was told to.
    pub(crate) has_ended: Arc<AtomicBool>,
}

/// How a process is.
pub(crate) struct Health {
    log: Arc<dyn Log>,
    clock: Arc<dyn Clock>,
    services: RwLock<Services>,
}

/// How far the services are.
enum Services {
    /// They wait for the log.
    Starting {
        /// Why the last attempt came to nothing; none while the first is under way.
        why: Option<String>,
    },
    Up(Vec<Watched>),
}

/// A worker polls many times a second, and a batch takes a fraction of one.
const SILENT_AFTER: Duration = Duration::from_secs(30);

impl Health {
    /// That of a process that is about to start.
    pub(crate) fn new(log: Arc<dyn Log>, clock: Arc<dyn Clock>) -> Self {
        Self { log, clock, services: RwLock::new(Services::Starting { why: None }) }
    }

    /// The services could not be started yet.
    pub(crate) fn waits(&self, why: String) {
        *self.services.write() = Services::Starting { why: Some(why) };
    }

    /// The services are there, and these are their workers.
    pub(crate) fn is_up(&self, workers: Vec<Watched>) {
        *self.services.write() = Services::Up(workers);
    }

    /// Why the services are not there yet, if so.
    pub(crate) fn why_starting(&self) -> Option<String> {
        let why = match &*self.services.read() {
            Services::Starting { why } => why.clone(),
            Services::Up(_) => return None,
        };
        let of_log = || self.log.status().refuses_writes.map(|error| error.chain());
        let why = why.or_else(of_log).unwrap_or_else(|| "the log has not answered yet".to_owned());
        Some(format!("the services are still starting: {why}"))
    }

    /// Whether the process does what it is there for; if not, restarting it is what may help. It does not help against
    /// a log that cannot be reached.
    pub(crate) fn alive(&self) -> Response {
        answer(self.of_workers(|worker| self.why_dead(worker)))
    }

    /// Whether it takes work now.
    pub(crate) fn ready(&self) -> Response {
        // The log is the reason then.
        if let Some(why) = self.why_starting() {
            return answer(vec![why]);
        }
        let log = self.log.status().refuses_writes.map(|error| format!("log: {}", error.chain()));
        let unready = |worker: &Watched| why_unready(worker, log.is_none());
        let mut reasons = self.of_workers(|worker| self.why_dead(worker).or_else(|| unready(worker)));
        reasons.extend(log);
        answer(reasons)
    }

    fn of_workers(&self, reason: impl Fn(&Watched) -> Option<String>) -> Vec<String> {
        match &*self.services.read() {
            Services::Starting { .. } => Vec::new(),
            Services::Up(workers) => workers.iter().filter_map(reason).collect(),
        }
    }

    fn why_dead(&self, worker: &Watched) -> Option<String> {
        let name = &worker.name;
        if worker.has_ended.load(Ordering::Acquire) {
            let reason = worker.health.report().blocked.unwrap_or_default();
            return Some(format!("{name}: its thread has ended: {reason}"));
        }
        let silence = self.clock.monotonic().saturating_sub(worker.health.report().last_poll?);
        // While the log answers nobody, a worker has nothing to poll, and a new process would not have either.
        let is_dead = silence > SILENT_AFTER && self.log.status().refuses_writes.is_none();
        is_dead.then(|| format!("{name}: has not polled: seconds={}", silence.as_secs()))
    }
}

/// That it owns nothing says nothing while the log answers nobody.
fn why_unready(worker: &Watched, log_answers: bool) -> Option<String> {
    let report = worker.health.report();
    let name = &worker.name;
    match report.blocked.or(report.stuck) {
        Some(reason) => Some(format!("{name}: {reason}")),
        None if report.assigned.is_empty() && log_answers => Some(format!("{name}: owns no partition yet")),
        None => None,
    }
}

fn answer(reasons: Vec<String>) -> Response {
    if reasons.is_empty() {
        return Json::<Value>(json!({ "status": "ok" })).into_response();
    }
    Problem::unavailable(reasons.join("; ")).into_response()
}
