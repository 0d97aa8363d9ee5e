//! What is tried again survives what its process does not.

use std::{path::Path, sync::Arc};

use kafka_broker::Broker;
use linecook_kafka::{KafkaLog, Options, Properties};
use linecook_log::{InstanceName, Log, SystemClock};

use crate::moody;

/// Told the servers and a folder, with a space between.
pub(crate) fn open(told: &str, clock: Arc<SystemClock>) -> Arc<dyn Log> {
    let (servers, folder) = told.split_once(' ').unwrap();
    let instance = InstanceName::new("moody-1").unwrap();
    let options = Options::new(Properties::of_servers(servers), instance, Path::new(folder).to_owned());
    Arc::new(KafkaLog::open(options, clock).unwrap())
}

/// Does nothing, unless the test below started it in a process of its own.
#[test]
fn the_moody_process() {
    moody::be_killed(open);
}

#[test]
fn what_is_tried_again_while_processes_are_killed_is_done_once_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::shared().unwrap();
    let told = format!("{} {}", broker.bootstrap_servers(), folder.path().to_str().unwrap());
    moody::run("retrying::the_moody_process", &told, open);
}
