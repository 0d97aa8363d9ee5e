//! What can be set about a log on Kafka.

use std::{path::PathBuf, time::Duration};

use linecook_log::InstanceName;

use crate::Properties;

/// How long a process may be gone, and a transaction may take. A restart after a crash takes less.
pub(crate) const SESSION_TIMEOUT: Duration = Duration::from_secs(10);

/// See the fields; [`Options::new`] has what suits most clusters.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// librdkafka's properties: where the cluster is, and how to be let in.
    pub properties: Properties,
    /// The process, stable over its restarts: what its members join as, unless they say otherwise.
    pub instance: InstanceName,
    /// Where the rows of tables are kept. Only one process uses it at a time.
    pub rows_folder: PathBuf,
    /// How long a process may be gone before others get its partitions; also how long a transaction may take. 10 s.
    pub session_timeout: Duration,
    /// The largest record, key and value and headers together. 1 MiB. A broker by default takes a batch of 1,048,588 bytes,
    /// what it adds and our header included: what is only just smaller than a MiB it refuses itself, with its size.
    pub max_record_bytes: usize,
    /// What to do when records that a group has not read are gone.
    pub gap: Gap,
}

/// What a member does when records that its group has not read are not there any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// It stops reading the partition and says what is missing.
    Refuse,
    /// It goes on with the first record that is there.
    Accept,
}

impl Options {
    /// With these properties, for that process, its rows in that folder.
    pub fn new(properties: Properties, instance: InstanceName, rows_folder: PathBuf) -> Self {
        Self {
            properties,
            instance,
            rows_folder,
            session_timeout: SESSION_TIMEOUT,
            max_record_bytes: 1 << 20,
            gap: Gap::Refuse,
        }
    }
}
