//! What the commit lock guards: the catalog, the last segment, the order of everything.
//!
//! Under the lock a commit gets its offsets and its number, is written with one vectored write and pushed to the tails.
//! What takes long (encoding, compression, checksums, syncs) happens outside of it.

use std::{
    collections::{HashMap, VecDeque},
    io::IoSlice,
    sync::{Arc, atomic::Ordering},
};

use linecook_log::{Batch, Clock, Error, ErrorKind, Offset, Result, Timestamp};

use crate::{
    catalog::{Catalog, GroupId, PartitionId},
    files::Files,
    frame::{CommitNumber, Entry, Head},
    limits,
    options::Options,
    outside::Consumed,
    payload::{FullRow, Stored},
    segment::{self, Header, Index},
    segments::{Segment, Segments},
    tail::Tail,
};

/// A commit, ready to be written but for what only the commit lock gives.
#[derive(Default)]
pub(crate) struct Prepared {
    /// Topics, groups, tables: in the frame before all else.
    pub(crate) definitions: Vec<Entry>,
    pub(crate) outputs: Vec<PreparedOutput>,
    pub(crate) rows: Vec<FullRow>,
    /// The rows as they are stored; `None` without rows.
    pub(crate) stored_rows: Option<Stored>,
    pub(crate) offsets: Vec<PreparedOffset>,
}

/// What a batch in memory takes besides its bytes: the spare room of its builder, its places in tail and queue. Without
/// it a hundred thousand small appends would take ten times what was set.
pub(crate) const HOT_BATCH_BYTES: usize = 640;

/// A batch for a partition.
pub(crate) struct PreparedOutput {
    pub(crate) partition: PartitionId,
    pub(crate) batch: Batch,
    pub(crate) stored: Stored,
}

/// What a group has consumed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PreparedOffset {
    pub(crate) group: GroupId,
    pub(crate) partition: PartitionId,
    pub(crate) offset: Offset,
    pub(crate) epoch: u64,
}

impl Prepared {
    /// What it takes on disk, about.
    pub(crate) fn size_bytes(&self) -> usize {
        let outputs = self.outputs.iter().map(|output| output.stored.bytes.len()).sum::<usize>();
        outputs + self.stored_rows.as_ref().map_or(0, |stored| stored.bytes.len())
    }
}

/// A commit that was written, for those who apply it to what the outside sees.
pub(crate) struct Written {
    pub(crate) number: CommitNumber,
    pub(crate) rows: Vec<FullRow>,
    pub(crate) consumed: Vec<Consumed>,
}

/// See the module.
pub(crate) struct Writer {
    pub(crate) catalog: Catalog,
    /// The last commit.
    pub(crate) number: CommitNumber,
    pub(crate) segment: Arc<Segment>,
    /// How much of the last segment's file is there to be written.
    allocated: u64,
    /// The tails of all partitions.
    pub(crate) tails: Vec<Arc<Tail>>,
    /// The batches in the tails, oldest first: which partition, how many bytes.
    hot: VecDeque<(PartitionId, usize)>,
    pub(crate) hot_bytes: usize,
    /// Closed segments that were not synced since they were written to. The sync thread takes them, oldest first.
    pub(crate) unsynced: Vec<Arc<Segment>>,
    /// Whether segments were created that a power cut would take away with their names.
    pub(crate) is_folder_unsynced: bool,
}

/// What writing needs from around the lock.
pub(crate) struct Surroundings<'a> {
    pub(crate) options: &'a Options,
    pub(crate) files: &'a dyn Files,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) segments: &'a Segments,
    /// The highest number known to be synced.
    pub(crate) synced: CommitNumber,
}

impl Writer {
    pub(crate) fn new(catalog: Catalog, number: CommitNumber, segment: Arc<Segment>, allocated: u64) -> Self {
        let tails = catalog.ends.iter().map(|end| Arc::new(Tail::new(*end))).collect();
        Self {
            catalog,
            number,
            segment,
            allocated,
            tails,
            hot: VecDeque::new(),
            hot_bytes: 0,
            unsynced: Vec::new(),
            is_folder_unsynced: false,
        }
    }

