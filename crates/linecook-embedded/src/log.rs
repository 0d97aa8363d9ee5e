//! The contract on the open log.

use std::{
    collections::HashSet,
    fmt,
    path::Path,
    sync::{Arc, atomic::Ordering},
    thread::{self, JoinHandle},
};

use linecook_log::{
    Batch, BatchBuilder, Clock, Error, ErrorKind, Figure, GroupDescription, GroupName, GroupSpec, InputSpec, Log,
    Member, MemberSpec, Offset, PartitionDescription, Result, Rows, Status, TableName, Ticket, TopicDescription,
    TopicName, TopicPartition, TopicSpec,
};
use parking_lot::Mutex;

use crate::{
    catalog::{Catalog, GroupId, PartitionId},
    codec::length,
    directory::Directory,
    engine::Engine,
    files::{Disk, Files, create_folder},
    frame::{CommitNumber, Entry},
    lock::DirectoryLock,
    member::{self, EmbeddedMember, MemberTable},
    open::{self, Place, Shared},
    options::Options,
    row_store::RowsInstalled,
    rows::EmbeddedRows,
    tail::HotRead,
    writer::{Prepared, PreparedOffset, Writer},
};

/// The log on segment files of our own, in a directory that no other process uses.
pub struct EmbeddedLog {
    shared: Arc<Shared>,
    guard: Mutex<Option<JoinHandle<()>>>,
}

impl EmbeddedLog {
    /// Opens the log in `folder`, which is created if it is not there.
    ///
    /// # Errors
    /// `Unavailable`: another process uses the folder, or it cannot be written. `Corrupt`: what is there is damaged in
    /// a way that no crash explains, or was written by a newer version.
    pub fn open(folder: &Path, options: Options, clock: Arc<dyn Clock>) -> Result<Self> {
        let lock = DirectoryLock::take(folder, options.directory_wait, &*clock)?;
        let segments = folder.join(SEGMENTS);
        create_folder(&segments).map_err(|error| crate::segment::unreadable(error, "the folder of the segments"))?;
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
        let place = Place::new((files, lock), (rows_folder, rows_installed), options, clock)?;
        let shared = Arc::new(Shared::open(place)?);
        let guarded = Arc::clone(&shared);
        let guard = thread::Builder::new().name("log-guard".into()).spawn(move || guarded.guard());
        let guard = guard.map_err(|error| {
            shared.close(|| Ok(())).ok(); // its threads would run on without an owner
            open::no_thread(error)
        })?;
        Ok(Self { shared, guard: Mutex::new(Some(guard)) })
    }

    fn stop(&self) -> Result<()> {
        let mut guard = self.guard.lock(); // who closes it a second time waits for the first
        self.shared.close(|| match guard.take() {
            None => Ok(()),
            Some(guard) => {
                guard.thread().unpark();
                guard.join().map_err(|_| Error::new(ErrorKind::Unknown, "the guard of the log panicked"))
            }
        })
    }
}

/// The folder of the segments in a data directory.
pub(crate) const SEGMENTS: &str = "log";
/// The folder of the rows in a data directory.
pub(crate) const ROWS: &str = "rows";

