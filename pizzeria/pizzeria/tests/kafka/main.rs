//! The pizzeria as six processes on a real Kafka, under faults. `just kafka-test` builds the services first.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../pizzeria/article.rs"]
mod article;
#[path = "../pizzeria/audit.rs"]
mod audit;
#[path = "../pizzeria/deadly.rs"]
mod deadly;
#[expect(dead_code, reason = "not all of it is asked for here")]
#[path = "../pizzeria/http.rs"]
mod http;
#[path = "../pizzeria/moody.rs"]
mod moody;
#[path = "../pizzeria/poison.rs"]
mod poison;
#[expect(dead_code, reason = "the pizzeria in one process is not started here")]
#[path = "../pizzeria/process.rs"]
mod process;
#[expect(dead_code, reason = "files of the embedded log are not read here")]
#[path = "../pizzeria/raw.rs"]
mod raw;
#[path = "../pizzeria/soak.rs"]
mod soak;

mod broker_gone;
mod drain;
mod ending;
mod faults_under_load;
mod foreign;
mod gone;
mod instance;
mod instances;
mod kill;
mod kitchen;
mod python;
mod redrive;
mod refused;
mod retrying;
mod secured;
mod too_large;
mod waiting;
mod watcher;
