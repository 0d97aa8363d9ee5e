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
printf '{"latency":{"acknowledged":%s,"ready":%s},"throughput":{"pizzas_per_second":1000}}' "$latency" "$latency" >"$file"
"#;

fn kitchen() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_load")).parent().unwrap().join("examples/kitchen")
}

fn compare(pizzeria: &Path, folder: &Path) -> (i32, String) {
    let bare = folder.join("bare");
    fs::write(&bare, PRETENDED_BARE).unwrap();
    fs::set_permissions(&bare, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_load"));
    command.args(["compare", "--rounds", "3", "--pizzas", "1000", "--single-orders", "10"]);
    command.arg("--pizzeria").arg(pizzeria).arg("--bare").arg(bare).arg("--dir").arg(folder);
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap();
    (status.code().unwrap(), text)
}

#[test]
fn a_comparison_prints_each_round_and_the_medians_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (code, text) = compare(&kitchen(), folder.path());
    assert_eq!(code, 0, "{text}");
    assert_eq!(text.lines().count(), 1 + 3 + 2, "{text}");
    assert!(text.contains("median of the ratios"), "{text}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "only the bare loop that we have put there");
}

#[test]
fn a_product_that_does_not_start_ends_the_comparison_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let (code, text) = compare(&folder.path().join("nothing"), folder.path());
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("cannot start"), "{text}");
}