    pub(crate) fn tail(&self, partition: PartitionId) -> &Arc<Tail> {
        &self.tails[partition.0 as usize]
    }

    /// Writes a commit as one frame. After an error nothing of it is there.
    pub(crate) fn write(&mut self, prepared: Prepared, around: &Surroundings<'_>) -> Result<Written> {
        limits::check(&self.catalog, &prepared)?;
        let number = self.number.next();
        let committed_at = around.clock.timestamp();
        let head = self.head(&prepared, (number, committed_at), around.synced);
        let head_bytes = head.encode();
        let size_bytes = head_bytes.len() as u64 + u64::from(head.payload_length);
        if self.segment.written() + size_bytes > self.allocated {
            self.make_room(size_bytes, around)?;
        }
        let position = self.segment.written();
        self.write_frame(position, &head_bytes, &prepared)?;

        for entry in &head.entries {
            self.catalog.apply(entry).expect("a commit was checked against the catalog before it was written");
        }
        let missing = self.catalog.ends.len() - self.tails.len();
        self.tails.extend((0..missing).map(|_| Arc::new(Tail::new(Offset(0)))));
        self.segment.note(position, position + size_bytes, &head.entries, committed_at);
        self.number = number;
        self.push_to_tails(number, committed_at, prepared.outputs, &head.entries, around.options.hot_bytes);
        let consumed =
            prepared.offsets.iter().map(|it| Consumed { group: it.group, partition: it.partition, offset: it.offset });
        Ok(Written { number, consumed: consumed.collect(), rows: prepared.rows })
    }

    fn head(
        &self,
        prepared: &Prepared,
        (number, committed_at): (CommitNumber, Timestamp),
        synced: CommitNumber,
    ) -> Head {
        let mut entries = prepared.definitions.clone();
        let mut payload_length = 0;
        let mut ends = HashMap::new();
        for output in &prepared.outputs {
            let end = ends.entry(output.partition).or_insert_with(|| self.catalog.end(output.partition));
            let count = output.batch.count();
            let base = std::mem::replace(end, end.plus(u64::from(count)));
            entries.push(Entry::Output { partition: output.partition, base, count, part: output.stored.part });
            payload_length += output.stored.part.stored;
        }
        if let Some(stored) = &prepared.stored_rows {
            entries.push(Entry::Rows { count: crate::codec::length(prepared.rows.len()), part: stored.part });
            payload_length += stored.part.stored;
        }
        entries.extend(prepared.offsets.iter().map(|it| Entry::Offset {
            group: it.group,
            partition: it.partition,
            offset: it.offset,
            epoch: it.epoch,
        }));
        Head { number, synced, committed_at, payload_length, entries }
    }

    fn write_frame(&mut self, position: u64, head: &[u8], prepared: &Prepared) -> Result<()> {
        let mut parts = Vec::with_capacity(2 + prepared.outputs.len());
        parts.push(IoSlice::new(head));
        parts.extend(prepared.outputs.iter().map(|output| IoSlice::new(&output.stored.bytes)));
        parts.extend(prepared.stored_rows.iter().map(|stored| IoSlice::new(&stored.bytes)));
        self.segment.file.write(position, &mut parts).map_err(|error| {
            // Whatever part of it was written must not stay behind the next, perhaps shorter, frame.
            match self.segment.file.cut(position, position) {
                Ok(()) => {
                    // Without the space behind it the next write may fail, too, and says so itself.
                    self.segment.file.cut(position, self.allocated).ok();
                    write_failed(error)
                }
                Err(cut) => Error::new(ErrorKind::Unknown, "a write failed and could not be cut back").with_source(cut),
            }
        })
    }

