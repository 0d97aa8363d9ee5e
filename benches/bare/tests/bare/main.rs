//! The program from outside. It checks its own rows at the end, so that it succeeds says much.

#[cfg(feature = "kafka")]
mod kafka;

use std::{fs, process::Command};

#[test]
fn a_small_run_finishes_everything_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("figures.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_bare"));
    command.args(["--pizzas", "2000", "--pizzas-per-order", "10", "--clients", "4"]);
    command.args(["--partitions", "2", "--latency", "20"]);
    let output = command.arg("--dir").arg(folder.path()).arg("--json").arg(&json).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let figures: serde_json::Value = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    assert_eq!(figures["throughput"]["pizza_count"], 2000);
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["figures.json"]);
}
