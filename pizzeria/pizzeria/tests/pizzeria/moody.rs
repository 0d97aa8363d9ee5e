//! A service that some of its records find in a bad mood, for a while: its processes are killed at random moments, and what
//! has come of the records is looked at from outside.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use linecook::{Definition, Failure, FailurePolicy, Random, Running, Service, Table, Topic, settings::Sources};
use linecook_log::{
    BatchBuilder, Clock, GroupName, Log, NewRecord, Offset, Origin, Partition, SystemClock, Timestamp, TopicName,
    TopicPartition, TopicSpec, partition_of,
};

use crate::process::until_within;

linecook::event! {
    /// Something to be done for a guest.
    pub(crate) struct Errand {
        /// Those of a guest, from 1.
        number: u64,
        /// How often it is put off before it is done.
        refusals: u16,
    }
}

const ERRANDS: Topic<u64, Errand> = Topic::new("errands");
const DONE: Topic<u64, Errand> = Topic::new("errands-done");
const NOTES: Topic<u64, Errand> = Topic::new("errands-noted");
/// The number of the errand that was noted last.
const NOTED: Table<u64, u64> = Table::new("noted");

const SERVICE: Definition = Definition::new("moody-service", 0, build);

fn build(service: &mut Service) {
    let policy = FailurePolicy::skip().attempts(20).backoff(Duration::from_millis(20), Duration::from_millis(80));
    let stage = service.stage(ERRANDS, DONE, |errand, context| match context.attempt() {
        attempt if attempt <= errand.refusals => Err(Failure::retry("not now")),
        _ => Ok(errand),
    });
    stage.on_failure(policy);
    let table = service.table(NOTED).emits(NOTES).on_failure(policy);
    table.fold(ERRANDS, |entry, errand, context| {
        if context.attempt() <= errand.refusals / 2 {
            return Err(Failure::retry("not now, either"));
        }
        let before = entry.state().copied().unwrap_or(0);
        if errand.number != before + 1 {
            return Err(Failure::reject(format!("overtaken: before={before}")));
        }
        entry.put(errand.number);
        entry.emit(&NOTES, &errand)
    });
}

pub(crate) const PARTITIONS: u32 = 4;
const GUESTS: usize = 60;
const ERRANDS_EACH: u64 = 40;
const ERRANDS_IN_ALL: u64 = GUESTS as u64 * ERRANDS_EACH;
const KILLS: u64 = 8;

/// What the process that is to be killed is told by.
const FOLDER: &str = "LINECOOK_TEST_MOODY";

/// What it says again and again: how much is done.
const DONE_SO_FAR: &str = "done so far: ";

/// How such a process gets to the log: by what it is told.
pub(crate) type Open = fn(told: &str, clock: Arc<SystemClock>) -> Arc<dyn Log>;

/// The process that is killed. Does nothing, unless [`run`] has started it.
pub(crate) fn be_killed(open: Open) {
    let Ok(told) = std::env::var(FOLDER) else { return };
    let (log, _running) = start(SERVICE, &told, open);
    let mut out = std::io::stdout();
    // Until it is killed, or its parent is gone.
    while writeln!(out, "{DONE_SO_FAR}{}", ends(&*log, &[DONE, NOTES])).and_then(|()| out.flush()).is_ok() {
        thread::sleep(Duration::from_millis(10));
    }
}

/// A service on the log that the process was told of.
pub(crate) fn start(service: Definition, told: &str, open: Open) -> (Arc<dyn Log>, Running) {
    let clock = Arc::new(SystemClock::new());
    let log = open(told, Arc::clone(&clock));
    let settings = Sources::new().with_flags([("http-address".to_owned(), "127.0.0.1:0".to_owned())]);
    let running = Running::start(&service.into(), settings, Arc::clone(&log), clock).unwrap();
    (log, running)
}

/// How far these topics go, all together: on Kafka with what is no record.
fn ends(log: &dyn Log, topics: &[Topic<u64, Errand>]) -> u64 {
    let names: Vec<_> = topics.iter().map(|topic| name(topic.name())).collect();
    let found = log.describe_only(&names).unwrap_or_default();
    found.iter().flat_map(|topic| &topic.partitions).map(|partition| partition.end.0).sum()
}

