//! The log contract on Apache Kafka.
#![cfg(feature = "kafka")]
#![warn(missing_docs)]

mod log;
mod options;
mod properties;

pub use log::KafkaLog;
pub use options::{Gap, Options};
pub use properties::{Added, Clients, Properties, Verdict};
