//! The contract on the open log, and opening it again when a device fails.

use std::{
    collections::HashSet,
    fmt, fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use linecook_log::{
    Batch, BatchBuilder, Clock, Error, ErrorKind, Figure, GroupDescription, GroupName, GroupSpec, Log, Member,
    MemberSpec, Offset, PartitionDescription, Result, Rows, Status, TableName, Ticket, TopicDescription, TopicName,
    TopicPartition, TopicSpec,
};
use linecook_rows::{Number, Store};
use parking_lot::{Mutex, RwLock};

use crate::{
    catalog::{Catalog, GroupId, PartitionId, TableId},
    codec::length,
    core::Core,
    files::{Disk, Files},
    frame::{CommitNumber, Entry},
    lock::DirectoryLock,
    member::EmbeddedMember,
    options::Options,
    published::Ended,
    recovery::{self, Until},
    rows::{self, EmbeddedRows},
    tail::HotRead,
    threads,
    writer::{Prepared, PreparedOffset, Writer},
};

/// How long to wait before a log that failed is tried again.
const REOPEN_EVERY: Duration = Duration::from_millis(200);

/// The log on segment files of our own, in a directory that no other process uses.
pub struct EmbeddedLog {
    shared: Arc<Shared>,
    guard: Mutex<Option<JoinHandle<()>>>,
}

pub(crate) struct Shared {
    place: Place,
    state: RwLock<State>,
    is_closing: AtomicBool,
}

/// Where a log lies, and what stays when it is opened again.
struct Place {
    options: Options,
    files: Arc<dyn Files>,
    rows_folder: PathBuf,
    rows_installed: Option<RowsInstalled>,
    /// It outlives a failure of the log, unless it has failed itself.
    store: Mutex<Arc<Store>>,
    clock: Arc<dyn Clock>,
    /// Given back when the log is closed, though readers of rows may keep this.
    lock: Mutex<Option<DirectoryLock>>,
}

enum State {
    Open(Opened),
    /// Why it is not open, for the time being or for good.
    Ended(Ended),
}

struct Opened {
    core: Arc<Core>,
    threads: Vec<JoinHandle<()>>,
}

impl EmbeddedLog {
    /// Opens the log in `folder`, which is created if it is not there.
    ///
    /// # Errors
    /// `Unavailable`: another process uses the folder, or it cannot be written. `Corrupt`: what is there is damaged in
    /// a way that no crash explains, or was written by a newer version.
    pub fn open(folder: &Path, options: Options, clock: Arc<dyn Clock>) -> Result<Self> {
        let lock = DirectoryLock::take(folder)?;
        let segments = folder.join(SEGMENTS);
        create_folder(folder, &segments)
            .map_err(|error| crate::segment::unreadable(error, "the folder of the segments"))?;
        Self::open_on(Arc::new(Disk::new(segments)), &folder.join(ROWS), options, clock, Some(lock), None)
    }

    /// Opens a log on another file layer, its rows in `rows_folder`. `rows_installed` is called with that folder
    /// whenever its files have changed: a crash test copies it then.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with_files(
        files: Arc<dyn Files>,
        rows_folder: &Path,
        options: Options,
        clock: Arc<dyn Clock>,
        rows_installed: Option<RowsInstalled>,
    ) -> Result<Self> {
        Self::open_on(files, rows_folder, options, clock, None, rows_installed)
    }

    fn open_on(
        files: Arc<dyn Files>,
        rows_folder: &Path,
        options: Options,
        clock: Arc<dyn Clock>,
        lock: Option<DirectoryLock>,
        rows_installed: Option<RowsInstalled>,
    ) -> Result<Self> {
        let store = open_rows(rows_folder, &options, &*files, rows_installed.clone())?;
        let (rows_folder, store) = (rows_folder.to_owned(), Mutex::new(Arc::new(store)));
        let place = Place { options, files, rows_folder, rows_installed, store, clock, lock: Mutex::new(lock) };
        let opened = place.open(Until::LastWhole)?;
        let state = RwLock::new(State::Open(opened));
        let shared = Arc::new(Shared { place, state, is_closing: AtomicBool::new(false) });
        let guarded = Arc::clone(&shared);
        let guard = thread::Builder::new().name("log-guard".into()).spawn(move || guarded.guard());
        let guard = guard.map_err(no_thread)?;
        Ok(Self { shared, guard: Mutex::new(Some(guard)) })
    }

    fn stop(&self) -> Result<()> {
        let mut guard = self.guard.lock(); // who closes it a second time waits for the first
        self.shared.is_closing.store(true, Ordering::SeqCst);
        let closed = self.shared.close_open();
        let mut guarded = Ok(());
        if let Some(guard) = guard.take() {
            guard.thread().unpark();
            guarded = guard.join().map_err(|_| Error::new(ErrorKind::Unknown, "the guard of the log panicked"));
        }
        self.shared.leave(Ended { kind: ErrorKind::Closed, message: Error::closed().to_string() });
        closed.and(guarded).and(self.shared.place.close())
    }
}

