//! A log to look at: what is written to it, and a directory that can be copied and damaged.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use linecook_embedded::{
    EmbeddedLog, Options,
    fault::FaultyFiles,
    files::Files,
    inspect::{Inspection, StoredRecord},
};
use linecook_log::{
    BatchBuilder, Commit, Fetch, GroupName, Header, InputSpec, InstanceName, Log, Member, MemberSpec, NewRecord,
    Offset, Origin, Output, Partition, Poll, RowChange, Source, SystemClock, TableName, Timestamp, TopicName,
    TopicPartition, TopicSpec,
};
use tempfile::TempDir;

use crate::support::{Draw, copy_folder};

const PATIENCE: Duration = Duration::from_secs(30);

/// Segments of 32 KiB.
pub(super) fn options() -> Options {
    let mut options = Options::default();
    options.segment_bytes = 32 << 10;
    options.reserve_bytes = 0;
    options
}

pub(super) fn name(topic: &str) -> TopicName {
    TopicName::new(topic).unwrap()
}

pub(super) fn open_on(files: &FaultyFiles, folder: &Path) -> EmbeddedLog {
    let files = Arc::new(files.clone());
    EmbeddedLog::open_with_files(files, &folder.join("rows"), options(), Arc::new(SystemClock::new()), None).unwrap()
}

pub(super) fn inspect(files: &FaultyFiles) -> Inspection {
    let files: Arc<dyn Files> = Arc::new(files.clone());
    Inspection::open_with_files(&files).unwrap()
}

/// A data directory on disk.
pub(super) struct Directory(TempDir);

impl Directory {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn try_open(&self) -> linecook_log::Result<EmbeddedLog> {
        EmbeddedLog::open(self.path(), options(), Arc::new(SystemClock::new()))
    }

    pub(super) fn open(&self) -> Arc<dyn Log> {
        Arc::new(self.try_open().unwrap())
    }

    pub(super) fn inspect(&self) -> Inspection {
        Inspection::open(self.path()).unwrap()
    }

    /// Lock and segments as they are now, which is what a kill would leave. Without its rows a log reads everything
    /// again when it is opened.
    pub(super) fn copy(&self) -> Self {
        let copy = Self::new();
        fs::create_dir(copy.path().join("log")).unwrap();
        fs::copy(self.path().join("lock"), copy.path().join("lock")).unwrap();
        for entry in fs::read_dir(self.path().join("log")).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, copy.segment(path.file_name().unwrap().to_str().unwrap())).unwrap();
        }
        copy
    }

    /// All of it, rows too.
    pub(super) fn copy_with_rows(&self) -> Self {
        let copy = Self::new();
        copy_folder(self.path(), copy.path());
        copy
    }

    /// All files below it.
    pub(super) fn bytes(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut bytes = BTreeMap::new();
        let mut folders = vec![self.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(self.path()).unwrap().to_owned();
                    bytes.insert(name, fs::read(path).unwrap());
                }
            }
        }
        bytes
    }

    pub(super) fn segment(&self, file: &str) -> PathBuf {
        self.path().join("log").join(file)
    }

    pub(super) fn change(&self, file: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let path = self.segment(file);
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::write(path, bytes).unwrap();
    }

    pub(super) fn flip(&self, file: &str, position: u64) {
        self.change(file, |bytes| bytes[usize::try_from(position).unwrap()] ^= 0x10);
    }

    pub(super) fn cut(&self, file: &str, length: u64) {
        self.change(file, |bytes| bytes.truncate(usize::try_from(length).unwrap()));
    }

    /// The positions of the frames of a segment.
    pub(super) fn frames(&self, file: &str) -> Vec<u64> {
        let bytes = fs::read(self.segment(file)).unwrap();
        let is_frame = |(position, window): (usize, &[u8])| (window == b"LCFR").then_some(position as u64);
        bytes.windows(4).enumerate().filter_map(is_frame).collect()
    }
}

/// A record of `orders` as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) partition: Partition,
    pub(super) offset: Offset,
    timestamp: Timestamp,
    key: Option<Bytes>,
    value: Option<Bytes>,
    headers: Vec<(String, Bytes)>,
}

impl Expected {
    pub(super) fn of(record: &StoredRecord) -> Self {
        Self {
            partition: record.partition,
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key.clone(),
            value: record.value.clone(),
            headers: record.headers.clone(),
        }
    }

    /// Odd ones among them: without key, without value, empty, with headers, from before 1970.
    fn numbered(number: u64, place: (Partition, Offset)) -> Self {
        let headers = number.is_multiple_of(5).then(|| ("attempt".to_owned(), Bytes::from(number.to_string())));
        let value = match number % 11 {
            0 => None,
            1 => Some(Bytes::new()),
            _ => Some(noise(number)),
        };
        Self {
            partition: place.0,
            offset: place.1,
            timestamp: Timestamp(i64::try_from(number).unwrap() * 1000 - 5000),
            key: (!number.is_multiple_of(7)).then(|| Bytes::from(format!("key-{number}"))),
            value,
            headers: headers.into_iter().collect(),
        }
    }

    fn push_to(&self, batch: &mut BatchBuilder) {
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| Header { name, value }).collect();
        batch
            .push(&NewRecord {
                key: self.key.as_deref(),
                value: self.value.as_deref(),
                timestamp: self.timestamp,
                headers: &headers,
            })
            .unwrap();
    }
}

