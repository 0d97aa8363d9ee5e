//! The embedded log as a subject of the conformance suite, on files that survive a kill.

use std::{sync::Arc, time::Duration};

use linecook_embedded::{EmbeddedLog, Options, fault::FaultyFiles};
use linecook_log::{Log, SystemClock, conformance::Subject};
use tempfile::TempDir;

/// Segments of 256 KiB and little memory, so that every test crosses segments and reads from files.
pub(crate) fn small() -> Options {
    let mut options = Options::default();
    options.segment_bytes = 256 << 10;
    options.hot_bytes = 128 << 10;
    options.memtable_bytes = 64 << 10;
    options.max_record_bytes = 2 << 20;
    options
}

pub(crate) struct Embedded {
    files: FaultyFiles,
    folder: TempDir,
    log: Option<Arc<dyn Log>>,
    patience: Duration,
}

impl Embedded {
    pub(crate) fn new() -> Self {
        let (files, folder) = (FaultyFiles::default(), tempfile::tempdir().unwrap());
        Self { files, folder, log: None, patience: Duration::from_secs(30) }
    }

    /// For logs that break a law, which is found by waiting in vain.
    pub(crate) fn impatient() -> Self {
        Self { patience: Duration::from_secs(3), ..Self::new() }
    }
}

impl Subject for Embedded {
    fn open(&mut self) -> Arc<dyn Log> {
        self.log = None;
        let files = Arc::new(self.files.clone());
        let clock = Arc::new(SystemClock::new());
        let log = EmbeddedLog::open_with_files(files, &self.folder.path().join("rows"), small(), clock, None);
        let log: Arc<dyn Log> = Arc::new(log.unwrap());
        self.log = Some(Arc::clone(&log));
        log
    }

    fn kill(&mut self) {
        self.files = self.files.killed();
        // The rows survive as they are: the tree only ever holds what was published.
        if let Some(log) = self.log.take() {
            log.close().ok();
        }
    }

    fn max_silence(&self) -> Duration {
        Duration::from_millis(300)
    }

    fn patience(&self) -> Duration {
        self.patience
    }

    fn oversize_bytes(&self) -> usize {
        3 << 20
    }
}
