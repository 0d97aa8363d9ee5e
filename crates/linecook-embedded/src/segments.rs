//! The segments of an open log, and reading from them what the hot tail has no more.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use linecook_log::{Batch, Error, ErrorKind, Offset, Result, Timestamp};
use parking_lot::{Mutex, RwLock};

use crate::{
    catalog::PartitionId,
    files::SegmentFile,
    frame::{CommitNumber, Entry},
    payload,
    scan::{Found, FrameAt, Frames},
    segment::Index,
};

/// How many closed segments have their file open and their index in memory: each has some ten kilobytes.
const INDEXES_IN_MEMORY: usize = 64;

/// A segment of an open log.
pub(crate) struct Segment {
    pub(crate) name: String,
    pub(crate) first: CommitNumber,
    pub(crate) file: Arc<dyn SegmentFile>,
    /// The end of each partition at its beginning; partitions that came later began in it or behind it, at 0.
    pub(crate) ends_before: Vec<Offset>,
    /// The position of its first frame.
    pub(crate) frames_at: u64,
    /// The position behind its last whole frame.
    written: AtomicU64,
    /// It was closed and is not synced. A failed write is told to who has the file open, so it must stay so.
    pub(crate) is_unsynced: AtomicBool,
    /// `None`: not in memory.
    index: Mutex<Option<Index>>,
}

impl Segment {
    pub(crate) fn new(
        (name, file): (String, Arc<dyn SegmentFile>),
        header: &crate::segment::Header,
        (frames_at, written): (u64, u64),
        index: Option<Index>,
    ) -> Self {
        Self {
            name,
            first: header.first,
            file,
            ends_before: header.catalog.ends.clone(),
            frames_at,
            written: AtomicU64::new(written),
            is_unsynced: AtomicBool::new(false),
            index: Mutex::new(index),
        }
    }

    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    fn end_before(&self, partition: PartitionId) -> Offset {
        self.ends_before.get(partition.0 as usize).copied().unwrap_or_default()
    }

    /// Follows a frame that was written at `position`.
    pub(crate) fn note(&self, position: u64, end: u64, entries: &[Entry], committed_at: Timestamp) {
        if let Some(index) = &mut *self.index.lock() {
            index.last_commit_at = committed_at;
            for entry in entries {
                if let Entry::Output { partition, base, .. } = entry {
                    index.note(*partition, *base, position);
                }
            }
        }
        self.written.store(end, Ordering::Release);
    }

    /// Its index and trailer as they are to be written when it is closed.
    pub(crate) fn encode_index(&self) -> Vec<u8> {
        self.index.lock().clone().unwrap_or_default().encode_with_trailer(self.written())
    }

    fn with_index<T>(&self, use_it: impl FnOnce(&Index) -> T) -> Result<T> {
        let mut index = self.index.lock();
        if let Some(index) = &*index {
            return Ok(use_it(index));
        }
        let read = match Index::read(&*self.file)? {
            Some((read, _)) => read,
            None => self.scan_index()?,
        };
        Ok(use_it(index.insert(read)))
    }

    /// The index of a segment that a crash kept from being closed.
    fn scan_index(&self) -> Result<Index> {
        let mut index = Index::default();
        let end = self.written();
        let mut frames = Frames::new(&*self.file, self.frames_at);
        while frames.position() < end {
            let Found::Frame(frame) = frames.next()? else { break };
            index.last_commit_at = frame.head.committed_at;
            for entry in &frame.head.entries {
                if let Entry::Output { partition, base, .. } = entry {
                    index.note(*partition, *base, frame.position);
                }
            }
        }
        Ok(index)
    }

    pub(crate) fn last_commit_at(&self) -> Result<Timestamp> {
        self.with_index(|index| index.last_commit_at)
    }
}

/// All segments, oldest first. There is always one.
pub(crate) struct Segments {
    all: RwLock<VecDeque<Arc<Segment>>>,
    /// Closed segments whose index is in memory and whose file is open, the longest unused one first.
    indexed: Mutex<VecDeque<Arc<Segment>>>,
}

/// Where a reader stands in a file, so that reading on needs no index.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor {
    segment: CommitNumber,
    position: u64,
    offset: Offset,
}

impl Segments {
    pub(crate) fn new(all: VecDeque<Arc<Segment>>) -> Self {
        Self { all: RwLock::new(all), indexed: Mutex::default() }
    }

