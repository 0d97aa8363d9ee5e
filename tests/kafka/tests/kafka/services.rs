//! The program `services`, with services that are shell scripts.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
};

use tempfile::TempDir;

use crate::{PATIENCE, process::Process, screen::program, until};

const NAMES: [&str; 6] =
    ["pizza-service", "sauce-service", "cheese-service", "meat-service", "veggie-service", "cheese-reporter"];
/// Ends in good order when asked, as a service does.
const GOOD: &str = "trap 'echo bye; exit 0' TERM; echo $*; echo id $$; while :; do sleep 0.01; done";

#[test]
fn all_get_kafkas_flags_and_end_with_the_first_signal() {
    let folder = kitchen(GOOD);
    let mut services = Services::start(folder.path(), &["--bootstrap-servers", "there:1", "--", "--workers", "2"]);
    let mut lines = services.lines_until(|lines| lines.iter().filter(|line| line.contains("| id")).count() == 6);
    lines.retain(|line| !line.contains("| id"));
    lines.sort_unstable();
    let mut expected = NAMES.map(|name| format!("{name:15} | --log kafka --bootstrap-servers there:1 --workers 2"));
    expected.sort_unstable();
    assert_eq!(lines, expected);
    services.process.signal("-INT");
    assert!(services.process.wait().success());
    let rest = services.rest();
    assert_eq!(rest.iter().filter(|line| line.ends_with("| bye")).count(), 6, "{rest:?}");
    assert!(rest.contains(&"sauce-service   | has ended with exit status: 0".to_owned()), "{rest:?}");
}

#[test]
fn one_that_ends_by_itself_is_told_of_and_the_others_go_on() {
    let folder = kitchen("exit 3");
    let mut services = Services::start(folder.path(), &[]);
    let ended = "meat-service    | has ended with exit status: 3";
    let is_told = |lines: &[String]| {
        lines.iter().any(|line| line == ended) && lines.iter().filter(|line| line.contains("| id")).count() == 5
    };
    services.lines_until(is_told);
    services.process.signal("-TERM");
    assert_eq!(services.process.wait().code(), Some(1));
    assert_eq!(services.rest().iter().filter(|line| line.ends_with("| bye")).count(), 5);
}

#[test]
fn a_second_signal_kills_those_that_do_not_end() {
    let deaf = "trap '' TERM; echo id $$; while :; do sleep 0.01; done";
    let folder = kitchen(deaf);
    let mut services = Services::start(folder.path(), &[]);
    services.lines_until(|lines| lines.iter().filter(|line| line.contains("| id")).count() == 6);
    services.process.signal("-TERM");
    services.lines_until(|lines| lines.iter().filter(|line| line.contains("has ended")).count() == 5);
    services.process.signal("-TERM");
    assert_eq!(services.process.wait().code(), Some(1));
}

#[test]
fn none_outlives_the_program_that_started_them() {
    let folder = kitchen(GOOD);
    let mut services = Services::start(folder.path(), &[]);
    let lines = services.lines_until(|lines| lines.iter().filter(|line| line.contains("| id")).count() == 6);
    services.process.kill();
    services.process.wait();
    let ids: Vec<_> = lines.iter().filter_map(|line| line.split_once("| id ")).map(|(_, id)| id.to_owned()).collect();
    assert_eq!(ids.len(), 6);
    until("all are gone", || ids.iter().all(|id| is_gone(id)));
}

#[test]
fn faults_of_the_caller_end_with_code_2() {
    let folder = TempDir::new().unwrap();
    let output = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_services")).args(arguments).stdin(Stdio::null()).output().unwrap()
    };
    let missing = output(&["--binaries", folder.path().to_str().unwrap()]);
    assert_eq!(missing.status.code(), Some(2));
    let path = folder.path().join("pizza-service");
    let said = format!("services: there is no such program: path={}\n", path.display());
    assert_eq!(String::from_utf8(missing.stderr).unwrap(), said);
    let unknown = output(&["--bootstrap"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8(unknown.stderr).unwrap().starts_with("services: unknown: flag=--bootstrap\n\nRuns"));
}

/// Six services in a folder, the meat-service as given.
fn kitchen(meat_service: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    for name in NAMES {
        program(folder.path(), name, if name == "meat-service" { meat_service } else { GOOD });
    }
    folder
}

/// Gone, or dead and only not waited for by whoever inherited it.
fn is_gone(id: &str) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{id}/stat"));
    status.map_or(true, |status| status.rsplit(')').next().unwrap().trim().starts_with('Z'))
}

struct Services {
    process: Process,
    lines: Receiver<String>,
}

impl Services {
    fn start(binaries: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_services"));
        let (process, output) = Process::start(command.arg("--binaries").arg(binaries).args(arguments));
        let (told, lines) = mpsc::channel();
        let out = BufReader::new(output);
        thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| told.send(line)));
        Self { process, lines }
    }

    /// All that it prints until that is so.
    fn lines_until(&self, is_enough: impl Fn(&[String]) -> bool) -> Vec<String> {
        let mut lines = Vec::new();
        while !is_enough(&lines) {
            lines.push(self.lines.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{error}: {lines:?}")));
        }
        lines
    }

    fn rest(&self) -> Vec<String> {
        self.lines.iter().collect()
    }
}
