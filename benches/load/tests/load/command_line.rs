//! The program itself: what it prints and how it ends.

use std::process::{Command, Output};

use crate::kitchen::{Kitchen, Trick};

fn load(arguments: &[&str]) -> (i32, String) {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_load")).args(arguments).output().unwrap();
    let text = String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap();
    (status.code().unwrap(), text)
}

#[test]
fn a_clean_run_ends_with_0_and_prints_its_figures() {
    let kitchen = Kitchen::open(Trick::None);
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("run.json");
    let (code, text) = load(&["--url", &kitchen.url(), "--orders", "5", "--json", json.to_str().unwrap()]);
    assert_eq!(code, 0, "{text}");
    for part in ["5 orders of 1, 5 ready", "acknowledged", "order to ready", "findings        none"] {
        assert!(text.contains(part), "{part} is missing: {text}");
    }
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    assert_eq!((&json["order_count"], &json["finding_count"]), (&5.into(), &0.into()));
}

#[test]
fn a_closed_loop_says_what_its_times_leave_out() {
    let kitchen = Kitchen::open(Trick::None);
    let (_, text) = load(&["--url", &kitchen.url(), "--orders", "20", "--clients", "2"]);
    assert!(text.contains("leave out"), "{text}");
    let (_, text) = load(&["--url", &kitchen.url(), "--orders", "20", "--clients", "2", "--rate", "1000"]);
    assert!(text.contains("from when an order was due"), "{text}");
}

#[test]
fn findings_are_a_line_each_and_end_with_1() {
    let kitchen = Kitchen::open(Trick::LosesTheOrder);
    let (code, text) = load(&["--url", &kitchen.url(), "--orders", "2"]);
    assert_eq!(code, 1, "{text}");
    assert_eq!(text.lines().filter(|line| line.contains("was acknowledged and is not there")).count(), 2, "{text}");
}

#[test]
fn wrong_usage_and_a_server_that_is_not_there_end_with_2() {
    let (code, text) = load(&["--orders", "many"]);
    assert_eq!(code, 2, "{text}");
    let mut kitchen = Kitchen::open(Trick::None);
    kitchen.kill();
    let (code, text) = load(&["--url", &kitchen.url()]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("cannot be reached"), "{text}");
}

#[test]
fn a_journal_is_audited_later() {
    let kitchen = Kitchen::open(Trick::None);
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let (url, journal) = (kitchen.url(), journal.to_str().unwrap());
    assert_eq!(load(&["--url", &url, "--orders", "5", "--journal", journal]).0, 0);
    let (code, text) = load(&["audit", "--url", &url, "--journal", journal, "--send-keys-again"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("5 orders"), "{text}");

    kitchen.stove.book().orders.clear();
    let (code, text) = load(&["audit", "--url", &url, "--journal", journal]);
    assert_eq!(code, 1, "{text}");
}
