//! `log check`, `log dump`, `groups list`, `groups drop`: what an operator asks a data directory.

use std::{
    fmt::Write as _,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::ArgMatches;
use linecook_embedded::inspect::{Inspection, Progress, StoredRecord};
use linecook_log::{Clock, GroupName, Offset, Partition, SystemClock, TopicName};
use serde_json::{Value, json};

use super::{Stop, print, process_settings::ProcessSettings, run::open_log};

pub(crate) fn log(matches: &ArgMatches, process: &ProcessSettings) -> Result<(), Stop> {
    match matches.subcommand() {
        Some(("check", matches)) => check(matches, process),
        Some(("dump", matches)) => dump(matches, process),
        _ => Err(Stop::usage("log check, or log dump")),
    }
}

/// Exit code 1 when there is damage that a crash does not explain.
fn check(matches: &ArgMatches, process: &ProcessSettings) -> Result<(), Stop> {
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

fn dump(matches: &ArgMatches, process: &ProcessSettings) -> Result<(), Stop> {
    let topic = TopicName::new(matches.get_one::<String>("topic").map_or("", String::as_str))?;
    let partition = matches.get_one::<u32>("partition").copied().map(Partition);
    let from = Offset(matches.get_one::<u64>("from").copied().unwrap_or(0));
    let inspection = Inspection::open(existing(&process.data_dir)?)?;
    let line = if matches.get_flag("json") { json_line } else { text_line };
    let mut out = BufWriter::new(io::stdout().lock());
    for record in inspection.records(&topic, partition, from)? {
        match writeln!(out, "{}", line(&record?)) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            outcome => outcome.map_err(|error| Stop::failed(error.to_string()))?,
        }
    }
    out.flush().map_err(|error| Stop::failed(error.to_string()))
}

/// Looking must not make a directory.
fn existing(data_dir: &Path) -> Result<&Path, Stop> {
    if data_dir.is_dir() {
        return Ok(data_dir);
    }
    Err(Stop::usage(format!("there is no such data directory: data_dir={}", data_dir.display())))
}

fn text_line(record: &StoredRecord) -> String {
    let shown = |bytes: &Option<bytes::Bytes>| match bytes {
        None => "-".to_owned(),
        Some(bytes) => bytes.escape_ascii().to_string().replace("\\\"", "\""),
    };
    let mut line = format!("{}/{}  {}  {}", record.partition, record.offset, shown(&record.key), shown(&record.value));
    for (name, value) in &record.headers {
        write!(line, "  {name}={}", value.escape_ascii()).expect("a String takes all");
    }
    line
}

/// Keys and values are text where they are UTF-8, else a list of bytes.
fn json_line(record: &StoredRecord) -> String {
    let shown = |bytes: &[u8]| str::from_utf8(bytes).map_or_else(|_| json!(bytes), |text| json!(text));
    let headers: Vec<Value> = record.headers.iter().map(|(name, value)| json!([name, shown(value)])).collect();
    let source = record.origin.source.as_ref().map(|source| {
        json!({
            "topic": source.from.topic.as_str(),
            "partition": source.from.partition.0,
            "first": source.first.0,
            "last": source.last.0,
        })
    });
    let line = json!({
        "partition": record.partition.0,
        "offset": record.offset.0,
        "commit": record.commit.0,
        "committed_at": record.committed_at.0,
        "timestamp": record.timestamp.0,
        "key": record.key.as_deref().map(shown),
        "value": record.value.as_deref().map(shown),
        "headers": headers,
        "service": record.origin.service.as_str(),
        "source": source,
    });
    line.to_string()
}

pub(crate) fn groups(matches: &ArgMatches, process: &ProcessSettings) -> Result<(), Stop> {
    match matches.subcommand() {
        Some(("drop", matches)) => drop_group(matches, process),
        _ => list_groups(process),
    }
}

/// Changes the data, so it opens the log as the program itself does, with the settings in force.
fn drop_group(matches: &ArgMatches, process: &ProcessSettings) -> Result<(), Stop> {
    let name = GroupName::new(matches.get_one::<String>("name").map_or("", String::as_str))?;
    existing(&process.data_dir)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let log = open_log(process, &clock)?;
    log.drop_group(&name)?;
    log.close()?;
    print(&format!("forgot {name}: if its service runs again, it goes on with records that come from now on\n"))
}

/// Looks only: a log that is opened keeps house, and that may drop what is old.
fn list_groups(process: &ProcessSettings) -> Result<(), Stop> {
    let report = Inspection::open(existing(&process.data_dir)?)?.report();
    let mut text = String::new();
    for group in report.groups {
        writeln!(text, "{}", group.name).expect("a String takes all");
        for progress in group.partitions {
            let Progress { partition, offset, lag, .. } = progress;
            writeln!(text, "  {partition}  offset {offset}  lag {lag}").expect("a String takes all");
        }
    }
    print(&text)
}