impl Log for EmbeddedLog {
    fn create_topics(&self, topics: &[TopicSpec]) -> Result<()> {
        let engine = self.shared.engine()?;
        let number = define(&engine, |writer| {
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
        engine.wait_seen(number)
    }

    fn declare_groups(&self, groups: &[GroupSpec]) -> Result<()> {
        let engine = self.shared.engine()?;
        let mut number = CommitNumber(0);
        for group in groups {
            number = define(&engine, |writer| declare_group(&engine, writer, &group.name, &group.topics))?;
            engine.declarations.declare(&group.name, &group.topics);
        }
        engine.wait_seen(number)
    }

    fn describe(&self) -> Result<Vec<TopicDescription>> {
        let engine = self.shared.engine()?;
        let ends = engine.published.ends();
        let describe = |id: &PartitionId| PartitionDescription {
            start: engine.segments.start(*id),
            end: ends.get(id.0 as usize).copied().unwrap_or_default(),
        };
        let topic = |(name, ids): (&TopicName, &Vec<PartitionId>)| TopicDescription {
            name: name.clone(),
            partitions: ids.iter().map(describe).collect(),
        };
        let mut topics: Vec<_> = engine.directory.read().topics.iter().map(topic).collect();
        topics.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(topics)
    }

    fn append(&self, to: &TopicPartition, records: BatchBuilder) -> Result<Ticket> {
        self.shared.engine()?.append(to, records)
    }

    fn read(&self, from: &TopicPartition, offset: Offset, max_bytes: usize) -> Result<Vec<Batch>> {
        let engine = self.shared.engine()?;
        let partition = engine.partition_id(from)?;
        let check_start = || {
            let start = engine.segments.start(partition);
            if offset >= start {
                return Ok(());
            }
            let text = format!("the offset is older than what is kept: partition={from} offset={offset} start={start}");
            Err(Error::invalid(text))
        };
        check_start()?;
        let published = engine.published.number();
        match engine.tail(partition).read(offset, published, max_bytes) {
            HotRead::End => Ok(Vec::new()),
            HotRead::Batches(batches) => Ok(batches),
            HotRead::Older => {
                let read = engine.segments.read((partition, offset), published, max_bytes, &mut None);
                // Its segment may have been dropped since: then nothing is no sign of the end, and no file one of harm.
                if !matches!(&read, Ok(batches) if !batches.is_empty()) {
                    check_start()?;
                }
                read
            }
        }
    }

    fn join(&self, spec: MemberSpec) -> Result<Box<dyn Member>> {
        let engine = self.shared.engine()?;
        // What is refused leaves nothing behind. Held to the end: no member with other inputs comes in between.
        let inputs = member::inputs(&engine, &spec)?;
        let mut coordinator = engine.coordinator.lock();
        if let Ok(group) = engine.group_id(&spec.group) {
            coordinator.check(group, &inputs)?;
        }
        let (group, tables) = {
            let mut writer = engine.writer();
            let group = declare_group(&engine, &mut writer, &spec.group, &spec.topics())?;
            if !group.definitions.is_empty() || !group.offsets.is_empty() {
                engine.check_writes()?;
                engine.write(&mut writer, group)?;
            }
            let tables = declare_tables(&engine, &mut writer, &spec)?;
            (known_group(&writer.catalog, &spec.group)?, tables)
        };
        engine.sync_wakeup.raise();
        let member = EmbeddedMember::join(&engine, &mut coordinator, &spec, inputs, (group, tables));
        engine.declarations.declare(&spec.group, &spec.topics());
        Ok(Box::new(member))
    }

    fn rows(&self, service: &GroupName, table: &TableName) -> Result<Arc<dyn Rows>> {
        self.shared.engine()?;
        let log = Arc::clone(&self.shared);
        Ok(Arc::new(EmbeddedRows { log, service: service.clone(), table: table.clone() }))
    }

    fn groups(&self) -> Result<Vec<GroupDescription>> {
        let engine = self.shared.engine()?;
        let coordinator = engine.coordinator.lock();
        let directory = engine.directory.read();
        let describe = |(name, id): (&GroupName, &GroupId)| GroupDescription {
            name: name.clone(),
            has_members: coordinator.has_members(*id),
            offsets: named_offsets(&engine, &directory, *id),
        };
        let mut groups: Vec<_> = directory.groups.iter().map(describe).collect();
        groups.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(groups)
    }

    fn reset(&self, group: &GroupName, offsets: &[(TopicPartition, Offset)]) -> Result<()> {
        let engine = self.shared.engine()?;
        let coordinator = engine.coordinator.lock();
        let number = define(&engine, |writer| {
            let id = known_group(&writer.catalog, group)?;
            if coordinator.has_members(id) {
                return Err(Error::invalid(format!("the group has members: stop its service first: group={group}")));
            }
            let set = |(at, offset): &(TopicPartition, Offset)| {
                let partition = writer.catalog.partition_id(at)?;
                let (start, end) = (engine.segments.start(partition), writer.catalog.end(partition));
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
        engine.wait_seen(number)
    }

    fn drop_group(&self, group: &GroupName) -> Result<()> {
        let engine = self.shared.engine()?;
        let coordinator = engine.coordinator.lock();
        let number = define(&engine, |writer| {
            let id = known_group(&writer.catalog, group)?;
            if coordinator.has_members(id) {
                return Err(Error::invalid(format!("the group has members: stop its service first: group={group}")));
            }
            Ok(Prepared { definitions: vec![Entry::GroupDropped { group: id }], ..Prepared::default() })
        })?;
        drop(coordinator); // every poll needs it, and a sync takes its time
        engine.wait_seen(number)?;
        engine.house_wakeup.raise();
        Ok(())
    }

    fn status(&self) -> Status {
        match self.shared.engine() {
            Err(error) => Status { refuses_writes: Some(error), figures: Vec::new() },
            Ok(engine) => Status { refuses_writes: engine.check_appends().err(), figures: figures(&engine) },
        }
    }

    fn close(&self) -> Result<()> {
        self.stop()
    }
}

/// Writes what `make` asks for, if anything; returns the commit that has it all.
fn define(engine: &Engine, make: impl FnOnce(&mut Writer) -> Result<Prepared>) -> Result<CommitNumber> {
    engine.check()?;
    let mut writer = engine.writer();
    let prepared = make(&mut writer)?;
    if prepared.definitions.is_empty() && prepared.offsets.is_empty() {
        return Ok(writer.number); // what is there may still be on its way to the disk
    }
    engine.check_writes()?;
    let number = engine.write(&mut writer, prepared)?;
    drop(writer);
    engine.sync_wakeup.raise();
    Ok(number)
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

/// What makes a group known that reads these topics, from the oldest records on, or from where one of its name was
/// dropped. Nothing for what is known already.
fn declare_group(engine: &Engine, writer: &mut Writer, name: &GroupName, topics: &[TopicName]) -> Result<Prepared> {
    let catalog = &writer.catalog;
    let known = catalog.group_id(name);
    let id = known.unwrap_or_else(|| GroupId(length(catalog.groups.len())));
    let definitions = if known.is_some() { Vec::new() } else { vec![Entry::Group { name: name.clone() }] };
    let mut offsets = Vec::new();
    for topic in topics {
        for partition in catalog.topic(topic)?.partition_ids() {
            let start = engine.segments.start(partition);
            let progress = known.and_then(|id| catalog.group(id).progress.get(&partition).copied());
            let (offset, epoch) = match progress {
                // What it had not read is gone: nobody kept it while it did not read the topic.
                Some(progress) if progress.offset < start => (start, progress.epoch),
                Some(_) => continue,
                None => (catalog.dropped_progress(name, partition).unwrap_or_default().max(start), 0),
            };
            offsets.push(PreparedOffset { group: id, partition, offset, epoch });
        }
    }
    Ok(Prepared { definitions, offsets, ..Prepared::default() })
}

fn declare_tables(engine: &Engine, writer: &mut Writer, spec: &MemberSpec) -> Result<Vec<MemberTable>> {
    let tables = || spec.inputs.iter().flat_map(|input| input.tables.iter().map(move |table| (table, input)));
    let is_new = |(table, _): &(&TableName, &InputSpec)| writer.catalog.table_id(&spec.group, table).is_none();
    let define = |(table, _): (&TableName, _)| Entry::Table { service: spec.group.clone(), name: table.clone() };
    let definitions: Vec<_> = tables().filter(is_new).map(define).collect();
    if !definitions.is_empty() {
        engine.check_writes()?;
        engine.write(writer, Prepared { definitions, ..Prepared::default() })?;
    }
    let known = |(name, input): (&TableName, &InputSpec)| {
        let id = writer.catalog.table_id(&spec.group, name);
        let id = id.ok_or_else(|| Error::invalid(format!("no such table: table={name}")))?;
        Ok(MemberTable { name: name.clone(), id, topics: input.topics.clone() })
    };
    tables().map(known).collect()
}

fn named_offsets(engine: &Engine, directory: &Directory, id: GroupId) -> Vec<(TopicPartition, Offset)> {
    let named = |(partition, offset): (PartitionId, Offset)| {
        let at = directory.partitions.get(partition.0 as usize)?;
        Some((at.clone(), offset))
    };
    let mut offsets: Vec<_> = engine.outside.offsets_of(id).into_iter().filter_map(named).collect();
    offsets.sort();
    offsets
}

#[expect(clippy::cast_precision_loss, reason = "metrics are floating point numbers")]
fn figures(engine: &Engine) -> Vec<Figure> {
    let figures = &engine.figures;
    let of = |name, help, value| Figure { name, help, value };
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed) as f64;
    vec![
        of("log_frames_total", "Frames written.", count(&figures.frame_count)),
        of("log_syncs_total", "Syncs of the log's files.", count(&figures.sync_count)),
        of("log_sync_seconds_total", "Time spent in them.", count(&figures.sync_nanos) / 1e9),
        of("log_published_number", "The newest commit that is on disk.", engine.published.number().0 as f64),
        of("log_visible_number", "The newest commit whose rows are visible.", engine.outside.number().0 as f64),
        of("log_rows_persisted_number", "The commit up to which rows are on disk.", engine.store.persisted().0 as f64),
        of("log_segments_bytes", "What the segments hold.", engine.segments.size_bytes() as f64),
        of("log_hot_bytes", "The newest records in memory.", count(&figures.hot_bytes)),
        of("log_pending_rows_bytes", "Commits that wait to become visible.", engine.to_apply.bytes() as f64),
    ]
}