/// Starts `test`, which calls [`be_killed`], and kills it, again and again while errands are done; then waits until all are.
pub(crate) fn run(test: &str, told: &str, open: Open) {
    let clock = Arc::new(SystemClock::new());
    let log = open(told, Arc::clone(&clock));
    let topics = [ERRANDS, DONE, NOTES].map(|topic| name(topic.name()));
    let topics = topics.map(|name| TopicSpec { name, partition_count: PARTITIONS });
    log.create_topics(&topics).unwrap();
    write_errands(&*log, &*clock);
    log.close().unwrap();
    drop(log);
    let random = Random::seeded(7);
    for _ in 0..KILLS {
        kill_after(random.below(ERRANDS_IN_ALL / KILLS), test, told);
    }
    let (log, running) = start(SERVICE, told, open);
    let count = |topic: Topic<u64, Errand>| read_all(&*log, &name(topic.name())).len() as u64;
    assert!(count(DONE) < ERRANDS_IN_ALL, "the last kill came too late");
    until_within(Duration::from_secs(60), "all is done", || {
        (count(DONE).min(count(NOTES)) >= ERRANDS_IN_ALL).then_some(())
    });
    running.stop().unwrap();
    check(&*open(told, clock));
}

/// A process of [`be_killed`], which is killed when it has done so much, and a little more.
fn kill_after(much: u64, test: &str, told: &str) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(FOLDER, told).env("RUST_LOG", "error");
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut told = lines.filter_map(|line| line.split_once(DONE_SO_FAR)?.1.parse::<u64>().ok());
    let before = told.next().expect("it says how much is done");
    told.find(|done| done - before > much).expect("it goes on");
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Of each guest a number of errands, mixed with those of others; one in three is put off once or more.
fn write_errands(log: &dyn Log, clock: &dyn Clock) {
    let random = Random::seeded(3);
    let mut next = [1_u64; GUESTS];
    let mut batches: Vec<_> = (0..PARTITIONS).map(|_| new_batch()).collect();
    let mut left: Vec<_> = (0..GUESTS).collect();
    while !left.is_empty() {
        let guest = *random.choose(&left);
        let number = &mut next[guest];
        let refusals = if random.below(3) == 0 { 1 + random.below(5) } else { 0 };
        let value = format!(r#"{{"number":{number},"refusals":{refusals}}}"#);
        let key = guest.to_string();
        let partition = usize::try_from(partition_of(key.as_bytes(), PARTITIONS).0).unwrap();
        let (key, value) = (Some(key.as_bytes()), Some(value.as_bytes()));
        batches[partition].push(&NewRecord { key, value, timestamp: Timestamp(0), headers: &[] }).unwrap();
        *number += 1;
        if *number > ERRANDS_EACH {
            left.retain(|other| *other != guest);
        }
    }
    for (partition, batch) in (0..).zip(batches) {
        let to = TopicPartition::new(&name(ERRANDS.name()), Partition(partition));
        log.append(&to, batch).unwrap().wait(Duration::from_secs(10), clock).unwrap();
    }
}

pub(crate) fn name(topic: &str) -> TopicName {
    TopicName::new(topic).unwrap()
}

fn new_batch() -> BatchBuilder {
    let service = GroupName::new("guests").unwrap();
    BatchBuilder::new(&Origin { service, taken_at: Timestamp(0), attempt: 1, source: None }, 0)
}

/// Each errand was done and noted once, in the order of its guest, and none is a dead letter.
fn check(log: &dyn Log) {
    for topic in [DONE, NOTES].map(|topic| name(topic.name())) {
        let mut done = [0_u64; GUESTS];
        for (key, value) in read_all(log, &topic) {
            let errand: serde_json::Value = serde_json::from_str(&value).unwrap();
            let before = &mut done[key.parse::<usize>().unwrap()];
            assert_eq!(errand["number"].as_u64(), Some(*before + 1), "guest {key} in {topic}");
            *before += 1;
        }
        assert_eq!(done, [ERRANDS_EACH; GUESTS], "{topic}");
    }
    let letters = name("moody-service.dead-letters");
    assert_eq!(read_all(log, &letters), []);
}

/// The key and the value of each record of a topic.
pub(crate) fn read_all(log: &dyn Log, topic: &TopicName) -> Vec<(String, String)> {
    let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap_or_default().to_vec()).unwrap();
    let mut all = Vec::new();
    for partition in Partition::all(PARTITIONS) {
        let mut next = Offset(0);
        loop {
            let batches = log.read(&TopicPartition::new(topic, partition), next, 1 << 20).unwrap();
            let Some(last) = batches.last() else { break };
            next = last.end();
            let records = batches.iter().flat_map(|batch| batch.records());
            all.extend(records.map(|record| (text(record.key), text(record.value))));
        }
    }
    all
}