/// The names of the folders must survive a power cut as what is in them does.
fn create_folder(folder: &Path, segments: &Path) -> std::io::Result<()> {
    fs::create_dir_all(segments)?;
    fs::File::open(folder)?.sync_all()?;
    match folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => fs::File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

/// Called with the folder of the rows whenever its files have changed.
pub type RowsInstalled = Arc<dyn Fn(&Path) + Send + Sync>;

/// The folder of the segments in a data directory.
pub(crate) const SEGMENTS: &str = "log";
/// The folder of the rows in a data directory.
pub(crate) const ROWS: &str = "rows";

/// The tree is primary once segments were dropped: only a log that reaches back to its beginning can make it again.
fn open_rows(folder: &Path, options: &Options, files: &dyn Files, installed: Option<RowsInstalled>) -> Result<Store> {
    let open = || {
        let options = linecook_rows::Options {
            memtable_bytes: options.memtable_bytes,
            cache_bytes: options.row_cache_bytes,
            installed: installed.clone(),
        };
        Store::open(folder, options)
    };
    let damaged = match open() {
        Err(error) if error.kind() == linecook_rows::ErrorKind::Corrupt => rows::error(error),
        outcome => return outcome.map_err(rows::error),
    };
    let names = files.list().map_err(|error| crate::segment::unreadable(error, "the folder of the segments"))?;
    let reaches_back = names.iter().filter_map(|name| crate::segment::first_of(name)).min() == Some(CommitNumber(1));
    if !reaches_back {
        return Err(damaged);
    }
    let aside = PathBuf::from(format!("{}.damaged", folder.display()));
    tracing::warn!(error = damaged.chain(), moved_to = %aside.display(), "the rows are damaged and made again from the log");
    fs::remove_dir_all(&aside).ok();
    fs::rename(folder, &aside).map_err(|error| crate::segment::unreadable(error, "the folder of the rows"))?;
    open().map_err(rows::error)
}

impl Place {
    fn open(&self, until: Until) -> Result<Opened> {
        let store = self.store()?;
        let persisted = CommitNumber(store.applied().max(store.persisted()).0);
        let mut replay = |number: CommitNumber, rows: Vec<crate::payload::FullRow>| {
            let rows = rows.iter().map(|(key, value)| (key.as_ref(), value.as_deref()));
            store.apply(Number(number.0), rows).map_err(rows::error)
        };
        let recovered = recovery::recover(&*self.files, &self.options, (persisted, until), &mut replay)?;
        let parts = (self.options.clone(), Arc::clone(&self.files), Arc::clone(&self.clock));
        let core = Arc::new(Core::new(parts, Arc::clone(&store), recovered));
        let threads = threads::start(&core).map_err(no_thread)?;
        Ok(Opened { core, threads })
    }

    /// The store, opened again when it is over: what it lost is replayed.
    fn store(&self) -> Result<Arc<Store>> {
        let mut store = self.store.lock();
        if store.snapshot().is_err() {
            store.close().ok();
            *store = Arc::new(open_rows(&self.rows_folder, &self.options, &*self.files, self.rows_installed.clone())?);
        }
        Ok(Arc::clone(&store))
    }

    fn close(&self) -> Result<()> {
        let closed = self.store.lock().close().map_err(rows::error);
        self.lock.lock().take();
        closed
    }
}

fn no_thread(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "cannot start a thread of the log").with_source(error)
}

impl Shared {
    pub(crate) fn core(&self) -> Result<Arc<Core>> {
        match &*self.state.read() {
            State::Open(opened) => match opened.core.published.ended() {
                None => Ok(Arc::clone(&opened.core)),
                // To its members the outcome of what they did is unknown; who calls now has done nothing yet.
                Some(ended) if ended.kind == ErrorKind::Unknown => {
                    Err(Error::new(ErrorKind::Unavailable, ended.message))
                }
                Some(ended) => Err(ended.error()),
            },
            State::Ended(ended) => Err(ended.error()),
        }
    }

