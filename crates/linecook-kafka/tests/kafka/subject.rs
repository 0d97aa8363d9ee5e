//! The log as the conformance suite uses it.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use kafka_broker::Broker;
use linecook_kafka::{KafkaLog, Options, Properties};
use linecook_log::{Clock, InstanceName, Log, SystemClock, conformance::Subject};
use tempfile::TempDir;

/// A member is given up after it has been silent for so long. A member at work polls much more often.
const SESSION_TIMEOUT: Duration = Duration::from_secs(2);

/// A log on the broker of all tests, its rows in a folder of its own.
pub(crate) struct KafkaSubject {
    folder: TempDir,
    log: Option<Arc<KafkaLog>>,
    name_prefix: String,
    servers: String,
    patience: Duration,
}

impl KafkaSubject {
    /// For logs that break a law, which is found by waiting in vain.
    pub(crate) fn impatient() -> Self {
        Self { patience: Duration::from_secs(8), ..Self::new() }
    }

    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        tell_if_asked();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let now = SystemClock::new().timestamp().0;
        Self {
            folder: tempfile::tempdir().unwrap(),
            log: None,
            name_prefix: format!("c{}-{}-{number}", now % 100_000_000, std::process::id()),
            servers: Broker::shared().unwrap().bootstrap_servers().to_owned(),
            patience: Duration::from_secs(30),
        }
    }

    fn options(&self) -> Options {
        let instance = InstanceName::new(&self.name_prefix).unwrap();
        let folder: PathBuf = self.folder.path().join("rows");
        let mut options = Options::new(Properties::of_servers(&self.servers), instance, folder);
        options.session_timeout = SESSION_TIMEOUT;
        options
    }
}

impl Subject for KafkaSubject {
    fn open(&mut self) -> Arc<dyn Log> {
        self.kill();
        let log = Arc::new(KafkaLog::open(self.options(), Arc::new(SystemClock::new())).unwrap());
        self.log = Some(Arc::clone(&log));
        log
    }

    fn kill(&mut self) {
        if let Some(log) = self.log.take() {
            log.abandon();
        }
    }

    fn max_silence(&self) -> Duration {
        SESSION_TIMEOUT
    }

    fn oversize_bytes(&self) -> usize {
        2 << 20
    }

    fn patience(&self) -> Duration {
        self.patience
    }

    fn name_prefix(&self) -> String {
        self.name_prefix.clone()
    }
}

/// `RUST_LOG=librdkafka=debug` says what happened.
pub(crate) fn tell_if_asked() {
    if std::env::var_os("RUST_LOG").is_some() {
        drop(
            tracing_subscriber::fmt()
                .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
                .with_test_writer()
                .try_init(),
        );
    }
}