    pub(crate) fn push(&self, segment: Arc<Segment>) {
        self.all.write().push_back(segment);
    }

    /// The oldest segments, all but the last one.
    pub(crate) fn closed(&self) -> Vec<Arc<Segment>> {
        let all = self.all.read();
        all.iter().take(all.len() - 1).cloned().collect()
    }

    /// Takes the oldest segment out. Its readers can go on; when there are none, its file is closed: an open one would
    /// take its space on the disk although it is removed.
    pub(crate) fn pop_front(&self) -> Option<Arc<Segment>> {
        let segment = self.all.write().pop_front()?;
        self.indexed.lock().retain(|other| other.first != segment.first);
        Some(segment)
    }

    pub(crate) fn oldest(&self) -> Arc<Segment> {
        Arc::clone(&self.all.read()[0])
    }

    /// The segment behind the one that begins with `first`.
    pub(crate) fn after(&self, first: CommitNumber) -> Option<Arc<Segment>> {
        let all = self.all.read();
        let index = all.partition_point(|segment| segment.first <= first);
        all.get(index).cloned()
    }

    /// The first offset of a partition that is still there.
    pub(crate) fn start(&self, partition: PartitionId) -> Offset {
        self.oldest().end_before(partition)
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        self.all.read().iter().map(|segment| segment.written()).sum()
    }

    /// The last segment that begins at or before the offset.
    fn segment_of(&self, partition: PartitionId, offset: Offset) -> Option<Arc<Segment>> {
        let all = self.all.read();
        let index = all.partition_point(|segment| segment.end_before(partition) <= offset);
        all.get(index.checked_sub(1)?).cloned()
    }

    /// Batches of a partition from `offset` on, of commits up to `limit`: about `max_bytes`, at least one if there is
    /// one. `cursor` is where this reader stood before, if it did; it is moved on.
    pub(crate) fn read(
        &self,
        (partition, offset): (PartitionId, Offset),
        limit: CommitNumber,
        max_bytes: usize,
        cursor: &mut Option<Cursor>,
    ) -> Result<Vec<Batch>> {
        let Some((mut segment, mut position)) = self.begin((partition, offset), *cursor)? else {
            return Ok(Vec::new());
        };
        let mut found = Reading { partition, offset, limit, bytes_left: max_bytes, batches: Vec::new() };
        loop {
            let has_more = found.read_segment(&segment, &mut position)?;
            *cursor = Some(Cursor { segment: segment.first, position, offset: found.offset });
            let next = if has_more { None } else { self.after(segment.first) };
            let Some(next) = next else { return Ok(found.batches) };
            self.touch(&next);
            (position, segment) = (next.frames_at, next);
        }
    }

    fn begin(
        &self,
        (partition, offset): (PartitionId, Offset),
        cursor: Option<Cursor>,
    ) -> Result<Option<(Arc<Segment>, u64)>> {
        let segment_at = |cursor: &Cursor| {
            let all = self.all.read();
            let index = all.binary_search_by_key(&cursor.segment, |segment| segment.first).ok()?;
            Some((Arc::clone(&all[index]), cursor.position))
        };
        if let Some(place) = cursor.filter(|cursor| cursor.offset == offset).as_ref().and_then(segment_at) {
            self.touch(&place.0);
            return Ok(Some(place));
        }
        let Some(segment) = self.segment_of(partition, offset) else { return Ok(None) };
        self.touch(&segment);
        let position = segment.with_index(|index| index.look_up(partition, offset))?;
        let position = position.unwrap_or_else(|| segment.written());
        Ok(Some((segment, position)))
    }

    /// Keeps the number of indexes in memory and of open files bounded. That of the last segment is always there: it is being written.
    pub(crate) fn touch(&self, segment: &Arc<Segment>) {
        // Held to the end: one that is dropped meanwhile must not stay in here.
        let all = self.all.read();
        let is_closed = all
            .front()
            .zip(all.back())
            .is_some_and(|(oldest, last)| oldest.first <= segment.first && segment.first < last.first);
        if !is_closed {
            return;
        }
        let mut indexed = self.indexed.lock();
        indexed.retain(|other| other.first != segment.first);
        indexed.push_back(Arc::clone(segment));
        for _ in INDEXES_IN_MEMORY..indexed.len() {
            let Some(unused) = indexed.pop_front() else { break };
            // Not waited for: who has it may be reading it from a slow disk, and behind these locks everybody waits. It
            // is in use, so it is not the one to go. Nor is one that is yet to be synced.
            let may_rest = !unused.is_unsynced.load(Ordering::Acquire);
            let index = may_rest.then(|| unused.index.try_lock().map(|mut index| index.take())).flatten();
            if index.is_none() {
                indexed.push_back(unused);
                continue;
            }
            unused.file.rest();
        }
    }
}

