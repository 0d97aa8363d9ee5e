//! The program `kafka-broker`.

use std::{
    io::{BufRead as _, BufReader},
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    client::{TOPIC_EXISTS, answers_within, create_topic},
    process::Process,
    until,
};

#[test]
fn its_screen_says_where_and_a_signal_ends_it_in_good_order() {
    let mut kafka = Kafka::start(&["--port", "0"]);
    assert!(answers_within(&kafka.line("servers"), crate::PATIENCE));
    let folder = kafka.line("data");
    kafka.process.signal("-TERM");
    assert_eq!(kafka.process.wait().code(), Some(0));
    assert!(!Path::new(&folder).exists());
}

#[test]
fn data_that_has_a_folder_is_there_the_next_time() {
    let folder = TempDir::new().unwrap();
    let arguments = ["--port", "0", "--data", folder.path().to_str().unwrap()];
    for expected in [0, TOPIC_EXISTS] {
        let mut kafka = Kafka::start(&arguments);
        assert_eq!(create_topic(&kafka.line("servers"), "orders").unwrap(), expected);
        kafka.process.signal("-INT");
        assert_eq!(kafka.process.wait().code(), Some(0));
    }
}

#[test]
fn the_broker_does_not_outlive_it() {
    let mut kafka = Kafka::start(&["--port", "0"]);
    let (servers, folder) = (kafka.line("servers"), kafka.line("data"));
    kafka.process.kill();
    kafka.process.wait();
    until("it is gone", || !answers_within(&servers, Duration::from_secs(1)));
    until("its folder is gone", || !Path::new(&folder).exists());
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kafka-broker"));
    let output = command.args(["--port", &port]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = format!("kafka-broker: somebody listens there already: port={port}\n");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), said);
}

struct Kafka {
    process: Process,
    screen: Vec<String>,
}

impl Kafka {
    fn start(arguments: &[&str]) -> Self {
        let (process, output) = Process::start(Command::new(env!("CARGO_BIN_EXE_kafka-broker")).args(arguments));
        let mut screen = Vec::new();
        for line in BufReader::new(output).lines() {
            screen.push(line.unwrap());
            if screen.last().unwrap().trim().starts_with("stop") {
                break;
            }
        }
        Self { process, screen }
    }

    fn line(&self, name: &str) -> String {
        let found = self.screen.iter().find_map(|line| line.trim().strip_prefix(name));
        found.unwrap_or_else(|| panic!("it did not start: {:?}", self.screen)).trim().to_owned()
    }
}
