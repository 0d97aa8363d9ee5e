//! The contract on a cluster.

use std::sync::Arc;

use linecook_log::{Clock, Error, ErrorKind, Result};

use crate::Options;

/// The log on a Kafka cluster.
#[derive(Debug)]
pub struct KafkaLog {}

impl KafkaLog {
    /// Connects to the cluster.
    ///
    /// # Errors
    /// `Invalid` when the cluster does not let it in, or the properties are wrong. A cluster that cannot be reached now is
    /// no error: calls end with `Unavailable` until it is there.
    pub fn open(_options: Options, _clock: Arc<dyn Clock>) -> Result<Self> {
        Err(Error::new(ErrorKind::Unavailable, "being built"))
    }
}