/// What a reader has found so far.
struct Reading {
    partition: PartitionId,
    /// The next offset it looks for.
    offset: Offset,
    limit: CommitNumber,
    bytes_left: usize,
    batches: Vec<Batch>,
}

impl Reading {
    /// Reads on in a segment; true when it ended before the segment did.
    fn read_segment(&mut self, segment: &Segment, position: &mut u64) -> Result<bool> {
        // Taken once: what is written later may already lie, half of it, in what has been read ahead.
        let end = segment.written();
        let mut frames = Frames::new(&*segment.file, *position);
        while frames.position() < end {
            if self.bytes_left == 0 && !self.batches.is_empty() {
                return Ok(true);
            }
            let frame = match frames.next()? {
                Found::Frame(frame) => frame,
                Found::Index | Found::Nothing => return Err(damaged(segment, frames.position())),
            };
            if frame.head.number > self.limit {
                return Ok(true);
            }
            let read = self.read_frame(&mut frames, &frame);
            read.map_err(|error| damaged(segment, frame.position).with_source(error))?;
            *position = frames.position();
        }
        Ok(false)
    }

    fn read_frame(&mut self, frames: &mut Frames<'_>, frame: &FrameAt) -> Result<()> {
        for (entry, part, at) in frame.head.parts() {
            let Entry::Output { partition, base, count, .. } = entry else { continue };
            if *partition != self.partition || base.plus(u64::from(*count)) <= self.offset {
                continue;
            }
            if *base > self.offset {
                let text = format!("records are missing: offset={} next={base}", self.offset);
                return Err(Error::new(ErrorKind::Corrupt, text));
            }
            let raw = payload::load(part, frames.part(frame, part, at)?)?;
            self.bytes_left = self.bytes_left.saturating_sub(raw.len());
            let batch = Batch::parse(*base, frame.head.committed_at, raw)?;
            self.offset = batch.end();
            self.batches.push(batch);
        }
        Ok(())
    }
}

fn damaged(segment: &Segment, position: u64) -> Error {
    let text =
        format!("a frame that was whole when the log was opened is damaged: file={} position={position}", segment.name);
    Error::new(ErrorKind::Corrupt, text)
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread, time::Duration};

    use super::*;
    use crate::{catalog::Catalog, fault::FaultyFiles, files::Files, segment::Header};

    fn segments(count: u64) -> VecDeque<Arc<Segment>> {
        let files = FaultyFiles::default();
        let segment = |number: u64| {
            let first = CommitNumber(number);
            let header = Header { first, synced: CommitNumber(0), catalog: Catalog::default() };
            let file = files.create(&number.to_string()).unwrap();
            Arc::new(Segment::new((number.to_string(), file), &header, (0, 0), Some(Index::default())))
        };
        (1..=count).map(segment).collect()
    }

    /// Who read from one segment more than indexes are kept of waited for the index of the longest unused one, which
    /// somebody may have been reading from a slow disk; and everybody who wanted any segment, or to write, waited behind.
    #[test]
    fn an_index_in_use_is_not_waited_for_and_goes_when_it_is_free() {
        let count = INDEXES_IN_MEMORY + 10;
        let all = Arc::new(Segments::new(segments(count as u64 + 1)));
        let closed = all.closed();
        let in_use = closed[0].index.lock();
        let (done, is_done) = mpsc::channel();
        let touching = Arc::clone(&all);
        thread::spawn(move || {
            touching.closed().iter().for_each(|segment| touching.touch(segment));
            done.send(()).unwrap();
        });
        let outcome = is_done.recv_timeout(Duration::from_secs(10));
        let with_index = || closed[1..].iter().filter(|segment| segment.index.lock().is_some()).count();
        if outcome.is_ok() {
            assert_eq!(with_index() + 1, INDEXES_IN_MEMORY);
        }
        drop(in_use);
        outcome.expect("nobody waits");
        for segment in &closed[1..] {
            all.touch(segment);
        }
        assert!(closed[0].index.lock().is_none());
        assert!(with_index() <= INDEXES_IN_MEMORY);
    }
}
