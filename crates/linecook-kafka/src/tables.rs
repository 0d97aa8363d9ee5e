//! The rows of this process: of each partition of a table that a member here owns, or has owned until the brokers went
//! away.
//!
//! They are a cache of the table's changelog, a compacted topic with a record a row. A row's number is the offset of its
//! record and one; the rows of a transaction have that of its last. What is here after a restart is gone on with, unless
//! the changelog is another by now, or has forgotten deletions meanwhile.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use linecook_log::{
    Error, ErrorKind, GroupName, InstanceName, Offset, Partition, PartitionRows, Result, Row, Scan, TableName,
    Timestamp, TopicName, TopicPartition,
};
use linecook_rows::{KeyRange, Number, Snapshot, Store};
use parking_lot::{Mutex, RwLock};

use crate::fault;

/// Rows that were not written for so long may have missed that a row was deleted: the changelog forgets that a day after
/// it was compacted, as brokers have it by default.
const TRUSTED_FOR: Duration = Duration::from_hours(12);

/// How much of the newest rows of a partition is kept in memory before it is written to a table file.
const MEMTABLE_BYTES: u64 = 8 << 20;
/// How much of its older rows is cached.
const CACHE_BYTES: u64 = 4 << 20;

/// How many files of tables each partition has open: there may be many partitions.
const OPEN_FILES: usize = 16;

/// What the keys of rows begin with in a store; what is known about them begins otherwise.
const ROW: &[u8] = b"r";
/// When the newest rows were written, milliseconds since 1970, i64, little-endian.
const WRITTEN_AT: &[u8] = b"written-at";

/// The topic that has the rows of a table.
///
/// # Errors
/// `Invalid`: the names leave no room for that.
pub(crate) fn changelog_of(service: &GroupName, table: &TableName) -> Result<TopicName> {
    TopicName::new(format!("{service}.{table}.changelog"))
}

/// Which rows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct TableKey {
    pub(crate) service: GroupName,
    pub(crate) table: TableName,
    pub(crate) partition: Partition,
}

/// Where a changelog begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) start: Offset,
    pub(crate) end: Offset,
}

/// A worker's place in its group, which it keeps when it joins again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seat {
    pub(crate) instance: InstanceName,
    pub(crate) worker: u32,
}

/// All rows that are here. Stores are opened, flushed and closed a partition at a time: who reads others does not wait.
pub(crate) struct Tables {
    folder: PathBuf,
    places: RwLock<HashMap<TableKey, Arc<TablePlace>>>,
    ended: RwLock<Option<Error>>,
}

/// Where the rows of a partition are, while they are here.
#[derive(Default)]
struct TablePlace {
    /// Held by whoever opens or closes their folder.
    turn: Mutex<()>,
    table: RwLock<Option<Arc<LocalTable>>>,
}

impl TablePlace {
    fn table(&self) -> Option<Arc<LocalTable>> {
        self.table.read().clone()
    }

    /// Takes them away, if that is so of them.
    fn take_if(&self, is_so: impl FnOnce(&LocalTable) -> bool) -> Option<Arc<LocalTable>> {
        self.table.write().take_if(|table| is_so(table))
    }
}

