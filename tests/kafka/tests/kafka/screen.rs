//! Programs that print on one screen.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
};

use kafka_broker::{Label, LabelledProcess, Look, Screen};
use tempfile::TempDir;

use crate::{PATIENCE, until};

#[test]
fn each_line_has_the_label_of_who_printed_it() {
    let folder = TempDir::new().unwrap();
    let mut loud = Command::new(program(folder.path(), "loud", "echo one $1; echo $TWO >&2; printf 'no end'"));
    loud.arg("pizza").env("TWO", "two");
    let paper = Paper::default();
    let screen = Screen::new(paper.clone(), Look::Plain);
    for label in Label::all(&["loud", "a-long-name"]) {
        let mut process = LabelledProcess::start(label, &loud, &screen).unwrap();
        assert!(process.ended_within(PATIENCE).unwrap().success());
    }
    let mut lines = paper.lines();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "a-long-name | no end",
            "a-long-name | one pizza",
            "a-long-name | two",
            "loud        | no end",
            "loud        | one pizza",
            "loud        | two",
        ]
    );
}

#[test]
fn on_a_terminal_labels_have_colours() {
    let paper = Paper::default();
    let screen = Screen::new(paper.clone(), Look::Coloured);
    for label in Label::all(&["a", "b"]) {
        screen.line(&label, b"x");
    }
    assert_eq!(paper.lines(), ["\u{1b}[31ma |\u{1b}[0m x", "\u{1b}[32mb |\u{1b}[0m x"]);
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let screen = Screen::new(Paper::default(), Look::Plain);
    let [label] = Label::all(&["a"]).try_into().unwrap();
    let error = LabelledProcess::start(label, &Command::new("/no/such"), &screen).unwrap_err();
    assert_eq!(error.to_string(), "there is no such program: path=/no/such");
}

#[test]
fn a_process_that_is_dropped_is_killed() {
    let folder = TempDir::new().unwrap();
    let slow = Command::new(program(folder.path(), "slow", "trap '' TERM; echo up; exec sleep 100"));
    let paper = Paper::default();
    let screen = Screen::new(paper.clone(), Look::Plain);
    let [label] = Label::all(&["slow"]).try_into().unwrap();
    let mut process = LabelledProcess::start(label, &slow, &screen).unwrap();
    until("it is up", || paper.lines() == ["slow | up"]);
    process.terminate();
    assert_eq!(process.ended(), None);
    let id = process.id();
    drop(process);
    assert!(!Path::new(&format!("/proc/{id}")).exists());
}

/// A shell script that can be started.
pub(crate) fn program(folder: &Path, name: &str, script: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// A screen to read afterwards.
#[derive(Debug, Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    fn lines(&self) -> Vec<String> {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap().lines().map(str::to_owned).collect()
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
