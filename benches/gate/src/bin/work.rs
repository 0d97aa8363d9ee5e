//! Does the work of one case: what callgrind looks at. It is a program of its own so that the allocator that counts is not in
//! it, whose own instructions would be counted. It prints the nanoseconds of CPU time that the work took on its thread.
#![expect(clippy::print_stdout, reason = "it is read by `gate`")]

use std::{fs, process::ExitCode};

use micro::{CASES, Work};

/// The name of a case, and of how many records.
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, records] = &arguments[..] else { return usage() };
    let (Some(case), Ok(records)) = (CASES.iter().find(|case| case.name() == name), records.parse()) else {
        return usage();
    };
    let work = case.prepare(records);
    let before = cpu_nanoseconds();
    let left = gated(work);
    println!("{}", cpu_nanoseconds().saturating_sub(before));
    drop(left);
    ExitCode::SUCCESS
}

/// Of this thread; 0 where the kernel does not tell. A clock would be read through what valgrind hides.
fn cpu_nanoseconds() -> u64 {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split_whitespace().next().and_then(|nanoseconds| nanoseconds.parse().ok()).unwrap_or(0)
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