    /// Opens the log again when it failed, until it is closed.
    fn guard(&self) {
        loop {
            let core = match &*self.state.read() {
                State::Open(opened) => Arc::clone(&opened.core),
                State::Ended(_) => return,
            };
            let ended = core.published.wait_for_end();
            if ended.kind == ErrorKind::Closed || self.is_closing.load(Ordering::SeqCst) {
                return;
            }
            self.leave(Ended { kind: ErrorKind::Unavailable, message: ended.message });
            let until = Until::Commit(core.published.number());
            drop(core);
            if !self.open_again(until) {
                return;
            }
        }
    }

    /// Ends what is open; its threads are joined.
    fn leave(&self, ended: Ended) {
        let before = std::mem::replace(&mut *self.state.write(), State::Ended(ended));
        if let State::Open(opened) = before {
            for thread in opened.threads {
                thread.join().ok();
            }
        }
    }

    fn open_again(&self, until: Until) -> bool {
        while !self.is_closing.load(Ordering::SeqCst) {
            match self.place.open(until) {
                Ok(opened) => {
                    tracing::info!("the log is open again");
                    *self.state.write() = State::Open(opened);
                    if self.is_closing.load(Ordering::SeqCst) {
                        // Who closes it came before there was something to close, and waits for this thread now.
                        self.close_open().ok();
                        return false;
                    }
                    return true;
                }
                Err(error) => {
                    let message = format!("the log failed and cannot be opened again yet: {}", error.chain());
                    *self.state.write() = State::Ended(Ended { kind: ErrorKind::Unavailable, message });
                    thread::park_timeout(REOPEN_EVERY);
                }
            }
        }
        false
    }

    /// Makes durable what was written to the log that is open, and ends it; nothing to do when none is.
    fn close_open(&self) -> Result<()> {
        let core = match &*self.state.read() {
            State::Open(opened) => Arc::clone(&opened.core),
            State::Ended(ended) if ended.kind == ErrorKind::Closed => return Ok(()),
            State::Ended(ended) => return Err(ended.error()),
        };
        core.is_closing.store(true, Ordering::Release);
        core.sync_wakeup.raise();
        let ended = core.published.wait_for_end();
        if ended.kind == ErrorKind::Closed { Ok(()) } else { Err(ended.error()) }
    }

    /// Writes what `make` asks for, if anything; returns the commit that has it all.
    fn define(core: &Core, make: impl FnOnce(&mut Writer) -> Result<Prepared>) -> Result<CommitNumber> {
        core.check()?;
        let mut writer = core.writer();
        let prepared = make(&mut writer)?;
        if prepared.definitions.is_empty() && prepared.offsets.is_empty() {
            return Ok(writer.number); // what is there may still be on its way to the disk
        }
        core.check_writes()?;
        let number = core.write(&mut writer, prepared)?;
        drop(writer);
        core.sync_wakeup.raise();
        Ok(number)
    }
}

impl Log for EmbeddedLog {
    fn create_topics(&self, topics: &[TopicSpec]) -> Result<()> {
        let core = self.shared.core()?;
        let number = Shared::define(&core, |writer| {
            let mut definitions = Vec::new();
            let mut named = HashSet::new();
            for topic in topics {
                let is_new = is_new_topic(&writer.catalog, topic)? && named.insert(&topic.name);
                if is_new {
                    definitions.push(Entry::Topic { name: topic.name.clone(), partition_count: topic.partition_count });
                }
            }
            Ok(Prepared { definitions, ..Prepared::default() })
        })?;
        core.wait_seen(number)
    }

    fn declare_groups(&self, groups: &[GroupSpec]) -> Result<()> {
        let core = self.shared.core()?;
        let mut number = CommitNumber(0);
        for group in groups {
            number = Shared::define(&core, |writer| declare_group(&core, writer, &group.name, &group.topics))?;
        }
        core.wait_seen(number)
    }

    fn describe(&self) -> Result<Vec<TopicDescription>> {
        let core = self.shared.core()?;
        let ends = core.published.ends();
        let writer = core.writer();
        let describe = |id: PartitionId| PartitionDescription {
            start: core.segments.start(id),
            end: ends.get(id.0 as usize).copied().unwrap_or_default(),
        };
        let topics = writer.catalog.topics.iter().map(|topic| TopicDescription {
            name: topic.name.clone(),
            partitions: topic.partition_ids().map(describe).collect(),
        });
        let mut topics: Vec<_> = topics.collect();
        topics.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(topics)
    }

