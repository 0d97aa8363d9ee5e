//! What the tests share: names, batches of numbers, logs on disks with faults, seeds, clocks, waiting.

use std::{
    fmt::Debug,
    path::{Path, PathBuf},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicI64, Ordering},
    },
    thread,
    time::Duration,
};

use linecook_embedded::{EmbeddedLog, Options, RowsInstalled, fault::FaultyFiles};
use linecook_log::{
    Batch, BatchBuilder, Clock, Commit, Error, ErrorKind, Fetch, GroupName, InputSpec, InstanceName, Log, Member,
    MemberSpec, NewRecord, Offset, Origin, Output, Partition, Poll, Result, RowChange, SystemClock, TableName, Ticket,
    Timestamp, TopicName, TopicPartition, TopicSpec,
};
use tempfile::TempDir;

/// How long a condition may take before it counts as never coming.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

static CLOCK: LazyLock<SystemClock> = LazyLock::new(SystemClock::new);

/// Waits until `condition` holds.
#[track_caller]
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = CLOCK.monotonic() + PATIENCE;
    while !condition() {
        assert!(CLOCK.monotonic() < deadline, "not within {PATIENCE:?}: {what}");
        thread::park_timeout(Duration::from_micros(200));
    }
}

pub(crate) fn wait(ticket: &Ticket) -> Result<()> {
    ticket.wait(PATIENCE, &*CLOCK)
}

/// The seeds of a test: those given, or the one of the environment, to run what failed again alone.
pub(crate) fn seeds(all: std::ops::Range<u64>) -> Vec<u64> {
    match std::env::var("LINECOOK_SEED") {
        Ok(seed) => vec![seed.parse().expect("LINECOOK_SEED is a number")],
        Err(_) => all.collect(),
    }
}

/// Says how to run it again when the test panics while it is in scope.
pub(crate) struct Seed(pub(crate) u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("failed with this seed; to run it alone: LINECOOK_SEED={}", self.0);
        }
    }
}

/// A small seeded generator (SplitMix64 by Sebastiano Vigna, public domain).
pub(crate) struct Draw(pub(crate) u64);

impl Draw {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// A clock whose time of day stands until it is set forward.
#[derive(Debug, Default)]
pub(crate) struct TestClock {
    millis: AtomicI64,
}

impl TestClock {
    pub(crate) fn forward(&self, time: Duration) {
        self.millis.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn timestamp(&self) -> Timestamp {
        Timestamp(1_000_000 + self.millis.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        CLOCK.monotonic()
    }
}

/// A disk with faults and a folder for rows; it can be opened again and again.
pub(crate) struct Place {
    pub(crate) files: FaultyFiles,
    pub(crate) options: Options,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) installed: Option<RowsInstalled>,
    folder: TempDir,
}

/// A folder that is gone with its test, in memory where there is such a file system.
pub(crate) fn folder() -> TempDir {
    let shared_memory = Path::new("/dev/shm");
    let folder = if shared_memory.is_dir() { tempfile::tempdir_in(shared_memory) } else { tempfile::tempdir() };
    folder.unwrap()
}

/// Small segments, little memory, nothing dropped by time.
pub(crate) fn tiny() -> Options {
    let mut options = Options::default();
    options.segment_bytes = 16 << 10;
    options.hot_bytes = 16 << 10;
    options.memtable_bytes = 16 << 10;
    options.retention = None;
    options.reserve_bytes = 0;
    options
}

impl Place {
    pub(crate) fn new(options: Options) -> Self {
        let clock = Arc::new(CLOCK.clone());
        Self { files: FaultyFiles::default(), options, clock, installed: None, folder: folder() }
    }

    pub(crate) fn rows_folder(&self) -> PathBuf {
        self.folder.path().join("rows")
    }

    pub(crate) fn try_open(&self) -> Result<Arc<dyn Log>> {
        let (options, clock) = (self.options.clone(), Arc::clone(&self.clock));
        let files = Arc::new(self.files.clone());
        let log = EmbeddedLog::open_with_files(files, &self.rows_folder(), options, clock, self.installed.clone())?;
        Ok(Arc::new(log))
    }

