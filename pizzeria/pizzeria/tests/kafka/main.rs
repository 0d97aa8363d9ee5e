//! The pizzeria as six processes on a real Kafka, under faults. `just kafka-test` builds the services first.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[expect(dead_code, reason = "it is told of damaged files, too, and there are none here")]
#[path = "../pizzeria/audit.rs"]
mod audit;
#[expect(dead_code, reason = "not every header is looked at here")]
#[path = "../pizzeria/http.rs"]
mod http;
#[expect(dead_code, reason = "the pizzeria in one process is not started here")]
#[path = "../pizzeria/process.rs"]
mod process;
#[expect(dead_code, reason = "files of the embedded log are not read here")]
#[path = "../pizzeria/raw.rs"]
mod raw;

mod instance;
mod kill;
mod kitchen;
mod python;
mod watcher;