    fn append(&self, to: &TopicPartition, records: BatchBuilder) -> Result<Ticket> {
        self.shared.core()?.append(to, records)
    }

    fn read(&self, from: &TopicPartition, offset: Offset, max_bytes: usize) -> Result<Vec<Batch>> {
        let core = self.shared.core()?;
        let partition = core.partition_id(from)?;
        let start = core.segments.start(partition);
        if offset < start {
            let text = format!("the offset is older than what is kept: partition={from} offset={offset} start={start}");
            return Err(Error::invalid(text));
        }
        let published = core.published.number();
        match core.tail(partition).read(offset, published, max_bytes) {
            HotRead::End => Ok(Vec::new()),
            HotRead::Batches(batches) => Ok(batches),
            HotRead::Older => core.segments.read((partition, offset), published, max_bytes, &mut None),
        }
    }

    fn join(&self, spec: MemberSpec) -> Result<Box<dyn Member>> {
        let core = self.shared.core()?;
        let ids = {
            let mut writer = core.writer();
            let group = declare_group(&core, &mut writer, &spec.group, &spec.inputs.concat())?;
            if !group.definitions.is_empty() || !group.offsets.is_empty() {
                core.check_writes()?;
                core.write(&mut writer, group)?;
            }
            let tables = declare_tables(&core, &mut writer, &spec)?;
            (known_group(&writer.catalog, &spec.group)?, tables)
        };
        core.sync_wakeup.raise();
        Ok(Box::new(EmbeddedMember::join(core, &spec, ids)?))
    }

    fn rows(&self, service: &GroupName, table: &TableName) -> Result<Arc<dyn Rows>> {
        self.shared.core()?;
        let log = Arc::clone(&self.shared);
        Ok(Arc::new(EmbeddedRows { log, service: service.clone(), table: table.clone() }))
    }

    fn groups(&self) -> Result<Vec<GroupDescription>> {
        let core = self.shared.core()?;
        let coordinator = core.coordinator.lock();
        let writer = core.writer();
        let describe = |(id, group): (GroupId, &crate::catalog::Group)| GroupDescription {
            name: group.name.clone(),
            has_members: coordinator.has_members(id),
            offsets: named_offsets(&core, &writer.catalog, id),
        };
        let mut groups: Vec<_> = writer.catalog.known_groups().map(describe).collect();
        groups.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(groups)
    }

    fn reset(&self, group: &GroupName, offsets: &[(TopicPartition, Offset)]) -> Result<()> {
        let core = self.shared.core()?;
        let coordinator = core.coordinator.lock();
        let number = Shared::define(&core, |writer| {
            let id = known_group(&writer.catalog, group)?;
            if coordinator.has_members(id) {
                return Err(Error::invalid(format!("the group has members: stop its service first: group={group}")));
            }
            let set = |(at, offset): &(TopicPartition, Offset)| {
                let partition = writer.catalog.partition_id(at)?;
                let (start, end) = (core.segments.start(partition), writer.catalog.end(partition));
                if !(start..=end).contains(offset) {
                    let text = format!("no such offset: partition={at} offset={offset} start={start} end={end}");
                    return Err(Error::invalid(text));
                }
                let before = writer.catalog.group(id).progress.get(&partition).copied().unwrap_or_default();
                Ok(PreparedOffset { group: id, partition, offset: *offset, epoch: before.epoch + 1 })
            };
            let offsets = offsets.iter().map(set).collect::<Result<_>>()?;
            Ok(Prepared { offsets, ..Prepared::default() })
        })?;
        drop(coordinator); // every poll needs it, and a sync takes its time
        core.wait_seen(number)
    }

    fn drop_group(&self, group: &GroupName) -> Result<()> {
        let core = self.shared.core()?;
        let coordinator = core.coordinator.lock();
        let number = Shared::define(&core, |writer| {
            let id = known_group(&writer.catalog, group)?;
            if coordinator.has_members(id) {
                return Err(Error::invalid(format!("the group has members: stop its service first: group={group}")));
            }
            Ok(Prepared { definitions: vec![Entry::GroupDropped { group: id }], ..Prepared::default() })
        })?;
        drop(coordinator); // every poll needs it, and a sync takes its time
        core.wait_seen(number)?;
        core.house_wakeup.raise();
        Ok(())
    }

    fn status(&self) -> Status {
        match self.shared.core() {
            Err(error) => Status { refuses_writes: Some(error), figures: Vec::new() },
            Ok(core) => Status { refuses_writes: core.check_appends().err(), figures: figures(&core) },
        }
    }