    #[track_caller]
    pub(crate) fn open(&self) -> Arc<dyn Log> {
        self.try_open().unwrap_or_else(|error| panic!("it opens: {}", error.chain()))
    }

    /// As `kill -9`.
    pub(crate) fn kill(&mut self, log: Arc<dyn Log>) {
        self.files = self.files.killed();
        log.close().ok();
    }

    pub(crate) fn cut_power(&mut self, log: Arc<dyn Log>, seed: u64) {
        self.files = self.files.power_cut(seed);
        log.close().ok();
    }
}

pub(crate) fn topic(name: &str) -> TopicName {
    TopicName::new(name).unwrap()
}

pub(crate) fn group(name: &str) -> GroupName {
    GroupName::new(name).unwrap()
}

pub(crate) fn table() -> TableName {
    TableName::new("t").unwrap()
}

pub(crate) fn at(name: &str, partition: u32) -> TopicPartition {
    TopicPartition::new(&topic(name), Partition(partition))
}

pub(crate) fn create(log: &dyn Log, names: &[&str], partition_count: u32) {
    let spec = |name: &&str| TopicSpec { name: topic(name), partition_count };
    log.create_topics(&names.iter().map(spec).collect::<Vec<_>>()).unwrap();
}

/// Records whose values are these numbers.
pub(crate) fn numbers(numbers: impl IntoIterator<Item = u64>) -> BatchBuilder {
    padded(numbers, 0)
}

/// Records whose values are these numbers and so many bytes that cannot be compressed.
pub(crate) fn padded(numbers: impl IntoIterator<Item = u64>, padding: usize) -> BatchBuilder {
    let origin = Origin { service: group("test"), taken_at: Timestamp(0), attempt: 1, source: None };
    let mut batch = BatchBuilder::new(&origin, 64);
    for number in numbers {
        let mut value = number.to_be_bytes().to_vec();
        let mut noise = Draw(number);
        value.extend((0..padding).map(|_| noise.below(256) as u8));
        batch.push(&NewRecord { key: None, value: Some(&value), timestamp: Timestamp(0), headers: &[] }).unwrap();
    }
    batch
}

pub(crate) fn number_in(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(*bytes.first_chunk().expect("a number"))
}

pub(crate) fn numbers_of(batch: &Batch, from: Offset) -> impl Iterator<Item = u64> {
    batch.records_from(from).map(|record| number_in(record.value.expect("a value")))
}

pub(crate) fn append(log: &dyn Log, to: &TopicPartition, number: u64) -> Result<Ticket> {
    log.append(to, numbers([number]))
}

/// Appends and waits until it is durable.
#[track_caller]
pub(crate) fn store(log: &dyn Log, to: &TopicPartition, all: impl IntoIterator<Item = u64>) {
    wait(&log.append(to, numbers(all)).unwrap()).unwrap();
}

/// What is published in a partition from an offset on.
pub(crate) fn read_from(log: &dyn Log, from: &TopicPartition, mut offset: Offset) -> Result<Vec<u64>> {
    let mut found = Vec::new();
    loop {
        let batches = log.read(from, offset, 16 << 10)?;
        if batches.is_empty() {
            return Ok(found);
        }
        for batch in batches {
            assert!(batch.base() <= offset && batch.end() > offset, "{from}: {offset} {}", batch.base());
            found.extend(numbers_of(&batch, offset));
            offset = batch.end();
        }
    }
}

#[track_caller]
pub(crate) fn read_all(log: &dyn Log, from: &TopicPartition) -> Vec<u64> {
    read_from(log, from, Offset(0)).unwrap()
}

/// The start and the end of a partition.
pub(crate) fn bounds(log: &dyn Log, of: &TopicPartition) -> Result<(Offset, Offset)> {
    let topics = log.describe()?;
    let found = topics.iter().find(|topic| topic.name == of.topic).and_then(|topic| topic.partition(of.partition));
    let found = found.ok_or_else(|| Error::invalid("no such topic"))?;
    Ok((found.start, found.end))
}

pub(crate) fn figure(log: &dyn Log, name: &str) -> f64 {
    log.status().figures.into_iter().find(|figure| figure.name == name).expect("a figure of that name").value
}

pub(crate) fn consumed(log: &dyn Log, group: &GroupName, from: &TopicPartition) -> Result<Offset> {
    let groups = log.groups()?;
    let offsets = groups.into_iter().filter(|it| it.name == *group).flat_map(|it| it.offsets);
    Ok(offsets.into_iter().find(|(at, _)| at == from).map(|(_, offset)| offset).unwrap_or_default())
}

/// One worker that may be silent as long as a test lasts.
pub(crate) fn spec(name: &GroupName, inputs: &[&str], worker: u32) -> MemberSpec {
    MemberSpec {
        group: name.clone(),
        instance: InstanceName::new("host-1").unwrap(),
        worker,
        inputs: inputs.iter().enumerate().map(|(index, name)| input_of(name, index == 0)).collect(),
        max_silence: PATIENCE * 2,
    }
}

/// Joins and polls until something is assigned.
/// The first topic has the table.
fn input_of(name: &str, has_table: bool) -> InputSpec {
    InputSpec { topics: vec![topic(name)], tables: if has_table { vec![table()] } else { Vec::new() } }
}

pub(crate) fn join(log: &dyn Log, name: &GroupName, input: &str) -> Box<dyn Member> {
    let mut member = log.join(spec(name, &[input], 0)).unwrap();
    until("partitions are assigned", || matches!(member.poll(Duration::from_millis(10), 1), Ok(Poll::Assigned(_))));
    member
}

/// The next records that a member polls.
pub(crate) fn poll_records(member: &mut dyn Member, max_bytes: usize) -> Vec<Fetch> {
    let mut found = Vec::new();
    until("records come", || match member.poll(Duration::from_millis(10), max_bytes).unwrap() {
        Poll::Records(records) => {
            found = records;
            true
        }
        _ => false,
    });
    found
}

/// A commit that copies what was fetched to a topic, and counts each number, and all of them, in rows.
pub(crate) fn copy(member: &mut dyn Member, fetches: &[Fetch], output: Option<&str>) -> Result<Commit> {
    let mut commit = Commit::default();
    for fetch in fetches {
        let partition = fetch.from.partition;
        let all: Vec<_> = numbers_of(&fetch.batch, fetch.position).collect();
        if let Some(output) = output {
            commit.outputs.push(Output { to: at(output, partition.0), batch: numbers(all.iter().copied()) });
        }
        for number in &all {
            let key = number.to_be_bytes();
            let before = member.get(&table(), partition, &key)?.map_or(0, |value| number_in(&value));
            commit.rows.push(row(partition, &key, before + 1));
        }
        // A fetch may come in several batches of one partition: the last one has the sum.
        let earlier = commit.rows.iter().rev().find(|row| row.partition == partition && &row.key[..] == TOTAL);
        let before = match earlier {
            Some(row) => row.value.as_deref().map_or(0, number_in),
            None => member.get(&table(), partition, TOTAL)?.map_or(0, |value| number_in(&value)),
        };
        commit.rows.push(row(partition, TOTAL, before + all.len() as u64));
        commit.offsets.retain(|(at, _)| *at != fetch.from);
        commit.offsets.push((fetch.from.clone(), fetch.batch.end()));
    }
    Ok(commit)
}

pub(crate) fn commit_copy(member: &mut dyn Member, fetches: &[Fetch], output: Option<&str>) -> Result<Ticket> {
    let commit = copy(member, fetches, output)?;
    member.commit(commit)
}

/// The key of the row that counts all numbers of a partition.
pub(crate) const TOTAL: &[u8] = b"total";

pub(crate) fn row(partition: Partition, key: &[u8], value: u64) -> RowChange {
    let value = Some(value.to_be_bytes().to_vec().into());
    RowChange { table: table(), partition, key: key.to_vec().into(), value }
}

/// The error of a call that has to be refused.
#[track_caller]
pub(crate) fn refusal<T: Debug>(outcome: Result<T>, kind: ErrorKind) -> String {
    match outcome {
        Ok(value) => panic!("not refused as {kind:?}, but {value:?}"),
        Err(error) => {
            assert_eq!(error.kind(), kind, "{}", error.chain());
            error.chain()
        }
    }
}

pub(crate) fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else if let Err(error) = std::fs::copy(entry.path(), target) {
            // A reader that ends removes the files that only it still needed.
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}");
        }
    }
}
