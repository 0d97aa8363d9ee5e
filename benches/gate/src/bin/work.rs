//! Does the work of one case: what callgrind looks at. It is a program of its own so that the allocator that counts is not in
//! it, whose own instructions would be counted.

use std::process::ExitCode;

use micro::{CASES, Work};

/// The name of a case, and of how many records.
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, records] = &arguments[..] else { return usage() };
    let (Some(case), Ok(records)) = (CASES.iter().find(|case| case.name() == name), records.parse()) else {
        return usage();
    };
    let work = case.prepare(records);
    drop(gated(work));
    ExitCode::SUCCESS
}

/// What is counted: callgrind begins when a thread comes here, and ends when it goes.
#[inline(never)]
fn gated(work: Work) -> Box<dyn std::any::Any> {
    // Not the call's own result, or it would be a jump, and the function be over before its work.
    std::hint::black_box(work())
}

fn usage() -> ExitCode {
    eprintln!("usage: work CASE RECORDS");
    ExitCode::from(2)
}
