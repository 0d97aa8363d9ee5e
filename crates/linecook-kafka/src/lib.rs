//! The log contract on Apache Kafka.
#![cfg(feature = "kafka")]
#![warn(missing_docs)]

mod append;
mod client;
mod clients;
mod cluster;
mod fault;
mod fencing;
mod fetched;
mod log;
mod member;
mod native;
mod options;
mod outgoing;
mod progress;
mod properties;
mod provenance;
mod pulse;
mod reader;
mod restore;
mod rows;
mod runs;
mod shared;
mod tables;
mod transaction;
mod watcher;

pub use log::KafkaLog;
pub use options::{Gap, Options};
pub use properties::{Added, Properties, Scope, Verdict};
