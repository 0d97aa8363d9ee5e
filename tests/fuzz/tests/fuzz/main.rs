//! Each target for a moment, by one seed; `FUZZ_SECONDS` is for longer, by another seed each time.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{env, path::PathBuf, time::Duration};

use linecook_log::{Batch, Offset, Timestamp};

fn holds(name: &str) {
    let target = fuzz::find(name).unwrap();
    let seconds = env::var("FUZZ_SECONDS").ok().map(|text| text.parse().expect("FUZZ_SECONDS is a number"));
    let seed = if seconds.is_some() { u64::from(std::process::id()) } else { 1 };
    let findings = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("findings");
    let duration = Duration::from_secs(seconds.unwrap_or(1));
    match target.run(seed, duration, &findings) {
        Ok(count) => eprintln!("{name}: {count} inputs by the seed {seed}"),
        Err(finding) => {
            let (number, file) = (finding.number, finding.file.display());
            panic!("found by the seed {seed}, number {number:?}: cargo run -p fuzz -- {name} {file}");
        }
    }
}

#[test]
fn batches() {
    holds("batch");
}

#[test]
fn requests() {
    holds("http");
}

#[test]
fn events() {
    holds("json");
}

#[test]
fn settings_files() {
    holds("properties");
}

/// A check that always holds would find nothing.
#[test]
fn a_target_that_panics_is_found_and_its_input_written_down() {
    let target = fuzz::Target { name: "json", begin: || Box::new(|input| assert!(input.starts_with(b"{"), "found")) };
    let findings = tempfile::tempdir().unwrap();
    let finding = target.run(3, Duration::from_secs(20), findings.path()).unwrap_err();
    let number = finding.number.unwrap();
    let corpus = target.corpus().unwrap().into_iter().map(|(_, input)| input).collect();
    let input = fuzz::Mutator::new(corpus).make(3, number).to_vec();
    assert_eq!(std::fs::read(finding.file).unwrap(), input);
    assert!(!input.starts_with(b"{"));
}

/// One that is none would only be made into others that are none.
#[test]
fn what_is_in_the_corpus_of_batches_is_one() {
    for (file, input) in fuzz::find("batch").unwrap().corpus().unwrap() {
        let batch = Batch::parse(Offset(0), Timestamp(0), input.into());
        assert!(batch.is_ok_and(|batch| batch.origin().is_ok()), "{}", file.display());
    }
}