    fn push_to_tails(
        &mut self,
        number: CommitNumber,
        committed_at: Timestamp,
        outputs: Vec<PreparedOutput>,
        entries: &[Entry],
        hot_bytes: usize,
    ) {
        let bases = entries.iter().filter_map(|entry| match entry {
            Entry::Output { base, .. } => Some(*base),
            _ => None,
        });
        for (output, base) in outputs.into_iter().zip(bases) {
            let batch = output.batch.placed(base, committed_at);
            let size = batch.bytes().len() + HOT_BATCH_BYTES;
            self.hot.push_back((output.partition, size));
            self.hot_bytes += size;
            self.tail(output.partition).push(number, batch);
        }
        while self.hot_bytes > hot_bytes {
            let Some((partition, size)) = self.hot.pop_front() else { break };
            self.hot_bytes -= size;
            self.tail(partition).drop_oldest();
        }
    }

    /// Room for a frame of `frame_bytes` that the last segment has not.
    fn make_room(&mut self, frame_bytes: u64, around: &Surroundings<'_>) -> Result<()> {
        let position = self.segment.written();
        if position > self.segment.frames_at {
            return self.roll(frame_bytes, around);
        }
        // An empty segment is made longer: one behind it would begin with the same commit, and so be the same file.
        let wanted = around.options.segment_bytes().max(position + frame_bytes);
        self.segment.file.cut(position, wanted).map_err(|error| {
            self.allocated = position;
            write_failed(error)
        })?;
        self.allocated = wanted;
        Ok(())
    }

    /// Begins a new segment that has room for a frame of `frame_bytes`, then closes the one before.
    fn roll(&mut self, frame_bytes: u64, around: &Surroundings<'_>) -> Result<()> {
        let header = Header { first: self.number.next(), synced: around.synced, catalog: self.catalog.clone() };
        let (segment, allocated) = create_segment(&header, frame_bytes, around.options, around.files)?;
        let closed = std::mem::replace(&mut self.segment, segment);
        self.allocated = allocated;
        self.is_folder_unsynced = true;
        close_segment(&closed);
        closed.is_unsynced.store(true, Ordering::Release);
        around.segments.push(Arc::clone(&self.segment));
        around.segments.touch(&closed);
        self.unsynced.push(closed);
        Ok(())
    }
}

/// A new segment file, preallocated, with its header.
pub(crate) fn create_segment(
    header: &Header,
    frame_bytes: u64,
    options: &Options,
    files: &dyn Files,
) -> Result<(Arc<Segment>, u64)> {
    let name = segment::file_name(header.first);
    let bytes = header.encode();
    let frames_at = bytes.len() as u64;
    let allocated = options.segment_bytes().max(frames_at + frame_bytes);
    let create = || {
        let file = files.create(&name)?;
        file.cut(0, allocated)?;
        file.write(0, &mut [IoSlice::new(&bytes)])?;
        Ok(file)
    };
    let file = create().map_err(|error| {
        // This is for tidiness: smaller frames may go on in the segment before. When that one reaches to the next whole
        // segment, a file without a whole header between them is passed over, and removed, when the log is opened.
        files.remove(&name).ok();
        write_failed(error)
    })?;
    let segment = Segment::new((name, file), header, (frames_at, frames_at), Some(Index::default()));
    Ok((Arc::new(segment), allocated))
}

/// Writes the index behind the last frame and gives back what is allocated behind it. When that fails nothing is lost:
/// the index can be made again from the frames.
fn close_segment(segment: &Segment) {
    let position = segment.written();
    let index = segment.encode_index();
    let end = position + index.len() as u64;
    let written = segment.file.write(position, &mut [IoSlice::new(&index)]).and_then(|()| segment.file.cut(end, end));
    if let Err(error) = written {
        tracing::warn!(file = segment.name, %error, "a segment was closed without its index");
        segment.file.cut(position, position).ok();
    }
}

/// Nothing of it was written; whether trying again helps depends on why.
fn write_failed(error: std::io::Error) -> Error {
    let is_full = matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded);
    let (kind, text) = if is_full {
        (ErrorKind::Full, "the disk is full, and nothing is stored until some space is freed")
    } else {
        (ErrorKind::Unavailable, "cannot write to the log")
    };
    Error::new(kind, text).with_source(error)
}
