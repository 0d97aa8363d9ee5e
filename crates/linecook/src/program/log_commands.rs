//! `log check`, `log dump`, `groups list`, `groups drop`: what an operator asks a log.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::ArgMatches;
use linecook_embedded::inspect::{Inspection, Progress, check_holds_log};
use linecook_log::{Clock, GroupName, Log, Offset, SystemClock, TopicPartition};

use super::{
    Stop,
    dump::dump,
    open_log::{self, LogKind},
    print,
    process_settings::ProcessSettings,
};

pub(crate) fn log(matches: &ArgMatches, process: &ProcessSettings) -> Result<(), Stop> {
    match matches.subcommand() {
        Some(("check", matches)) => check(matches, process),
        Some(("dump", matches)) => dump(matches, process),
        _ => Err(Stop::usage("log check, or log dump")),
    }
}

/// Exit code 1 when there is damage that a crash does not explain.
fn check(matches: &ArgMatches, process: &ProcessSettings) -> Result<(), Stop> {
    if process.log != LogKind::Embedded {
        return Err(Stop::usage(
            "`log check` reads the files of the embedded log; a cluster has tools of its own: log=kafka",
        ));
    }
    let data_dir = matches.get_one::<PathBuf>("dir").unwrap_or(&process.data_dir);
    let report = Inspection::open(existing(data_dir)?)?.report();
    if matches.get_flag("json") {
        let text = serde_json::to_string(&report).map_err(|error| Stop::failed(error.to_string()))?;
        print(&format!("{text}\n"))?;
    } else {
        print(&report)?;
    }
    if report.is_sound() { Ok(()) } else { Err(Stop::failed("the log is damaged")) }
}

/// Asking must not make a log.
pub(super) fn existing_log(data_dir: &Path) -> Result<&Path, Stop> {
    check_holds_log(existing(data_dir)?)?;
    Ok(data_dir)
}

/// Looking must not make a directory.
pub(super) fn existing(data_dir: &Path) -> Result<&Path, Stop> {
    if data_dir.is_dir() {
        return Ok(data_dir);
    }
    Err(Stop::usage(format!("there is no such data directory: data_dir={}", data_dir.display())))
}

pub(crate) fn groups(matches: &ArgMatches, process: &ProcessSettings) -> Result<(), Stop> {
    match (matches.subcommand(), process.log) {
        (Some(("drop", matches)), _) => drop_group(matches, process),
        (_, LogKind::Embedded) => list_groups_in_files(process),
        (_, LogKind::Kafka) => list_groups(process),
    }
}

/// Changes the data, so it opens the log as the program itself does, with the settings in force.
fn drop_group(matches: &ArgMatches, process: &ProcessSettings) -> Result<(), Stop> {
    let name = GroupName::new(matches.get_one::<String>("name").map_or("", String::as_str))?;
    if process.log == LogKind::Embedded {
        existing_log(&process.data_dir)?;
    }
    ask(process, |log| log.drop_group(&name))?;
    print(&format!("forgot {name}: if its service runs again, it goes on with records that come from now on\n"))
}

/// Looks only: an embedded log that is opened keeps house, and that may drop what is old.
fn list_groups_in_files(process: &ProcessSettings) -> Result<(), Stop> {
    let report = Inspection::open(existing(&process.data_dir)?)?.report();
    let mut text = String::new();
    for group in report.groups {
        writeln!(text, "{}", group.name).expect("a String takes all");
        for progress in group.partitions {
            let Progress { partition, offset, lag, .. } = progress;
            add_progress(&mut text, &partition, offset, lag);
        }
    }
    print(&text)
}

fn list_groups(process: &ProcessSettings) -> Result<(), Stop> {
    print(&ask(process, described_groups)?)
}

fn described_groups(log: &dyn Log) -> linecook_log::Result<String> {
    let groups = log.groups()?;
    let topics = log.describe()?;
    let end = |at: &TopicPartition| topics.iter().find(|topic| topic.name == at.topic)?.partition(at.partition);
    let mut text = String::new();
    for group in groups {
        writeln!(text, "{}", group.name).expect("a String takes all");
        for (at, offset) in group.offsets {
            let lag = end(&at).map_or(0, |partition| partition.end.0.saturating_sub(offset.0));
            add_progress(&mut text, &at, offset, lag);
        }
    }
    Ok(text)
}

fn add_progress(text: &mut String, partition: &TopicPartition, offset: Offset, lag: u64) {
    writeln!(text, "  {partition}  offset {offset}  lag {lag}").expect("a String takes all");
}

/// Opens the log, asks, and closes it.
fn ask<T>(process: &ProcessSettings, question: impl FnOnce(&dyn Log) -> linecook_log::Result<T>) -> Result<T, Stop> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let log = open_log::open_to_ask(process, &clock)?;
    let answer = question(&*log)?;
    log.close()?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ScriptedLog;

    #[test]
    fn groups_are_listed_with_how_far_they_are() {
        let log = ScriptedLog::with_topics(&["words"]);
        log.0.lock().group_offsets = vec![("shouter", "words/1", 0)];
        assert_eq!(described_groups(&log).unwrap(), "shouter\n  words/1  offset 0  lag 0\n");
    }
}