/// Bytes that do not compress.
fn noise(seed: u64) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..400).map(|_| byte()).collect()
}

fn origin(service: &str, source: Option<Source>) -> Origin {
    Origin { service: GroupName::new(service).unwrap(), taken_at: Timestamp(1), attempt: 1, source }
}

fn orders(partition: u32) -> TopicPartition {
    TopicPartition::new(&name("orders"), Partition(partition))
}

/// Writes `count` batches to `orders`, one after the other, so that each knows that the one before was synced; then a
/// kitchen makes pizzas and rows of them. Returns the records of `orders`.
pub(super) fn write(log: &Arc<dyn Log>, count: u64) -> Vec<Expected> {
    let topic = |topic, partition_count| TopicSpec { name: name(topic), partition_count };
    log.create_topics(&[topic("orders", 2), topic("pizza", 1)]).unwrap();
    let mut expected = Vec::new();
    let mut ends = [Offset(0); 2];
    for number in 0..count {
        let partition = u32::try_from(number % 2).unwrap();
        let end = &mut ends[partition as usize];
        let mut batch = BatchBuilder::new(&origin("pizza-service", None), 1024);
        for _ in 0..1 + number % 3 {
            let record = Expected::numbered(number * 10 + end.0 % 3, (Partition(partition), *end));
            record.push_to(&mut batch);
            expected.push(record);
            *end = end.plus(1);
        }
        log.append(&orders(partition), batch).unwrap().wait(PATIENCE, &SystemClock::new()).unwrap();
    }
    cook(log, &ends);
    expected
}

/// Appends whose outcome nobody waits for.
pub(super) fn append_without_waiting(log: &Arc<dyn Log>, count: u64) {
    for number in 0..count {
        let mut batch = BatchBuilder::new(&origin("pizza-service", None), 1024);
        Expected::numbered(number * 11 + 2, (Partition(0), Offset(0))).push_to(&mut batch);
        drop(log.append(&orders(0), batch).unwrap());
        if number % 8 == 0 {
            std::thread::yield_now();
        }
    }
}

fn join_kitchen(log: &Arc<dyn Log>) -> Box<dyn Member> {
    log.join(MemberSpec {
        group: GroupName::new("kitchen").unwrap(),
        instance: InstanceName::new("one").unwrap(),
        worker: 0,
        inputs: vec![InputSpec { topics: vec![name("orders")], tables: vec![TableName::new("stock").unwrap()] }],
        max_silence: PATIENCE,
    })
    .unwrap()
}

/// A commit that no segment has room for behind others, so that one is closed; whether that gets to the disk nobody waits
/// for.
pub(super) fn close_segment_without_waiting(log: &Arc<dyn Log>) {
    let mut member = join_kitchen(log);
    let assigned = loop {
        if let Poll::Assigned(assigned) = member.poll(PATIENCE, 4096).unwrap() {
            break assigned;
        }
    };
    let mut batch = BatchBuilder::new(&origin("kitchen", None), 64);
    let mut noise = Draw(0);
    let value: Vec<u8> = (0..32 << 10).map(|_| noise.below(256) as u8).collect();
    batch.push(&NewRecord { key: None, value: Some(&value), timestamp: Timestamp(0), headers: &[] }).unwrap();
    let to = TopicPartition::new(&name("pizza"), Partition(0));
    let offsets = vec![(assigned[0].partition.clone(), assigned[0].position)];
    drop(member.commit(Commit { outputs: vec![Output { to, batch }], rows: Vec::new(), offsets }).unwrap());
}

fn cook(log: &Arc<dyn Log>, ends: &[Offset; 2]) {
    let mut member = join_kitchen(log);
    let mut left: u64 = ends.iter().map(|end| end.0).sum();
    while left > 0 {
        let Poll::Records(fetches) = member.poll(PATIENCE, 4096).unwrap() else { continue };
        for fetch in fetches {
            left -= fetch.batch.end().0 - fetch.position.0;
            member.commit(pizzas(&fetch)).unwrap().wait(PATIENCE, &SystemClock::new()).unwrap();
        }
    }
    member.leave().unwrap();
}

fn pizzas(fetch: &Fetch) -> Commit {
    let source = Source { from: fetch.from.clone(), first: fetch.position, last: Offset(fetch.batch.end().0 - 1) };
    let mut batch = BatchBuilder::new(&origin("kitchen", Some(source)), 64);
    let mut rows = Vec::new();
    for record in fetch.batch.records_from(fetch.position) {
        batch
            .push(&NewRecord { key: record.key, value: Some(b"pizza"), timestamp: record.timestamp, headers: &[] })
            .unwrap();
        rows.push(RowChange {
            table: TableName::new("stock").unwrap(),
            partition: fetch.from.partition,
            key: Bytes::from(record.offset.0.to_be_bytes().to_vec()),
            value: record.value.map(Bytes::copy_from_slice),
        });
    }
    let to = TopicPartition::new(&name("pizza"), Partition(0));
    Commit { outputs: vec![Output { to, batch }], rows, offsets: vec![(fetch.from.clone(), fetch.batch.end())] }
}
