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
use crate::{InHand, WorkerHealth};

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

/// A worker polls many times a second, and a batch takes a fraction of one. A handler may take 20 seconds, and one that is
/// stuck is known within 30.
const SILENT_AFTER: Duration = Duration::from_secs(25);

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
        let (report, now) = (worker.health.report(), self.clock.monotonic());
        let silence = now.saturating_sub(report.last_poll?);
        // While the log answers nobody, a worker has nothing to poll, and a fold no rows; a new process would not have
        // either.
        if silence <= SILENT_AFTER || self.log.status().refuses_writes.is_some() {
            return None;
        }
        let seconds = silence.as_secs();
        Some(match report.in_hand {
            Some(InHand { from, first, since }) => format!(
                "{name}: a handler does not come to its end: has_not_polled_s={seconds} at_work_s={} partition={from} \
                 from_offset={first}",
                now.saturating_sub(since).as_secs()
            ),
            None => format!("{name}: has not polled: seconds={seconds}"),
        })
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

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use linecook_log::{Error, ErrorKind, Offset};

    use super::*;
    use crate::testing::{HandClock, ScriptedLog, at};

    /// One worker that has polled a moment ago and owns a partition.
    struct Fixture {
        clock: Arc<HandClock>,
        worker: Arc<WorkerHealth>,
        has_ended: Arc<AtomicBool>,
        health: Health,
    }

    impl Fixture {
        fn new() -> Self {
            let (clock, worker) = (Arc::<HandClock>::default(), Arc::<WorkerHealth>::default());
            let has_ended = Arc::<AtomicBool>::default();
            let health = Health::new(Arc::new(ScriptedLog::default()), Arc::<HandClock>::clone(&clock));
            let name = "shouter-1".to_owned();
            health.is_up(vec![Watched { name, health: Arc::clone(&worker), has_ended: Arc::clone(&has_ended) }]);
            worker.polled(clock.monotonic());
            worker.owns(vec![at("words/0")]);
            Self { clock, worker, has_ended, health }
        }

        fn pass(&self, seconds: u64) {
            self.clock.advance(Duration::from_secs(seconds));
        }

        /// Whether it is alive, and ready.
        fn is_well(&self) -> [bool; 2] {
            [self.health.alive(), self.health.ready()].map(|answer| answer.status() == StatusCode::OK)
        }

        fn why_dead(&self) -> String {
            self.health.of_workers(|worker| self.health.why_dead(worker)).concat()
        }
    }

    #[test]
    fn a_handler_that_takes_its_time_is_well_and_one_that_does_not_end_is_told_with_what_it_has() {
        let fixture = Fixture::new();
        fixture.pass(1);
        fixture.worker.takes(&at("words/0"), Offset(7), fixture.clock.monotonic());
        fixture.pass(20);
        assert_eq!(fixture.is_well(), [true, true]);
        fixture.pass(9);
        assert_eq!(fixture.is_well(), [false, false]);
        let why = fixture.why_dead();
        for part in ["shouter-1", "handler", "at_work_s=29", "partition=words/0", "from_offset=7"] {
            assert!(why.contains(part), "{part} is not in: {why}");
        }
        fixture.worker.has_handled();
        fixture.worker.polled(fixture.clock.monotonic());
        assert_eq!(fixture.is_well(), [true, true]);
    }

    #[test]
    fn a_worker_that_does_not_poll_is_dead_though_it_has_nothing_in_hand() {
        let fixture = Fixture::new();
        fixture.pass(30);
        assert_eq!(fixture.is_well(), [false, false]);
        assert_eq!(fixture.why_dead(), "shouter-1: has not polled: seconds=30");
    }

    #[test]
    fn a_thread_that_has_ended_is_dead_with_its_reason() {
        let fixture = Fixture::new();
        fixture.worker.is_blocked(Some("replaced".to_owned()));
        fixture.has_ended.store(true, Ordering::Release);
        assert_eq!(fixture.is_well(), [false, false]);
        assert_eq!(fixture.why_dead(), "shouter-1: its thread has ended: replaced");
    }

    #[test]
    fn who_is_blocked_or_lacks_partitions_is_alive_and_not_ready() {
        let fixture = Fixture::new();
        let group = linecook_log::GroupName::new("shouter").unwrap();
        fixture.worker.is_blocked(Some("the disk is full".to_owned()));
        assert_eq!(fixture.is_well(), [true, false]);
        fixture.worker.is_blocked(None);
        fixture.worker.is_stuck(&group, Some(Error::new(ErrorKind::Unavailable, "a topic is gone")));
        assert_eq!(fixture.is_well(), [true, false]);
        fixture.worker.is_stuck(&group, None);
        assert_eq!(fixture.is_well(), [true, true]);
        fixture.worker.owns(Vec::new());
        assert_eq!(fixture.is_well(), [true, false]);
    }
}
