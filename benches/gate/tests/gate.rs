//! The program `gate`, with a valgrind that is there.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{fs, path::Path, process::Command};

fn gate(what: &str, baseline: &Path) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gate"));
    let output = command.arg(what).arg("partitioner").arg("--baseline").arg(baseline).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

#[test]
fn what_was_accepted_holds_and_what_takes_more_than_that_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let baseline = folder.path().join("baseline.json");
    let (code, text) = gate("check", &baseline);
    assert!(code == 1 && text.contains("NOT KNOWN"), "{code} {text}");
    assert_eq!(gate("accept", &baseline).0, 0);
    let (code, text) = gate("check", &baseline);
    assert_eq!(code, 0, "{text}");
    let accepted: serde_json::Value = serde_json::from_slice(&fs::read(&baseline).unwrap()).unwrap();
    let counts = &accepted["partitioner"];
    assert!(counts["instructions"].as_f64().unwrap() > 10.0, "{accepted}");
    assert_eq!(counts["allocations"].as_f64().unwrap(), 0.0, "{accepted}");
    let fewer = serde_json::json!({"partitioner": {"instructions": 10.0, "allocations": 0.0}});
    fs::write(&baseline, fewer.to_string()).unwrap();
    let (code, text) = gate("check", &baseline);
    assert!(code == 1 && text.contains("MORE INSTRUCTIONS"), "{code} {text}");
}
