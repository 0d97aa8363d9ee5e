//! A service that one of its records ends, with its whole process, wherever it runs.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{self, Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use linecook::{Definition, PartialCounts, Service, Topic};
use linecook_log::{
    BatchBuilder, Clock, GroupName, Log, NewRecord, Origin, Partition, SystemClock, Timestamp, TopicPartition,
    TopicSpec, partition_of,
};

use crate::moody::{Open, PARTITIONS, name, read_all, start};

const WORDS: Topic<String, String> = Topic::new("words");
const SHOUTED: Topic<String, String> = Topic::new("words-shouted");
const MEASURED: Topic<String, u64> = Topic::new("words-measured");
const HEARD: PartialCounts<String> = PartialCounts::new("words-heard");

const SERVICE: Definition = Definition::new("deadly-service", 0, build);

fn build(service: &mut Service) {
    service.stage(WORDS, SHOUTED, |word: String, _| {
        if word == "deadly" {
            process::abort();
        }
        Ok(word.to_uppercase())
    });
    service.stage(WORDS, MEASURED, |word: String, _| Ok(word.len() as u64));
    service.count(HEARD, WORDS, |word: String| word);
}

const KEYS: usize = 30;
const WORDS_EACH: usize = 20;

/// Of the deadly record's key, so many come after it.
const BEHIND: usize = 9;
const DEADLY_KEY: usize = 11;

/// What the process that ends is told by.
const TOLD: &str = "LINECOOK_TEST_DEADLY";
const IS_DONE: &str = "all is done";

/// The process that ends. Does nothing, unless [`run`] has started it.
pub(crate) fn be_ended(open: Open) {
    let Ok(told) = std::env::var(TOLD) else { return };
    let (log, _running) = start(SERVICE, &told, open);
    let all = KEYS * WORDS_EACH;
    while read_all(&*log, &name(MEASURED.name())).len() < all
        || read_all(&*log, &name(SHOUTED.name())).len() < all - BEHIND - 1
        || read_all(&*log, &name("deadly-service.dead-letters")).is_empty()
    {
        thread::sleep(Duration::from_millis(20));
    }
    let mut out = std::io::stdout();
    // Until it is killed, or its parent is gone.
    while writeln!(out, "{IS_DONE}").and_then(|()| out.flush()).is_ok() {
        thread::sleep(Duration::from_millis(10));
    }
}

/// Starts `test`, which calls [`be_ended`], until it ends no more, and looks at what has come of it. Returns how often it has
/// ended.
pub(crate) fn run(test: &str, told: &str, open: Open) -> u32 {
    let clock = Arc::new(SystemClock::new());
    let log = open(told, Arc::clone(&clock));
    let topics = [name(WORDS.name()), name(SHOUTED.name()), name(MEASURED.name())];
    log.create_topics(&topics.map(|name| TopicSpec { name, partition_count: PARTITIONS })).unwrap();
    write_words(&*log, &*clock);
    log.close().unwrap();
    drop(log);
    let mut deaths = 0;
    while !ends_well(test, told) {
        deaths += 1;
        assert!(deaths < 20, "it goes on and on");
    }
    let log = open(told, clock);
    check(&*log);
    log.close().unwrap();
    deaths
}

/// Whether the process is through with all records. It is killed then, or has ended by itself.
fn ends_well(test: &str, told: &str) -> bool {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(TOLD, told).env("RUST_LOG", "error");
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let is_done = lines.any(|line| line.contains(IS_DONE));
    child.kill().unwrap();
    child.wait().unwrap();
    is_done
}

fn write_words(log: &dyn Log, clock: &dyn Clock) {
    let service = GroupName::new("poet").unwrap();
    let origin = Origin { service, taken_at: Timestamp(0), attempt: 1, source: None };
    let mut batches: Vec<_> = (0..PARTITIONS).map(|_| BatchBuilder::new(&origin, 0)).collect();
    for number in 0..WORDS_EACH {
        for key in 0..KEYS {
            let is_deadly = key == DEADLY_KEY && number == WORDS_EACH - BEHIND - 1;
            let value = if is_deadly { "\"deadly\"".to_owned() } else { format!("\"word {number}\"") };
            let key = key.to_string();
            let partition = usize::try_from(partition_of(key.as_bytes(), PARTITIONS).0).unwrap();
            let (key, value) = (Some(key.as_bytes()), Some(value.as_bytes()));
            batches[partition].push(&NewRecord { key, value, timestamp: Timestamp(0), headers: &[] }).unwrap();
        }
    }
    for (partition, batch) in (0..).zip(batches) {
        let to = TopicPartition::new(&name(WORDS.name()), Partition(partition));
        log.append(&to, batch).unwrap().wait(Duration::from_secs(10), clock).unwrap();
    }
}

/// All other records were shouted once, in the order of their keys; those that are measured have nothing to do with it.
fn check(log: &dyn Log) {
    let letters = read_all(log, &name("deadly-service.dead-letters"));
    assert_eq!(letters, [(DEADLY_KEY.to_string(), "\"deadly\"".to_owned())]);
    for key in 0..KEYS {
        let of_key = |topic: &str| {
            let all = read_all(log, &name(topic)).into_iter().filter(|(of, _)| *of == key.to_string());
            all.map(|(_, value)| value).collect::<Vec<_>>()
        };
        let count = if key == DEADLY_KEY { WORDS_EACH - BEHIND - 1 } else { WORDS_EACH };
        let expected: Vec<_> = (0..count).map(|number| format!("\"WORD {number}\"")).collect();
        assert_eq!(of_key(SHOUTED.name()), expected);
        assert_eq!(of_key(MEASURED.name()).len(), WORDS_EACH);
    }
}