impl Tables {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), places: RwLock::default(), ended: RwLock::default() }
    }

    /// The rows of a partition for the member that owns it from here on; nobody else writes them any more. `topic_id` is
    /// that of their changelog.
    ///
    /// # Errors
    /// `Unavailable`: the folder cannot be used.
    pub(crate) fn claim(
        &self,
        key: &TableKey,
        (owner, seat): (u64, Seat),
        (topic_id, bounds): (&str, Bounds),
        now: Timestamp,
    ) -> Result<Arc<LocalTable>> {
        let place = Arc::clone(self.places.write().entry(key.clone()).or_default());
        let _turn = place.turn.lock();
        self.check_open()?;
        if let Some(table) = place.table() {
            let mut state = table.state.lock();
            // Another process may have had them since, for long enough.
            if state.topic_id == topic_id && table.read(|store| is_trusted(store, bounds, now))? {
                (state.owner, state.seat) = (owner, seat);
                drop(state);
                return Ok(table);
            }
        }
        if let Some(other) = place.take_if(|_| true) {
            other.close()?;
        }
        let table = Arc::new(self.open(key, (owner, seat), (topic_id, bounds), now)?);
        *place.table.write() = Some(Arc::clone(&table));
        Ok(table)
    }

    fn open(
        &self,
        key: &TableKey,
        (owner, seat): (u64, Seat),
        (topic_id, bounds): (&str, Bounds),
        now: Timestamp,
    ) -> Result<LocalTable> {
        let TableKey { service, table, partition } = key;
        let parent = self.folder.join(service.as_str()).join(table.as_str()).join(partition.to_string());
        // An id may begin with a dash; a folder's name should not.
        let folder = parent.join(format!("id-{topic_id}"));
        remove_others(&parent, &folder).map_err(|error| unusable(&parent, error))?;
        let mut store = open_store(&folder)?;
        if !is_trusted(&store, bounds, now)? {
            drop(store);
            fs::remove_dir_all(&folder).map_err(|error| unusable(&folder, error))?;
            store = open_store(&folder)?;
        }
        let state = State { owner, seat, topic_id: topic_id.to_owned(), is_restored: false };
        Ok(LocalTable { store: RwLock::new(Some(store)), state: Mutex::new(state) })
    }

    /// Those rows, if they are here.
    pub(crate) fn find(&self, key: &TableKey) -> Option<Arc<LocalTable>> {
        self.places.read().get(key)?.table()
    }

    /// Lets the rows of a partition go that another process is going to own.
    pub(crate) fn let_go(&self, key: &TableKey, owner: u64) {
        let place = self.places.read().get(key).cloned();
        if let Some(place) = place {
            let _turn = place.turn.lock();
            place.take_if(|table| table.state.lock().owner == owner).inspect(|table| close(table));
        }
    }

    /// Lets go what a worker had before and does not own any more.
    pub(crate) fn let_go_others(&self, service: &GroupName, seat: &Seat, is_owned: impl Fn(&TableKey) -> bool) {
        for (key, place) in self.places() {
            if key.service == *service && !is_owned(&key) {
                let _turn = place.turn.lock();
                place.take_if(|table| table.state.lock().seat == *seat).inspect(|table| close(table));
            }
        }
    }

    fn places(&self) -> Vec<(TableKey, Arc<TablePlace>)> {
        self.places.read().iter().map(|(key, place)| (key.clone(), Arc::clone(place))).collect()
    }

    pub(crate) fn check_open(&self) -> Result<()> {
        self.ended.read().as_ref().map_or(Ok(()), |reason| Err(fault::copy_of(reason)))
    }

    /// Persists everything and ends.
    pub(crate) fn close(&self, reason: &Error) {
        self.ended.write().get_or_insert_with(|| fault::copy_of(reason));
        for (_, place) in self.places() {
            let _turn = place.turn.lock();
            place.take_if(|_| true).inspect(|table| close(table));
        }
    }

    /// Ends without persisting anything.
    pub(crate) fn abandon(&self, reason: &Error) {
        self.ended.write().get_or_insert_with(|| fault::copy_of(reason));
        for (_, place) in self.places() {
            let _turn = place.turn.lock();
            place.take_if(|_| true).inspect(|table| drop(table.store.write().take()));
        }
    }
}

/// What is not persisted is restored from the changelog.
fn close(table: &LocalTable) {
    if let Err(error) = table.close() {
        tracing::warn!(error = error.chain(), "rows could not be persisted; they are restored from their changelog");
    }
}

/// Rows of a changelog that was deleted, and created anew, are of no use.
fn remove_others(parent: &Path, kept: &Path) -> std::io::Result<()> {
    fs::create_dir_all(parent)?;
    for entry in fs::read_dir(parent)? {
        let path = entry?.path();
        if path != kept {
            fs::remove_dir_all(path)?;
        }
    }
    Ok(())
}

fn open_store(folder: &Path) -> Result<Store> {
    let options = linecook_rows::Options {
        memtable_bytes: MEMTABLE_BYTES,
        cache_bytes: CACHE_BYTES,
        open_files: OPEN_FILES,
        installed: None,
    };
    match Store::open(folder, options.clone()) {
        // The changelog has everything: a damaged cache is thrown away.
        Err(error) if error.kind() == linecook_rows::ErrorKind::Corrupt => {
            tracing::warn!(folder = %folder.display(), %error, "local rows are damaged, and are restored from nothing");
            fs::remove_dir_all(folder).map_err(|error| unusable(folder, error))?;
            Store::open(folder, options).map_err(rows_error)
        }
        outcome => outcome.map_err(rows_error),
    }
}

/// Whether what is missing of these rows is still in the changelog, deletions included. One that ends before them has lost
/// its end with a broker: what comes there next is not what these rows know.
fn is_trusted(store: &Store, bounds: Bounds, now: Timestamp) -> Result<bool> {
    let applied = Offset(store.applied().0);
    if applied == Offset(0) {
        return Ok(true);
    }
    let written_at = store.get(WRITTEN_AT).map_err(rows_error)?;
    let written_at =
        written_at.and_then(|bytes| bytes.first_chunk().map(|bytes| Timestamp(i64::from_le_bytes(*bytes))));
    let is_fresh = written_at.is_some_and(|at| now.since(at) < TRUSTED_FOR && at.since(now) < TRUSTED_FOR);
    Ok(is_fresh && (bounds.start..=bounds.end).contains(&applied))
}

