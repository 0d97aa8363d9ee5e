//! Instructions, as callgrind counts them.

use std::{fs, io::ErrorKind, process::Command};

use micro::Case;

use crate::Result;

/// What glibc chooses by the processor, chosen for it: `rep movsb`, which counts as an instruction a byte, is off, and how long
/// a copy must be to go past the caches does not depend on their size.
const SAME_COPIES: &str = "glibc.cpu.hwcaps=-ERMS,-FSRM:glibc.cpu.x86_non_temporal_threshold=0x10000000";

/// How many instructions the thread that works takes for so many records of a case.
pub(crate) fn instructions(case: Case, records: u32) -> Result<u64> {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("out");
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--collect-atstart=no", "--toggle-collect=work::gated*"]);
    command.arg(format!("--callgrind-out-file={}", out.display()));
    // Behind those of the caller, so that a test can say what the processor would.
    let given = std::env::var("GLIBC_TUNABLES").unwrap_or_default();
    command.env("GLIBC_TUNABLES", format!("{given}:{SAME_COPIES}").trim_start_matches(':'));
    command.arg(std::env::current_exe()?.with_file_name("work")).arg(case.name()).arg(records.to_string());
    let output = command.output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => "valgrind is missing: apt-get install valgrind".to_owned(),
        _ => format!("cannot run valgrind: {error}"),
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("valgrind ended with {}: case={case}\n{said}", output.status).into());
    }
    match instructions_in(&fs::read_to_string(&out)?) {
        Some(count) if count > 0 => Ok(count),
        _ => Err(format!("callgrind has counted nothing: case={case}").into()),
    }
}

/// The sum at the end of callgrind's output: `totals: 123`, or `summary: 123` in older ones.
fn instructions_in(text: &str) -> Option<u64> {
    let sum = |line: &str| line.strip_prefix("totals: ").or_else(|| line.strip_prefix("summary: ")).map(str::to_owned);
    text.lines().rev().find_map(sum)?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_stands_at_the_end() {
        assert_eq!(instructions_in("version: 1\nevents: Ir\nsummary: 7\nfn=(1)\n1 7\n\ntotals: 42\n"), Some(42));
        assert_eq!(instructions_in("version: 1\nsummary: 7\nfn=(1)\n"), Some(7));
        assert_eq!(instructions_in("version: 1\n"), None);
    }
}
