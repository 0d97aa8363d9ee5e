//! The one place where a log is chosen.

use std::{sync::Arc, time::Duration};

use linecook_embedded::EmbeddedLog;
use linecook_log::{Clock, InstanceName, Log};

use super::{
    Stop,
    process_settings::ProcessSettings,
    slot::{Slot, host_instance},
};
use crate::{Limits, settings::Choice};

/// Which log it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogKind {
    Embedded,
    Kafka,
}

impl Choice for LogKind {
    const NAMES: &'static [(&'static str, Self)] = &[("embedded", Self::Embedded), ("kafka", Self::Kafka)];
}

/// An open log, and how this process works on it.
pub(crate) struct Opened {
    pub(crate) log: Arc<dyn Log>,
    /// Who the process is.
    pub(crate) instance: InstanceName,
    pub(crate) limits: Limits,
    /// What makes that name and the rows' folder this process's own.
    pub(crate) slot: Option<Slot>,
    /// How long the screen waits for the log's first answer; for ever without one.
    pub(crate) screen_waits: Option<Duration>,
}

/// A transaction costs the same some milliseconds whatever is in it, so there is more in one: what has piled up
/// meanwhile, within what two polls and a commit may take of memory.
fn limits_on_kafka() -> Limits {
    Limits { poll_bytes: 2 << 20, output_bytes: 4 << 20, commit_time: Duration::from_millis(100), ..Limits::default() }
}

/// A cluster that is there has answered by then. For one that is not, nobody should have to wait to read what runs.
const SCREEN_WAITS: Duration = Duration::from_secs(3);

impl Opened {
    /// A log of the caller's, to be worked on as if it was the embedded one.
    pub(crate) fn of(log: Arc<dyn Log>, process: &ProcessSettings) -> Self {
        let instance = process.instance.clone().unwrap_or_else(|| host_instance(1));
        Self { log, instance, limits: Limits::default(), slot: None, screen_waits: None }
    }
}

/// Opens the log with the settings in force.
///
/// # Errors
/// What the log says; on Kafka also a data directory that cannot be written.
pub(super) fn open(process: &ProcessSettings, clock: &Arc<dyn Clock>) -> Result<Opened, Stop> {
    if process.log == LogKind::Embedded {
        // One process at a time has the directory, so one name is enough.
        return Ok(Opened::of(open_embedded(process, clock)?, process));
    }
    let slot = match &process.instance {
        Some(instance) => Slot::named(&process.data_dir, instance)?,
        None => Slot::of_host(&process.data_dir)?,
    };
    let log = process.cluster.open(process, slot.instance.clone(), slot.rows_folder.clone(), clock)?;
    let instance = slot.instance.clone();
    Ok(Opened { log, instance, limits: limits_on_kafka(), slot: Some(slot), screen_waits: Some(SCREEN_WAITS) })
}

/// Opens the log for an operator's question. Nothing joins a group in that name, and no rows are kept.
///
/// # Errors
/// What the log says.
pub(super) fn open_to_ask(process: &ProcessSettings, clock: &Arc<dyn Clock>) -> Result<Arc<dyn Log>, Stop> {
    if process.log == LogKind::Embedded {
        return open_embedded(process, clock);
    }
    // Not the name of a process that runs: nothing of this one may ever put it out.
    let instance = InstanceName::new(format!("operator-{}", std::process::id()))?;
    let rows_folder = process.data_dir.join(instance.as_str());
    process.cluster.open(process, instance, rows_folder, clock)
}

/// An operator's command has the data directory for a moment, and opens it after a crash for some more.
const DIRECTORY_WAIT: Duration = Duration::from_secs(10);

fn open_embedded(process: &ProcessSettings, clock: &Arc<dyn Clock>) -> Result<Arc<dyn Log>, Stop> {
    let mut options = linecook_embedded::Options::default();
    options.directory_wait = DIRECTORY_WAIT;
    options.retention = Some(process.retention);
    options.retention_bytes = process.retention_bytes.map(|size| size.bytes());
    options.reserve_bytes = process.reserve_bytes.bytes();
    options.max_record_bytes = usize::try_from(process.max_record_bytes.bytes()).unwrap_or(usize::MAX);
    Ok(Arc::new(EmbeddedLog::open(&process.data_dir, options, Arc::clone(clock))?))
}
