//! Kafka in a build without it: its settings are known, and asking for it is told how to get it.

use std::{path::PathBuf, sync::Arc};

use linecook_log::{Clock, InstanceName, Log};

use super::{Stop, open_log::LogKind, process_settings::ProcessSettings, servers::Servers};
use crate::settings::{CONSUMER, Fate, KAFKA_CLIENT, Settings};

const HOW_TO_GET_IT: &str =
    "this build has no Kafka; one that has is made by `cargo build --release --features kafka -p PACKAGE`";

/// What the settings say about a cluster that nobody in this build could speak to.
#[derive(Debug, Clone)]
pub(crate) struct Cluster;

impl Cluster {
    /// Whether properties are known cannot be said here, nor which hold a secret if their names are misspelled: their
    /// values are not shown.
    pub(crate) fn from_settings(
        settings: &mut Settings,
        log: LogKind,
        _servers: Option<&Servers>,
        _fault_count: usize,
    ) -> Self {
        for section in [KAFKA_CLIENT, CONSUMER] {
            for property in settings.properties(section) {
                let because = "this build has no Kafka".to_owned();
                settings.enter_property(&property, &Fate::Ignored { because });
            }
        }
        if log == LogKind::Kafka {
            settings.refuse("log", HOW_TO_GET_IT);
        }
        Self
    }

    pub(crate) fn servers(&self) -> &str {
        ""
    }

    pub(crate) fn remarks(&self) -> Option<String> {
        None
    }

    /// # Errors
    /// Always. The settings have been refused before.
    pub(crate) fn open(
        &self,
        _process: &ProcessSettings,
        _instance: InstanceName,
        _rows_folder: PathBuf,
        _clock: &Arc<dyn Clock>,
    ) -> Result<Arc<dyn Log>, Stop> {
        Err(Stop::usage(HOW_TO_GET_IT))
    }
}
