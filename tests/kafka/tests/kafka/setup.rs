//! What is said to somebody who does not have what a broker needs. Programs of other people are shell scripts here.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::screen::program;

const JAVA_17: &str = "echo 'openjdk version \"17.0.15\" 2025-04-15' >&2";

#[test]
fn a_java_that_is_missing_is_named() {
    let folder = TempDir::new().unwrap();
    assert_eq!(said(folder.path()), (2, "kafka-broker: Java 17 or newer is missing: command=java\n".to_owned()));
}

#[test]
fn a_java_that_is_too_old_is_refused() {
    let folder = TempDir::new().unwrap();
    program(folder.path(), "java", "echo 'openjdk version \"11.0.2\"' >&2");
    let expected = "kafka-broker: Kafka needs Java 17 or newer: java says=openjdk version \"11.0.2\"\n";
    assert_eq!(said(folder.path()), (2, expected.to_owned()));
}

#[test]
fn a_maven_that_is_missing_is_named() {
    let folder = TempDir::new().unwrap();
    program(folder.path(), "java", JAVA_17);
    let expected = "kafka-broker: Maven, which copies Kafka's jars once, is missing: command=mvn\n";
    assert_eq!(said(folder.path()), (2, expected.to_owned()));
}

#[test]
fn what_maven_complains_about_is_shown_and_nothing_counts_as_installed() {
    let folder = TempDir::new().unwrap();
    program(folder.path(), "java", JAVA_17);
    program(folder.path(), "mvn", "echo '[ERROR] no such host'; exit 1");
    let expected = "kafka-broker: mvn ended with exit status: 1: [ERROR] no such host\n";
    for _ in 0..2 {
        assert_eq!(said(folder.path()), (1, expected.to_owned()));
    }
    assert!(!fs::exists(folder.path().join("target/kafka/4.3.1/pom.xml")).unwrap());
}

/// The exit code and what stands on standard error, when there are no other programs than those in the folder.
fn said(folder: &Path) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kafka-broker"));
    command.args(["--port", "0"]).stdin(Stdio::null());
    command.env("PATH", folder).env("CARGO_TARGET_DIR", folder.join("target")).env_remove("JAVA_HOME");
    let output = command.output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}
