//! A service as a process of its own.

use std::process::Command;
#[cfg(feature = "kafka")]
use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

#[test]
fn alone_on_the_embedded_log_it_ends_and_says_why() {
    let folder = std::env::temp_dir().join(format!("sauce-service-{}", std::process::id()));
    let mut command = Command::new(env!("CARGO_BIN_EXE_sauce-service"));
    let ended = command.arg("--data-dir").arg(&folder).output().unwrap();
    assert_eq!(ended.status.code(), Some(2));
    let text = String::from_utf8(ended.stderr).unwrap();
    assert!(text.contains("cannot run alone on the embedded log") && text.contains("topics=pizza"), "{text}");
    assert!(!folder.exists(), "nothing was begun");
}

/// On a cluster others write what it reads. That no broker is there yet is no reason to end, either.
#[cfg(feature = "kafka")]
#[test]
fn alone_on_kafka_it_runs() {
    let folder = std::env::temp_dir().join(format!("sauce-service-on-kafka-{}", std::process::id()));
    let mut command = Command::new(env!("CARGO_BIN_EXE_sauce-service"));
    command.args(["--log", "kafka", "--bootstrap-servers", "127.0.0.1:1", "--http-address", "127.0.0.1:0"]);
    let mut child = command.arg("--data-dir").arg(&folder).stdout(Stdio::piped()).spawn().unwrap();
    let screen = BufReader::new(child.stdout.take().unwrap());
    let log = screen.lines().map_while(Result::ok).find(|line| line.trim().starts_with("log"));
    child.kill().unwrap();
    child.wait().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(log.as_ref().is_some_and(|log| log.contains("kafka at 127.0.0.1:1")), "{log:?}");
}

#[test]
fn it_has_the_same_commands_as_all_of_them() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sauce-service"));
    let settings = command.args(["--menu", "x"]).output().unwrap();
    assert_eq!(settings.status.code(), Some(2), "its settings are those of its section: {settings:?}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_sauce-service"));
    let settings = command.args(["settings", "--sauce-service-menu", "pesto,bbq"]).output().unwrap();
    let text = String::from_utf8(settings.stdout).unwrap();
    assert!(text.contains(r#"menu = ["pesto", "bbq"] # flag --sauce-service-menu"#), "{text}");
    assert!(text.contains(r#"http_address = "127.0.0.1:5002""#), "{text}");
}
