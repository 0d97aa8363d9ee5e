//! The program `gate`, with a valgrind that is there.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{fs, path::Path, process::Command};

fn gate(what: &str, baseline: &Path) -> (i32, String) {
    gate_with(what, "partitioner", baseline, "")
}

fn gate_with(what: &str, case: &str, baseline: &Path, tunables: &str) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gate"));
    command.arg(what).arg(case).arg("--baseline").arg(baseline).env("GLIBC_TUNABLES", tunables);
    let output = command.output().unwrap();
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

/// A build failed with nearly twice the instructions of its own baseline, on a processor where glibc copies with `rep movsb`
/// from 2 KiB on: valgrind counts an instruction a byte there.
#[test]
fn how_the_processor_copies_best_makes_no_difference() {
    let folder = tempfile::tempdir().unwrap();
    let instructions = |threshold: &str| {
        let baseline = folder.path().join(threshold);
        let tunables = format!("glibc.cpu.x86_rep_movsb_threshold={threshold}");
        let (code, text) = gate_with("accept", "batch-build", &baseline, &tunables);
        assert_eq!(code, 0, "{text}");
        let accepted: serde_json::Value = serde_json::from_slice(&fs::read(&baseline).unwrap()).unwrap();
        accepted["batch-build"]["instructions"].as_f64().unwrap()
    };
    let (always, never) = (instructions("2048"), instructions("1073741824"));
    assert!((always - never).abs() < 0.01 * never, "{always} {never}");
}

#[test]
fn a_stage_is_timed_beside_one_by_hand() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gate"));
    let output = command.args(["overhead", "--pairs", "2", "--records", "2000"]).output().unwrap();
    // What it takes is not looked at: others use the machine, and nothing is optimised.
    assert!(output.status.code().is_some_and(|code| code < 2), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let ratio = text.lines().find_map(|line| line.strip_prefix("the one by the other ")).unwrap();
    let median: f64 = ratio.split(" / ").nth(1).unwrap().parse().unwrap();
    assert!(median > 0.5, "{text}");
}
