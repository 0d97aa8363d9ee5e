//! What was measured on.

use std::{fmt, fs, thread};

use serde::Serialize;

/// The machine, as far as it decides on figures: no name, no address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// The processor's name, as Linux has it.
    pub processor: String,
    /// How many cores this process may use.
    pub cores: usize,
    /// Of memory, in GiB.
    pub memory_gib: u64,
    /// Linux, as `major.minor`.
    pub kernel: String,
}

impl Machine {
    /// This one.
    pub fn this() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        Self {
            processor: value_of(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown".to_owned()),
            cores: thread::available_parallelism().map_or(1, usize::from),
            memory_gib: memory_gib(&read("/proc/meminfo")),
            kernel: version(&rustix::system::uname().release().to_string_lossy()),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processor, cores, memory_gib, kernel } = self;
        write!(f, "{cores} cores of {processor}, {memory_gib} GiB, Linux {kernel}")
    }
}

/// What stands behind the first `name :` of a text of lines.
fn value_of(text: &str, name: &str) -> Option<String> {
    let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = pairs.find(|(found, _)| found.trim() == name)?;
    Some(value.trim().to_owned())
}

/// The first two numbers: what comes behind them names who has built it.
fn version(release: &str) -> String {
    release.split('.').take(2).collect::<Vec<_>>().join(".")
}

/// Rounded, since what the kernel keeps for itself is missing.
fn memory_gib(text: &str) -> u64 {
    let total = value_of(text, "MemTotal").unwrap_or_default();
    let kib: u64 = total.split(' ').next().and_then(|kib| kib.parse().ok()).unwrap_or_default();
    (kib + (1 << 19)) >> 20
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_what_linux_says_of_it() {
        let text = "processor\t: 0\nmodel name\t: A Processor: fast\nmodel name\t: another\n";
        assert_eq!(value_of(text, "model name").as_deref(), Some("A Processor: fast"));
        assert_eq!(memory_gib("MemTotal:       24656052 kB\nMemFree: 1 kB\n"), 24);
        assert_eq!(memory_gib(""), 0);
        assert_eq!(version("6.18.44-somebody"), "6.18");
    }
}
