//! `load compare`, with a pizzeria that is the tests' own and a bare loop that only pretends.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// Writes to its last argument, which is the file for the figures.
const PRETENDED_BARE: &str = r#"#!/bin/sh
for file; do :; done
latency='{"p50_us":100,"p99_us":200}'
printf '{"latency":{"acknowledged":%s,"ready":%s},"throughput":{"orders_per_second":10,"pizzas_per_second":1000}}' "$latency" "$latency" >"$file"
"#;

fn kitchen() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_load")).parent().unwrap().join("examples/kitchen")
}

fn compare(pizzeria: &Path, folder: &Path) -> (i32, String) {
    let bare = folder.join("bare");
    fs::write(&bare, PRETENDED_BARE).unwrap();
    fs::set_permissions(&bare, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_load"));
    command.args(["compare", "--rounds", "3", "--pizzas", "1000", "--single-orders", "10", "--small-orders", "100"]);
    command.arg("--json").arg(folder.join("results.json"));
    command.arg("--pizzeria").arg(pizzeria).arg("--bare").arg(bare).arg("--dir").arg(folder);
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap();
    (status.code().unwrap(), text)
}

#[test]
fn a_comparison_prints_each_round_and_what_came_of_all_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (code, text) = compare(&kitchen(), folder.path());
    assert_eq!(code, 0, "{text}");
    assert_eq!(text.lines().count(), 1 + 2 * 3 + 11, "{text}");
    assert!(text.contains("pizzeria / bare"), "{text}");
    let results = fs::read(folder.path().join("results.json")).unwrap();
    let results: serde_json::Value = serde_json::from_slice(&results).unwrap();
    assert_eq!(results["rounds"].as_array().unwrap().len(), 3);
    assert!(results["ratios"]["pizzas_per_second"]["median"].as_f64().unwrap() > 0.0, "{results}");
    assert!(results["product_memory_mib"]["best"].as_f64().unwrap() > 1.0, "{results}");
    let left = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 2, "only the bare loop that we have put there, and the results");
}

#[test]
fn a_product_that_does_not_start_ends_the_comparison_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let (code, text) = compare(&folder.path().join("nothing"), folder.path());
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("cannot start"), "{text}");
}
