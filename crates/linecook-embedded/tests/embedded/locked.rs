//! One process a directory.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use linecook_embedded::EmbeddedLog;
use linecook_log::{ErrorKind, Log, Result, SystemClock};

use crate::support::{at, create, folder, read_all, refusal, store, tiny, until};

const HELD: &str = "LINECOOK_TEST_HOLDS";

fn open(data: &Path) -> Result<EmbeddedLog> {
    EmbeddedLog::open(data, tiny(), Arc::new(SystemClock::new()))
}

/// Another process that has the directory open and stores a record; it goes on until it is killed.
fn holder(data: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "locked::the_other_process_of_these_tests", "--nocapture"])
        .env(HELD, data)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(lines.map_while(std::result::Result::ok).any(|line| line.contains("it is open")), "it ended too early");
    child
}

/// Does nothing, unless one of the tests below started it in a process of its own.
#[test]
fn the_other_process_of_these_tests() {
    let Some(data) = std::env::var_os(HELD) else { return };
    let log = open(Path::new(&data)).unwrap();
    create(&log, &["a"], 1);
    store(&log, &at("a", 0), [7]);
    println!("it is open");
    std::io::stdout().flush().unwrap();
    std::io::stdin().read_line(&mut String::new()).unwrap(); // until it is killed, or its parent is gone
}

#[test]
fn a_second_open_names_the_directory_and_the_process_that_has_it() {
    let parent = folder();
    let data = parent.path().join("data");
    let log = open(&data).unwrap();
    let told = refusal(open(&data), ErrorKind::Unavailable);
    let expected = format!("data_dir={} process={}", data.display(), std::process::id());
    assert!(told.contains(&expected), "{told}");
    drop(log);
    open(&data).unwrap();
}

/// A reader of rows kept the lock after the log was closed.
#[test]
fn a_log_that_is_closed_can_be_opened_again_though_its_handles_live() {
    let parent = folder();
    let data = parent.path().join("data");
    let log = open(&data).unwrap();
    create(&log, &["a"], 1);
    let rows = log.rows(&crate::support::group("g"), &crate::support::table()).unwrap();
    log.close().unwrap();
    let again = open(&data).unwrap();
    store(&again, &at("a", 0), [1]);
    refusal(rows.get(at("a", 0).partition, b"k"), ErrorKind::Closed);
}

#[test]
fn a_directory_is_free_when_the_process_that_had_it_was_killed() {
    let parent = folder();
    let data = parent.path().join("data");
    let mut child = holder(&data);
    let told = refusal(open(&data), ErrorKind::Unavailable);
    let expected = format!("data_dir={} process={}", data.display(), child.id());
    assert!(told.contains(&expected), "{told}");
    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();
    until("it is free", || open(&data).is_ok());
    assert_eq!(read_all(&open(&data).unwrap(), &at("a", 0)), [7]);
}