    fn close(&self) -> Result<()> {
        self.stop()
    }
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::error!(error = error.chain(), "the log did not close well");
        }
    }
}

impl fmt::Debug for EmbeddedLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmbeddedLog")
    }
}

fn is_new_topic(catalog: &Catalog, topic: &TopicSpec) -> Result<bool> {
    let (name, wanted) = (&topic.name, topic.partition_count);
    if wanted == 0 {
        return Err(Error::invalid(format!("a topic has at least one partition: topic={name}")));
    }
    match catalog.topic(name) {
        Err(_) => Ok(true),
        Ok(found) if found.partition_count == wanted => Ok(false),
        Ok(found) => Err(Error::invalid(format!(
            "the topic exists with another number of partitions, which cannot be changed: topic={name} \
             partition_count={} wanted={wanted}",
            found.partition_count
        ))),
    }
}

fn known_group(catalog: &Catalog, name: &GroupName) -> Result<GroupId> {
    catalog.group_id(name).ok_or_else(|| Error::invalid(format!("no such group: group={name}")))
}

/// What makes a group known that reads these topics, from the oldest records on. Nothing for what is known already.
fn declare_group(core: &Core, writer: &mut Writer, name: &GroupName, topics: &[TopicName]) -> Result<Prepared> {
    let catalog = &writer.catalog;
    let known = catalog.group_id(name);
    let id = known.unwrap_or_else(|| GroupId(length(catalog.groups.len())));
    let definitions = if known.is_some() { Vec::new() } else { vec![Entry::Group { name: name.clone() }] };
    let mut offsets = Vec::new();
    for topic in topics {
        for partition in catalog.topic(topic)?.partition_ids() {
            let is_known = known.is_some_and(|id| catalog.group(id).progress.contains_key(&partition));
            if !is_known {
                offsets.push(PreparedOffset { group: id, partition, offset: core.segments.start(partition), epoch: 0 });
            }
        }
    }
    Ok(Prepared { definitions, offsets, ..Prepared::default() })
}

fn declare_tables(core: &Core, writer: &mut Writer, spec: &MemberSpec) -> Result<Vec<(TableName, TableId)>> {
    let is_new = |table: &&TableName| writer.catalog.table_id(&spec.group, table).is_none();
    let define = |table: &TableName| Entry::Table { service: spec.group.clone(), name: table.clone() };
    let definitions: Vec<_> = spec.tables.iter().filter(is_new).map(define).collect();
    if !definitions.is_empty() {
        core.check_writes()?;
        core.write(writer, Prepared { definitions, ..Prepared::default() })?;
    }
    let id_of = |table: &TableName| {
        let id = writer.catalog.table_id(&spec.group, table);
        id.map(|id| (table.clone(), id)).ok_or_else(|| Error::invalid(format!("no such table: table={table}")))
    };
    spec.tables.iter().map(id_of).collect()
}

fn named_offsets(core: &Core, catalog: &Catalog, id: GroupId) -> Vec<(TopicPartition, Offset)> {
    let of_partition = |partition: &PartitionId| {
        let at = catalog.topic_partition(*partition)?;
        Some((at, core.outside.offset(id, *partition).unwrap_or_default()))
    };
    let mut offsets: Vec<_> = catalog.group(id).progress.keys().filter_map(of_partition).collect();
    offsets.sort();
    offsets
}

#[expect(clippy::cast_precision_loss, reason = "metrics are floating point numbers")]
fn figures(core: &Core) -> Vec<Figure> {
    let figures = &core.figures;
    let of = |name, help, value| Figure { name, help, value };
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed) as f64;
    vec![
        of("log_frames_total", "Frames written.", count(&figures.frame_count)),
        of("log_syncs_total", "Syncs of the log's files.", count(&figures.sync_count)),
        of("log_sync_seconds_total", "Time spent in them.", count(&figures.sync_nanos) / 1e9),
        of("log_published_number", "The newest commit that is on disk.", core.published.number().0 as f64),
        of("log_visible_number", "The newest commit whose rows are visible.", core.outside.number().0 as f64),
        of("log_rows_persisted_number", "The commit up to which rows are on disk.", core.store.persisted().0 as f64),
        of("log_segments_bytes", "What the segments hold.", core.segments.size_bytes() as f64),
        of("log_hot_bytes", "The newest records in memory.", core.writer().hot_bytes as f64),
        of("log_pending_rows_bytes", "Commits that wait to become visible.", core.to_apply.bytes() as f64),
    ]
}
