//! An open log: what its parts share, and the way of a commit and of an append through it.

mod waiting;

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use linecook_log::{
    BatchBuilder, Clock, Error, ErrorKind, GroupName, Offset, Result, TableName, Ticket, Timestamp, TopicName,
    TopicPartition, waiting::Wakeup,
};
use parking_lot::{Mutex, MutexGuard, RwLock};

use crate::{
    append_queue::{AppendQueue, PendingAppend},
    catalog::{Catalog, GroupId, PartitionId, TableId},
    coordinator::Coordinator,
    declarations::Declarations,
    directory::Directory,
    files::Files,
    frame::CommitNumber,
    options::Options,
    outside::{Awaited, Outside, SeenAck},
    payload,
    published::{AppendAck, Ended, Published},
    recovery::Recovered,
    refusal::Refusal,
    row_store::RowStore,
    segments::Segments,
    tail::Tail,
    to_apply::ToApply,
    writer::{Prepared, PreparedOutput, Surroundings, Writer},
};

/// An open log. When it fails, it is over: a new one is opened on the same files.
///
/// Its locks in the order in which they are taken; who holds one takes only those behind it: `coordinator`, `writer`
/// (the commit lock), `directory`, and then `appends`, `refusal`, `append_refusal`, `sleepers`, `store` and what is inside
/// of `segments`, the tails, `published`, `outside`, `declarations`, `to_apply` and the wake-ups. Of those behind the
/// directory only these are held while another is taken: an append's ticket over `published`; the list of segments over
/// that of the indexes in memory, and both over an index, but they do not wait for it; an index over its file's handle,
/// also while it is read from the disk (that of the segment being written is in memory, so no commit waits for that);
/// `store`, for reading, over what is inside of the store; a tail and `sleepers` over the wake-ups.
pub(crate) struct Engine {
    pub(crate) options: Options,
    pub(crate) files: Arc<dyn Files>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) store: Arc<RowStore>,
    pub(crate) declarations: Arc<Declarations>,
    pub(crate) segments: Segments,
    /// The commit lock: the second.
    writer: Mutex<Writer>,
    /// The first: nobody takes it who holds another.
    pub(crate) coordinator: Mutex<Coordinator>,
    pub(crate) published: Arc<Published>,
    pub(crate) outside: Arc<Outside>,
    /// Also taken under the commit lock, and let go before anything else is taken.
    appends: Mutex<AppendQueue>,
    /// Raised when there is something to sync or to append.
    pub(crate) sync_wakeup: Wakeup,
    /// Raised when housekeeping is not to wait for its time.
    pub(crate) house_wakeup: Wakeup,
    /// What the members sleep on: they are told when the log is over. Taken last.
    sleepers: Mutex<Vec<Arc<Wakeup>>>,
    pub(crate) to_apply: ToApply,
    /// Replaced under the commit lock; so who reads it lets it go before taking that.
    pub(crate) directory: RwLock<Directory>,
    /// Looked at under the commit lock, as the next.
    pub(crate) refusal: Refusal,
    /// Appends are refused as well as commits, or alone.
    pub(crate) append_refusal: Refusal,
    /// Nothing is taken any more; what was is made durable. Seen under the commit lock: what is written after the last
    /// sync would be there after all, although its ticket says that it is not.
    pub(crate) is_closing: AtomicBool,
    pub(crate) figures: Figures,
}

/// What is measured.
#[derive(Default)]
pub(crate) struct Figures {
    pub(crate) sync_count: AtomicU64,
    pub(crate) sync_nanos: AtomicU64,
    pub(crate) frame_count: AtomicU64,
    pub(crate) hot_bytes: AtomicU64,
}

impl Engine {
    pub(crate) fn new(
        (options, files, clock): (Options, Arc<dyn Files>, Arc<dyn Clock>),
        (store, declarations): (Arc<RowStore>, Arc<Declarations>),
        recovered: Recovered,
    ) -> Self {
        let Recovered { segments, catalog, number, allocated } = recovered;
        let last = Arc::clone(segments.back().expect("a log has a segment"));
        let published = Published::new(number, catalog.ends.clone());
        let outside = Outside::at(number, &catalog);
        let writer = Writer::new(catalog, number, last, allocated);
        let directory = Directory::of(&writer);
        Self {
            options,
            files,
            clock,
            store,
            declarations,
            segments: Segments::new(segments),
            writer: Mutex::new(writer),
            coordinator: Mutex::default(),
            published: Arc::new(published),
            outside: Arc::new(outside),
            appends: Mutex::default(),
            sync_wakeup: Wakeup::default(),
            house_wakeup: Wakeup::default(),
            sleepers: Mutex::default(),
            to_apply: ToApply::default(),
            directory: RwLock::new(directory),
            refusal: Refusal::of("writes"),
            append_refusal: Refusal::of("appends"),
            is_closing: AtomicBool::new(false),
            figures: Figures::default(),
        }
    }

