//! `log dump`: the records of a topic, a line each.

use std::{
    fmt::Write as _,
    io::{self, BufWriter, Write},
    sync::Arc,
};

use clap::ArgMatches;
use linecook_embedded::inspect::{Inspection, StoredRecord};
use linecook_log::{
    Batch, Clock, Log, Offset, Origin, Partition, PartitionDescription, Record, SystemClock, Timestamp, TopicName,
    TopicPartition,
};
use serde_json::{Value, json};

use super::{
    Stop,
    log_commands::existing,
    open_log::{self, LogKind},
    process_settings::ProcessSettings,
};

/// What is asked for.
struct Wanted {
    topic: TopicName,
    partition: Option<Partition>,
    from: Offset,
}

/// About how much is read from a cluster at once.
const READ_BYTES: usize = 1 << 20;

pub(super) fn dump(matches: &ArgMatches, process: &ProcessSettings) -> Result<(), Stop> {
    let wanted = Wanted {
        topic: TopicName::new(matches.get_one::<String>("topic").map_or("", String::as_str))?,
        partition: matches.get_one::<u32>("partition").copied().map(Partition),
        from: Offset(matches.get_one::<u64>("from").copied().unwrap_or(0)),
    };
    let line = if matches.get_flag("json") { json_line } else { text_line };
    let mut lines = Lines { out: BufWriter::new(io::stdout().lock()), line };
    let outcome = match process.log {
        LogKind::Embedded => dump_files(&wanted, process, &mut lines),
        LogKind::Kafka => dump_log(&wanted, process, &mut lines),
    };
    match outcome.and_then(|()| lines.end()) {
        Err(Ended::NobodyReads) => Ok(()),
        Err(Ended::Failed(stop)) => Err(stop),
        Ok(()) => Ok(()),
    }
}

fn dump_files(wanted: &Wanted, process: &ProcessSettings, lines: &mut Lines<impl Write>) -> Result<(), Ended> {
    let inspection = Inspection::open(existing(&process.data_dir)?)?;
    for record in inspection.records(&wanted.topic, wanted.partition, wanted.from)? {
        lines.print(&Shown::of_stored(&record?))?;
    }
    Ok(())
}

/// Up to what was there when it was asked, or there might be no end of it.
fn dump_log(wanted: &Wanted, process: &ProcessSettings, lines: &mut Lines<impl Write>) -> Result<(), Ended> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let log = open_log::open_to_ask(process, &clock)?;
    let outcome = dump_topic(wanted, &*log, lines);
    log.close()?;
    outcome
}

fn dump_topic(wanted: &Wanted, log: &dyn Log, lines: &mut Lines<impl Write>) -> Result<(), Ended> {
    let topic = log.describe()?.into_iter().find(|topic| topic.name == wanted.topic);
    let topic = topic.ok_or_else(|| Stop::usage(format!("no such topic: topic={}", wanted.topic)))?;
    let count = u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX);
    if let Some(partition) = wanted.partition.filter(|partition| partition.0 >= count) {
        let text = format!("no such partition: topic={} partition={partition} partitions={count}", wanted.topic);
        return Err(Stop::usage(text).into());
    }
    for partition in Partition::all(count).filter(|at| wanted.partition.is_none_or(|wanted| wanted == *at)) {
        let Some(PartitionDescription { start, end }) = topic.partition(partition) else { continue };
        let at = TopicPartition::new(&wanted.topic, partition);
        let mut next = wanted.from.max(start);
        while next < end {
            let batches = log.read(&at, next, READ_BYTES)?;
            let Some(last) = batches.last() else { break };
            let after = last.end();
            for batch in &batches {
                let origin = batch.origin().ok();
                for record in batch.records_from(next) {
                    lines.print(&Shown::of_read(partition, &record, batch, origin.as_ref()))?;
                }
            }
            next = after;
        }
    }
    Ok(())
}

/// Why no more lines come.
#[derive(Debug)]
enum Ended {
    NobodyReads,
    Failed(Stop),
}

impl From<Stop> for Ended {
    fn from(stop: Stop) -> Self {
        Self::Failed(stop)
    }
}

impl From<linecook_log::Error> for Ended {
    fn from(error: linecook_log::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::NobodyReads,
            _ => Self::Failed(Stop::failed(error.to_string())),
        }
    }
}

struct Lines<W> {
    out: W,
    line: fn(&Shown<'_>) -> String,
}

impl<W: Write> Lines<W> {
    fn print(&mut self, record: &Shown<'_>) -> Result<(), Ended> {
        Ok(writeln!(self.out, "{}", (self.line)(record))?)
    }

    fn end(&mut self) -> Result<(), Ended> {
        Ok(self.out.flush()?)
    }
}

/// What is shown of a record.
struct Shown<'a> {
    partition: Partition,
    offset: Offset,
    /// Only the embedded log numbers its commits.
    commit: Option<u64>,
    committed_at: Timestamp,
    timestamp: Timestamp,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: Vec<(&'a str, &'a [u8])>,
    /// None for a record of a client that does not say.
    origin: Option<&'a Origin>,
}