fn unusable(folder: &Path, error: std::io::Error) -> Error {
    let text = format!("the folder of rows cannot be used: folder={}", folder.display());
    Error::new(ErrorKind::Unavailable, text).with_source(error)
}

fn rows_error(error: linecook_rows::Error) -> Error {
    let kind = match error.kind() {
        linecook_rows::ErrorKind::Corrupt | linecook_rows::ErrorKind::Unsupported => ErrorKind::Corrupt,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, "the rows cannot be read or written").with_source(error)
}

/// The rows of a partition of a table.
pub(crate) struct LocalTable {
    /// `None` when they were let go. Held for reading by whoever uses them, for as long as that takes.
    store: RwLock<Option<Store>>,
    state: Mutex<State>,
}

struct State {
    /// The member that may write.
    owner: u64,
    seat: Seat,
    topic_id: String,
    /// Whether they were complete at some time since they are here; before, nobody is shown any.
    is_restored: bool,
}

impl LocalTable {
    /// The offset of the changelog that comes next.
    pub(crate) fn next(&self) -> Result<Offset> {
        self.read(|store| Ok(Offset(store.applied().0)))
    }

    /// That the rows are those of that member.
    ///
    /// # Errors
    /// `Fenced`.
    pub(crate) fn check_owner(&self, owner: u64) -> Result<()> {
        if self.state.lock().owner == owner {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Fenced, "the rows are another member's by now"))
    }

    /// Applies rows up to, but without, `next` of the changelog. Those that are there already are passed over.
    pub(crate) fn apply<'a>(
        &self,
        next: Offset,
        rows: impl IntoIterator<Item = (&'a [u8], Option<&'a [u8]>)>,
        now: Timestamp,
    ) -> Result<()> {
        let written_at = now.0.to_le_bytes();
        let own = |(key, value): (&[u8], Option<&'a [u8]>)| ([ROW, key].concat(), value);
        let all = rows.into_iter().map(own);
        self.read(|store| {
            if Number(next.0) <= store.applied() {
                return Ok(());
            }
            let all = all.chain([(WRITTEN_AT.to_vec(), Some(&written_at[..]))]);
            store.apply(Number(next.0), all).map_err(rows_error)
        })
    }

    /// They are complete.
    pub(crate) fn restored(&self) {
        self.state.lock().is_restored = true;
    }

    pub(crate) fn is_restored(&self) -> bool {
        self.state.lock().is_restored
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.at_one_moment(|rows| rows.get(key))
    }

    pub(crate) fn scan(&self, scan: Scan<'_>) -> Result<Vec<Row>> {
        self.at_one_moment(|rows| rows.scan(scan))
    }

    /// What `read` makes of the rows as of now.
    pub(crate) fn at_one_moment<T>(&self, read: impl FnOnce(&LocalRows) -> Result<T>) -> Result<T> {
        self.read(|store| read(&LocalRows(store.snapshot().map_err(rows_error)?)))
    }

    fn read<T>(&self, read: impl FnOnce(&Store) -> Result<T>) -> Result<T> {
        let store = self.store.read();
        read(store.as_ref().ok_or_else(|| Error::new(ErrorKind::Unavailable, "the rows were let go"))?)
    }

    fn close(&self) -> Result<()> {
        let closed = self.store.read().as_ref().map_or(Ok(()), Store::close);
        self.store.write().take();
        closed.map_err(rows_error)
    }
}

/// The rows of a [`LocalTable`] as they were at one moment.
pub(crate) struct LocalRows(Snapshot);

impl PartitionRows for LocalRows {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.0.get([ROW, key].concat()).map_err(rows_error)
    }

    fn scan(&self, scan: Scan<'_>) -> Result<Vec<Row>> {
        let mut range = KeyRange::prefix([ROW, scan.prefix].concat());
        if let Some(after) = scan.after {
            range = range.after([ROW, after].concat());
        }
        let own = |(key, value): (Bytes, Bytes)| (key.slice(ROW.len()..), value);
        self.0.scan(range).take(scan.limit).map(|row| row.map(own).map_err(rows_error)).collect()
    }
}

/// Where the rows of a table's partition are written.
pub(crate) fn changelog_partition(key: &TableKey) -> Result<TopicPartition> {
    Ok(TopicPartition { topic: changelog_of(&key.service, &key.table)?, partition: key.partition })
}

#[cfg(test)]
mod tests;
