//! Where the letters are: on a cluster, in a directory that nobody has open, or with the process that has it.

use std::sync::Arc;

use linecook_log::{Clock, ErrorKind, Log, SystemClock};

use super::{
    super::{
        Prepared, Stop,
        log_commands::existing_log,
        open_log::{self, LogKind},
    },
    remote::Remote,
};
use crate::dead_letters::{Denied, Desk, Detail, Letter, RecordId, Selection};

/// Who answers operators.
pub(super) trait Backend {
    fn list(&self, with_retrying: bool) -> Result<Vec<Letter>, Stop>;
    fn show(&self, id: &RecordId) -> Result<Detail, Stop>;
    fn edit(&self, id: &RecordId, value: Option<&[u8]>) -> Result<Letter, Stop>;
    fn redrive(&self, selection: &Selection) -> Result<Vec<Letter>, Stop>;
    fn discard(&self, id: &RecordId, dry_run: bool) -> Result<Letter, Stop>;
}

/// One of them, ready to be asked.
pub(super) enum Opened {
    /// This process has opened the log. On a cluster others may be at work.
    Log { desk: Desk, log: Arc<dyn Log>, is_shared: bool },
    /// A process that has the directory.
    Remote(Remote),
}

impl Opened {
    /// That of the settings in force.
    ///
    /// # Errors
    /// What the log says; a directory that is not there, or whose process does not answer.
    pub(super) fn of(prepared: &Prepared) -> Result<Self, Stop> {
        let process = &prepared.process;
        let is_shared = process.log == LogKind::Kafka;
        if !is_shared && linecook_embedded::is_in_use(existing_log(&process.data_dir)?) {
            return Ok(Self::Remote(Remote::of(process)));
        }
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let log = open_log::open_to_ask(process, &clock)?;
        let services = prepared.running_services().cloned().collect();
        Ok(Self::Log { desk: Desk::new(Arc::clone(&log), clock, services), log, is_shared })
    }

    pub(super) fn backend(&self) -> &dyn Backend {
        match self {
            Self::Log { desk, .. } => desk,
            Self::Remote(remote) => remote,
        }
    }

    /// Whether there may be a service that does now what is said.
    pub(super) fn somebody_works(&self) -> bool {
        !matches!(self, Self::Log { is_shared: false, .. })
    }

    pub(super) fn close(&self) -> Result<(), Stop> {
        match self {
            Self::Log { log, .. } => Ok(log.close()?),
            Self::Remote(_) => Ok(()),
        }
    }
}

impl Backend for Desk {
    fn list(&self, with_retrying: bool) -> Result<Vec<Letter>, Stop> {
        Ok(self.list(with_retrying)?)
    }

    fn show(&self, id: &RecordId) -> Result<Detail, Stop> {
        Ok(self.show(id)?)
    }

    fn edit(&self, id: &RecordId, value: Option<&[u8]>) -> Result<Letter, Stop> {
        Ok(self.edit(id, value)?)
    }

    fn redrive(&self, selection: &Selection) -> Result<Vec<Letter>, Stop> {
        Ok(self.redrive(selection)?)
    }

    fn discard(&self, id: &RecordId, dry_run: bool) -> Result<Letter, Stop> {
        Ok(self.discard(id, dry_run)?)
    }
}

impl From<Denied> for Stop {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Log(error) if error.kind() == ErrorKind::Unknown => Self::failed(format!(
                "whether all of it was stored is not known; saying it again does no harm: {}",
                error.chain()
            )),
            Denied::Log(error) => error.into(),
            _ => Self::usage(denied.to_string()),
        }
    }
}