impl<'a> Shown<'a> {
    fn of_stored(record: &'a StoredRecord) -> Self {
        Self {
            partition: record.partition,
            offset: record.offset,
            commit: Some(record.commit.0),
            committed_at: record.committed_at,
            timestamp: record.timestamp,
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: record.headers.iter().map(|(name, value)| (name.as_str(), &value[..])).collect(),
            origin: Some(&record.origin),
        }
    }

    fn of_read(partition: Partition, record: &Record<'a>, batch: &Batch, origin: Option<&'a Origin>) -> Self {
        Self {
            partition,
            offset: record.offset,
            commit: None,
            committed_at: batch.committed_at(),
            timestamp: record.timestamp,
            key: record.key,
            value: record.value,
            headers: record.headers.map(|header| (header.name, header.value)).collect(),
            origin,
        }
    }
}

fn text_line(record: &Shown<'_>) -> String {
    let shown = |bytes: Option<&[u8]>| match bytes {
        None => "-".to_owned(),
        Some(bytes) => bytes.escape_ascii().to_string().replace("\\\"", "\""),
    };
    let mut line = format!("{}/{}  {}  {}", record.partition, record.offset, shown(record.key), shown(record.value));
    for (name, value) in &record.headers {
        write!(line, "  {name}={}", value.escape_ascii()).expect("a String takes all");
    }
    line
}

/// Keys and values are text where they are UTF-8, else a list of bytes.
fn json_line(record: &Shown<'_>) -> String {
    let shown = |bytes: &[u8]| str::from_utf8(bytes).map_or_else(|_| json!(bytes), |text| json!(text));
    let headers: Vec<Value> = record.headers.iter().map(|(name, value)| json!([name, shown(value)])).collect();
    let source = record.origin.and_then(|origin| origin.source.as_ref()).map(|source| {
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
        "commit": record.commit,
        "committed_at": record.committed_at.0,
        "timestamp": record.timestamp.0,
        "key": record.key.map(shown),
        "value": record.value.map(shown),
        "headers": headers,
        "service": record.origin.map(|origin| origin.service.as_str()),
        "source": source,
    });
    line.to_string()
}

#[cfg(test)]
mod tests {
    use linecook_embedded::EmbeddedLog;
    use linecook_log::{BatchBuilder, GroupName, NewRecord, TopicSpec};

    use super::*;

    fn log_with_words(folder: &std::path::Path) -> EmbeddedLog {
        let log = EmbeddedLog::open(folder, Default::default(), Arc::new(SystemClock::new())).unwrap();
        let name = TopicName::new("words").unwrap();
        log.create_topics(&[TopicSpec { name: name.clone(), partition_count: 2 }]).unwrap();
        for (partition, words) in [(0, ["a", "b"]), (1, ["c", "d"])] {
            for word in words {
                let service = GroupName::new("test").unwrap();
                let origin = Origin { service, taken_at: Timestamp(0), attempt: 1, source: None };
                let mut batch = BatchBuilder::new(&origin, 0);
                let record =
                    NewRecord { key: None, value: Some(word.as_bytes()), timestamp: Timestamp(0), headers: &[] };
                batch.push(&record).unwrap();
                let stored = log.append(&TopicPartition::new(&name, Partition(partition)), batch).unwrap();
                stored.wait(std::time::Duration::from_secs(30), &SystemClock::new()).unwrap();
            }
        }
        log
    }

    fn dumped(log: &dyn Log, topic: &str, partition: Option<u32>, from: u64) -> Result<String, Ended> {
        let topic = TopicName::new(topic).unwrap();
        let wanted = Wanted { topic, partition: partition.map(Partition), from: Offset(from) };
        let mut lines = Lines { out: Vec::new(), line: text_line };
        dump_topic(&wanted, log, &mut lines)?;
        Ok(String::from_utf8(lines.out).unwrap())
    }

    #[test]
    fn what_any_log_has_is_printed_up_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let log = log_with_words(folder.path());
        assert_eq!(dumped(&log, "words", None, 0).unwrap(), "0/0  -  a\n0/1  -  b\n1/0  -  c\n1/1  -  d\n");
        assert_eq!(dumped(&log, "words", Some(1), 1).unwrap(), "1/1  -  d\n");
        assert_eq!(dumped(&log, "words", None, 7).unwrap(), "");
        for (topic, partition, part) in [("wordz", None, "topic=wordz"), ("words", Some(2), "partitions=2")] {
            let Err(Ended::Failed(stop)) = dumped(&log, topic, partition, 0) else { panic!("it is there") };
            assert!(stop.code() == 2 && stop.message().contains(part), "{stop:?}");
        }
        log.close().unwrap();
    }
}
