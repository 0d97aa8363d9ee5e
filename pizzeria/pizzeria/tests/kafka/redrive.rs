//! Records that were parked come back, whichever process is asked.

use std::{
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use kafka_broker::Options;
use linecook::Random;
use linecook_kafka::{KafkaLog, Properties};
use linecook_log::{InstanceName, Log, SystemClock};
use serde_json::Value;

use crate::{
    instance::program,
    kitchen::{Kitchen, broker, raw},
    poison,
    process::{PATIENCE, until_within},
    soak,
};

const POISONED: u128 = 40;

/// A process that runs no service.
struct Operator {
    data: tempfile::TempDir,
    servers: String,
}

impl Operator {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program("pizza-service", self.data.path());
        command.args(["--log", "kafka", "--bootstrap-servers", &self.servers, "dead-letters"]).args(arguments);
        command
    }

    fn list(&self) -> Vec<Value> {
        poison::letters(&self.command(&["list", "--json"]).output().unwrap())
    }
}

fn append(servers: &str, count: u128) {
    let folder = tempfile::tempdir().unwrap();
    let instance = InstanceName::new("stranger-1").unwrap();
    let options = linecook_kafka::Options::new(Properties::of_servers(servers), instance, folder.path().to_owned());
    let log = KafkaLog::open(options, Arc::new(SystemClock::new())).unwrap();
    poison::append(&log, count);
    log.close().unwrap();
}

/// As on the embedded log; here who says it is a process that runs no service, and owns nothing of what it speaks of.
#[test]
fn poisoned_orders_among_many_complete_once_when_they_are_mended_whoever_is_killed() {
    soak::rounds().for_each(|random| poison_and_redrive(&random));
}

fn poison_and_redrive(random: &Random) {
    let broker = broker(Options::default());
    let servers = broker.bootstrap_servers();
    let operator = Operator { data: tempfile::tempdir().unwrap(), servers: servers.clone() };
    let mut kitchen = Kitchen::open(&servers);
    let orders = soak::wanted("POISON_ORDERS", 2_000);
    let mut placed = poison::order(&kitchen.url(), orders / 2);
    append(&servers, POISONED);
    placed.extend(poison::order(&kitchen.url(), orders - orders / 2));
    poison::check_others(&kitchen.client("pizza-service"), &placed);
    poison::check_parked(&operator.list(), POISONED);
    assert_eq!(kitchen.client("pizza-service").get("/readyz").status, 200);

    let client = kitchen.client("pizza-service");
    for letter in operator.list() {
        let path = format!("/dead-letters/{}", letter["id"].as_str().unwrap());
        assert_eq!(client.put(&path, &poison::mended(&letter)).status, 200);
    }
    until_within(2 * PATIENCE, "all are redriven", || {
        let some = (1 + random.below(20)).to_string();
        let mut redrive = operator.command(&["redrive", "--all", "--max", &some, "--json"]);
        let mut redrive = redrive.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // The moment is what is random here: nothing is waited for.
        thread::sleep(Duration::from_millis(random.below(1_500)));
        if random.below(2) == 0 {
            redrive.kill().unwrap();
        }
        if random.below(3) == 0 {
            kitchen.instance("pizza-service").kill();
            kitchen.instance("pizza-service").start_again();
        }
        redrive.wait().unwrap();
        operator.list().is_empty().then_some(())
    });
    poison::check_ready(&kitchen.client("pizza-service"), POISONED);
    kitchen.close();
    poison::check_raw(raw(&broker), POISONED);
}
