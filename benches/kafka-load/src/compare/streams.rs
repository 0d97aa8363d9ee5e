//! Kafka Streams, as a program of its own: `streams/Stages.java`.

use std::{path::Path, process::Command};

use kafka_broker::{JavaProgram, JavaSource};

use crate::Result;

const SOURCE: JavaSource<'_> = JavaSource {
    name: "kafka-streams",
    pom: include_str!("../../streams/pom.xml"),
    main_class: "Stages",
    text: include_str!("../../streams/Stages.java"),
};

/// A row that changes nothing.
const DEFAULTS: &str = "defaults";
/// What a server's JVM would have: memory that need not grow, the collector that is the default on larger machines.
const JVM: [&str; 4] = ["-Xms512m", "-Xmx512m", "-XX:+UseG1GC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"];

/// The program, ready to run.
pub(super) struct Streams(JavaProgram);

impl Streams {
    pub(super) fn install() -> Result<Self> {
        Ok(Self(JavaProgram::of(SOURCE)?))
    }

    /// What starts it with the properties of a row: `defaults`, or `name=value` with spaces between them.
    pub(super) fn command(&self, servers: &str, prefix: &str, state: &Path, row: &str) -> Result<Command> {
        let mut command = self.0.command(&JVM)?;
        command.args([servers, prefix]).arg(state);
        command.args(row.split_whitespace().filter(|part| *part != DEFAULTS));
        // Last, so that no row goes without.
        command.arg("processing.guarantee=exactly_once_v2");
        Ok(command)
    }
}

/// The defaults, and all that makes a difference on two cores: how often it commits, in how many threads a stage. It waits
/// for records no longer than until a commit is due, and its producers never wait for more to send along.
pub(super) fn sweep() -> Vec<String> {
    let row = |threads: u32, interval: u32| {
        let times = format!("commit.interval.ms={interval} poll.ms={interval} producer.linger.ms=0");
        format!("{times} num.stream.threads={threads}")
    };
    let tuned =
        [1, 2, 4].into_iter().flat_map(|threads| [1, 5, 10, 20, 50, 100].map(|interval| row(threads, interval)));
    std::iter::once(DEFAULTS.to_owned()).chain(tuned).collect()
}

/// Whether that is a row, for the command line.
pub(super) fn row(text: &str) -> std::result::Result<String, String> {
    let is_property = |part: &str| part.split_once('=').is_some_and(|(name, _)| !name.is_empty());
    if text == DEFAULTS || (!text.trim().is_empty() && text.split_whitespace().all(is_property)) {
        return Ok(text.to_owned());
    }
    Err("`defaults` is wanted, or name=value, several with spaces between them".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_the_defaults_or_properties() {
        for good in ["defaults", "commit.interval.ms=10", "commit.interval.ms=10 producer.linger.ms=0"] {
            assert_eq!(row(good).as_deref(), Ok(good));
        }
        assert!(sweep().iter().all(|swept| row(swept).is_ok()) && sweep().len() == 19);
        for bad in ["", " ", "default", "=10", "commit.interval.ms=10 defaults"] {
            assert!(row(bad).is_err(), "{bad:?}");
        }
    }
}