    /// Takes the commit lock.
    pub(crate) fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock()
    }

    /// Whether the log is still there.
    pub(crate) fn check(&self) -> Result<()> {
        self.published.ended().map_or(Ok(()), |ended| Err(ended.error()))
    }

    /// Whether it takes commits.
    pub(crate) fn check_writes(&self) -> Result<()> {
        self.check()?;
        if self.is_closing.load(Ordering::Acquire) {
            return Err(Error::closed());
        }
        self.refusal.check()
    }

    /// Whether it takes appends from outside.
    pub(crate) fn check_appends(&self) -> Result<()> {
        self.check_writes()?;
        self.check_room()?;
        self.append_refusal.check()
    }

    /// From now on `sleeper` is woken when the log is over.
    pub(crate) fn wake_at_end(&self, sleeper: &Arc<Wakeup>) {
        self.sleepers.lock().push(Arc::clone(sleeper));
    }

    pub(crate) fn forget_sleeper(&self, sleeper: &Arc<Wakeup>) {
        self.sleepers.lock().retain(|other| !Arc::ptr_eq(other, sleeper));
    }

    /// A partition by name.
    pub(crate) fn partition_id(&self, at: &TopicPartition) -> Result<PartitionId> {
        let found = {
            let directory = self.directory.read();
            directory.topics.get(&at.topic).and_then(|ids| ids.get(at.partition.0 as usize)).copied()
        };
        // Not found: the catalog says what is wrong. It is asked without the directory, which a definition changes
        // under the commit lock: each would wait for what the other holds.
        found.map_or_else(|| self.writer().catalog.partition_id(at), Ok)
    }

    pub(crate) fn partition_count(&self, topic: &TopicName) -> Result<u32> {
        self.writer().catalog.topic(topic).map(|topic| topic.partition_count)
    }

    pub(crate) fn group_id(&self, name: &GroupName) -> Result<GroupId> {
        let found = self.directory.read().groups.get(name).copied();
        found.ok_or_else(|| Error::invalid(format!("no such group: group={name}")))
    }

    /// `None`: it has no rows yet.
    pub(crate) fn table_id(&self, service: &GroupName, table: &TableName) -> Option<TableId> {
        self.directory.read().tables.get(&(service.clone(), table.clone())).copied()
    }

    pub(crate) fn tail(&self, partition: PartitionId) -> Arc<Tail> {
        Arc::clone(&self.directory.read().tails[partition.0 as usize])
    }

    /// Queues records from outside. They go into a frame with others that came meanwhile, by the sync thread or by a
    /// commit that comes before it.
    pub(crate) fn append(&self, to: &TopicPartition, records: BatchBuilder) -> Result<Ticket> {
        self.check_appends()?;
        let partition = self.partition_id(to)?;
        if records.is_empty() {
            return Err(Error::invalid("an append without records"));
        }
        let output = self.prepare_output(partition, records)?;
        let ack = Arc::new(AppendAck::new(&self.published));
        self.queue(PendingAppend { output, ack: Arc::clone(&ack) })?;
        self.sync_wakeup.raise();
        // Ended meanwhile: nobody may be left to take it from the queue.
        if let Some(ended) = self.published.ended() {
            self.refuse_queued(&ended.error());
        }
        Ok(Ticket::new(ack))
    }

    /// Memory is bounded, and an append does not block: what comes faster than the disk takes it is refused.
    fn queue(&self, append: PendingAppend) -> Result<()> {
        let limit = self.options.pending_appends_bytes;
        let mut queue = self.appends.lock();
        if queue.bytes >= limit {
            let text = format!(
                "the disk does not keep up with what is appended: wait and try again: waiting_bytes={} max_bytes={limit}",
                queue.bytes
            );
            return Err(Error::new(ErrorKind::Full, text));
        }
        queue.bytes += append.size_bytes();
        queue.pending.push_back(append);
        Ok(())
    }

    pub(crate) fn prepare_output(&self, partition: PartitionId, records: BatchBuilder) -> Result<PreparedOutput> {
        let batch = records.finish(Offset(0), Timestamp(0));
        let limit = self.options.max_record_bytes;
        if batch.bytes().len() > limit
            && let Some(size) = batch.records().map(|record| record.size_bytes()).find(|size| *size > limit)
        {
            return Err(Error::invalid(format!("a record larger than the log takes: bytes={size} max_bytes={limit}")));
        }
        payload::check_size(batch.bytes().len())?;
        let stored = payload::store(batch.bytes());
        Ok(PreparedOutput { partition, batch, stored })
    }

    /// Makes a commit true: it is in the log's order, and readers within see it. `check` sees the catalog under the
    /// lock and may refuse.
    pub(crate) fn commit(
        &self,
        prepared: Prepared,
        check: impl FnOnce(&Catalog) -> Result<()>,
    ) -> Result<CommitNumber> {
        self.check_writes()?;
        payload::check_size(prepared.size_bytes())?;
        self.wait_for_room()?;
        let mut writer = self.writer();
        self.check_writes()?;
        self.write_appends(&mut writer);
        check(&writer.catalog)?;
        let number = self.write(&mut writer, prepared)?;
        drop(writer);
        self.sync_wakeup.raise();
        Ok(number)
    }

    /// Writes what is queued; called with the commit lock held by whoever holds it anyway.
    pub(crate) fn write_appends(&self, writer: &mut Writer) {
        loop {
            let taken = self.appends.lock().take_a_frame();
            if taken.is_empty() {
                return;
            }
            let (outputs, acks): (Vec<_>, Vec<_>) = taken.into_iter().map(|it| (it.output, it.ack)).unzip();
            match self.write(writer, Prepared { outputs, ..Prepared::default() }) {
                Ok(number) => acks.iter().for_each(|ack| ack.written(number)),
                Err(error) => acks.iter().for_each(|ack| ack.refused(&error)),
            }
        }
    }

    pub(crate) fn refuse_queued(&self, error: &Error) {
        let taken = std::mem::take(&mut *self.appends.lock());
        taken.pending.iter().for_each(|pending| pending.ack.refused(error));
    }

    /// Writes a frame, the commit lock being held.
    pub(crate) fn write(&self, writer: &mut Writer, prepared: Prepared) -> Result<CommitNumber> {
        let has_definitions = !prepared.definitions.is_empty();
        let segment = writer.segment.first;
        let around = Surroundings {
            options: &self.options,
            files: &*self.files,
            clock: &*self.clock,
            segments: &self.segments,
            synced: self.published.number(),
        };
        let written = match writer.write(prepared, &around) {
            Ok(written) => written,
            Err(error) => {
                if error.kind() == ErrorKind::Unknown {
                    self.fail(&error);
                }
                return Err(error);
            }
        };
        self.figures.frame_count.fetch_add(1, Ordering::Relaxed);
        self.figures.hot_bytes.store(writer.hot_bytes as u64, Ordering::Relaxed);
        if has_definitions {
            *self.directory.write() = Directory::of(writer);
        }
        if writer.segment.first != segment {
            self.house_wakeup.raise(); // retention is looked at when there is one more
        }
        let number = written.number;
        self.to_apply.push(written);
        Ok(number)
    }

    /// A ticket that is done when the outside sees the commit.
    pub(crate) fn seen(&self, awaited: Awaited) -> Ticket {
        Ticket::new(Arc::new(SeenAck { outside: Arc::clone(&self.outside), awaited }))
    }

    /// What a group's member has consumed at most, and what is there.
    pub(crate) fn consumed(&self, group: GroupId, partition: PartitionId) -> Awaited {
        Awaited::Consumed(group, partition, self.tail(partition).end())
    }

    /// The device failed: nothing that is not published will ever be, and this log is over.
    pub(crate) fn fail(&self, error: &Error) {
        tracing::error!(error = error.chain(), "the log failed and is opened again");
        let message = format!("the log failed and is being opened again: {}", error.chain());
        self.end(Ended { kind: ErrorKind::Unknown, message });
    }

    /// It is over; who waits is told why.
    pub(crate) fn end(&self, ended: Ended) {
        self.published.end(ended.clone());
        self.refuse_queued(&ended.error());
        self.sync_wakeup.raise();
        self.house_wakeup.raise();
        self.to_apply.drained.notify_all();
        self.sleepers.lock().iter().for_each(|sleeper| sleeper.raise());
    }
}
