//! Whether brokers answer: asked once a second, so that health tells it before somebody has to find out.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use linecook_log::{Error, ErrorKind, Result, waiting::Wakeup};
use parking_lot::Mutex;

use crate::{cluster::Cluster, fault};

const EVERY: Duration = Duration::from_secs(1);
/// An answer takes a few milliseconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

pub(crate) struct Pulse {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    cluster: Arc<Cluster>,
    is_over: AtomicBool,
    wakeup: Wakeup,
    silent: Mutex<Option<Error>>,
    /// Before that, who opens the log says that none answers.
    has_answered: AtomicBool,
}

impl Pulse {
    pub(crate) fn start(cluster: &Arc<Cluster>) -> Result<Self> {
        let shared = Arc::new(Shared {
            cluster: Arc::clone(cluster),
            is_over: AtomicBool::new(false),
            wakeup: Wakeup::default(),
            silent: Mutex::default(),
            has_answered: AtomicBool::new(false),
        });
        let asking = Arc::clone(&shared);
        let thread = thread::Builder::new().name("kafka-pulse".into()).spawn(move || asking.run());
        let thread = thread
            .map_err(|error| Error::new(ErrorKind::Unavailable, "a thread cannot be started").with_source(error))?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Why no broker answers, if none does.
    pub(crate) fn silent(&self) -> Option<Error> {
        self.shared.silent.lock().as_ref().map(fault::copy_of)
    }

    pub(crate) fn end(&self) {
        self.shared.is_over.store(true, Ordering::Release);
        self.shared.wakeup.raise();
        if let Some(thread) = self.thread.lock().take() {
            // Its panic would have been told by the thread itself.
            drop(thread.join());
        }
    }
}

impl Shared {
    fn run(&self) {
        while !self.is_over.load(Ordering::Acquire) {
            let answer = self.cluster.ping(ANSWER_WITHIN);
            if answer.is_err() {
                self.cluster.not_answered();
            }
            self.note(answer.err());
            self.wakeup.wait(EVERY);
        }
    }

    /// Tells of a change once.
    fn note(&self, silent: Option<Error>) {
        let mut before = self.silent.lock();
        let has_answered = self.has_answered.load(Ordering::Relaxed);
        match (&*before, &silent) {
            (None, Some(error)) if has_answered => {
                tracing::warn!(error = error.chain(), "no broker answers; trying on");
            }
            (Some(_), None) if has_answered => tracing::info!("brokers answer again"),
            _ => {}
        }
        self.has_answered.fetch_or(silent.is_none(), Ordering::Relaxed);
        *before = silent;
    }
}
