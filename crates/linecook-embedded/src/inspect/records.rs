//! The records of a topic as they lie in the files.

use std::{collections::BTreeMap, sync::Arc, vec};

use bytes::Bytes;
use linecook_log::{Batch, Error, ErrorKind, Offset, Origin, Partition, Record, Result, Timestamp};

use super::{
    FoundSegment,
    walk::{Broken, Cause, Step, Walk},
};
use crate::{
    catalog::PartitionId,
    frame::{CommitNumber, Entry, Part},
    payload,
    scan::FrameAt,
};

/// A record and the commit that it lies in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredRecord {
    /// Its partition.
    pub partition: Partition,
    /// Its position in it.
    pub offset: Offset,
    /// The commit.
    pub commit: CommitNumber,
    /// When that was made.
    pub committed_at: Timestamp,
    /// When the event happened, as its writer said.
    pub timestamp: Timestamp,
    /// The key, if it has one.
    pub key: Option<Bytes>,
    /// The value, if it has one.
    pub value: Option<Bytes>,
    /// Its headers, in order.
    pub headers: Vec<(String, Bytes)>,
    /// Who made the batch that it lies in, from what, and when.
    pub origin: Arc<Origin>,
}

/// The records of a topic, in the order of their commits. See [`Inspection::records`](super::Inspection::records).
pub struct Records<'a> {
    found: &'a [FoundSegment],
    walk: Walk<'a>,
    /// The partitions that are asked for.
    partitions: BTreeMap<PartitionId, Partition>,
    from: Offset,
    frame: Option<FrameAt>,
    /// The batches of the frame that are still to be read.
    parts: vec::IntoIter<WantedPart>,
    /// The records of the batch that are still to be given.
    records: vec::IntoIter<StoredRecord>,
}

struct WantedPart {
    partition: Partition,
    base: Offset,
    part: Part,
    at: u64,
}

impl<'a> Records<'a> {
    pub(super) fn new(
        found: &'a [FoundSegment],
        first_segment: usize,
        partitions: BTreeMap<PartitionId, Partition>,
        from: Offset,
    ) -> Self {
        Self {
            found,
            walk: Walk::new(found, first_segment),
            partitions,
            from,
            frame: None,
            parts: Vec::new().into_iter(),
            records: Vec::new().into_iter(),
        }
    }

    /// Goes on to the next frame that has wanted batches; false at the end.
    fn next_frame(&mut self) -> Result<bool> {
        let step = self.walk.step().inspect_err(|_| self.walk.skip_segment())?;
        match step {
            None => return Ok(false),
            Some(Step::Begins(_) | Step::Ends(_)) => {}
            Some(Step::Broken(broken)) => return Err(self.lost(&broken)),
            Some(Step::Frame(frame)) => {
                self.parts = frame.head.parts().filter_map(|part| self.wanted(part)).collect::<Vec<_>>().into_iter();
                self.frame = Some(frame);
            }
        }
        Ok(true)
    }

    fn wanted(&self, (entry, part, at): (&Entry, Part, u64)) -> Option<WantedPart> {
        let Entry::Output { partition, base, count, .. } = entry else { return None };
        let partition = *self.partitions.get(partition)?;
        let reaches = base.plus(u64::from(*count)) > self.from;
        reaches.then_some(WantedPart { partition, base: *base, part, at })
    }

    fn read(&mut self, wanted: &WantedPart) -> Result<Vec<StoredRecord>> {
        let Some(frame) = &self.frame else { return Ok(Vec::new()) };
        let stored = self.walk.part(frame, wanted.part, wanted.at);
        let raw = stored.and_then(|stored| payload::load(wanted.part, stored));
        raw.and_then(|raw| records_of(frame, wanted, raw, self.from)).map_err(|error| {
            let text = format!(
                "records cannot be read: file={} position={} commit={} partition={} offset={}",
                self.found[self.walk.segment()].name,
                frame.payload_at + wanted.at,
                frame.head.number,
                wanted.partition,
                wanted.base
            );
            Error::new(error.kind(), text).with_source(error)
        })
    }

    fn lost(&self, broken: &Broken) -> Error {
        let what = match broken.cause {
            Cause::NotWhole | Cause::OtherNumber => "commits that had been on disk are damaged",
            Cause::SegmentMissing => "commits that had been on disk are missing",
            Cause::Version(_) => "commits were written in a format that this program does not know",
        };
        let file = &self.found[self.walk.segment()].name;
        let Broken { position, first, last, .. } = broken;
        let text = format!("{what}: first_commit={first} last_commit={last} file={file} position={position}");
        Error::new(ErrorKind::Corrupt, text)
    }
}

impl Iterator for Records<'_> {
    type Item = Result<StoredRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(record) = self.records.next() {
                return Some(Ok(record));
            }
            let more = match self.parts.next() {
                Some(wanted) => self.read(&wanted).map(|records| {
                    self.records = records.into_iter();
                    true
                }),
                None => self.next_frame(),
            };
            match more {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

fn records_of(frame: &FrameAt, wanted: &WantedPart, raw: Bytes, from: Offset) -> Result<Vec<StoredRecord>> {
    let batch = Batch::parse(wanted.base, frame.head.committed_at, raw)?;
    let origin = Arc::new(batch.origin()?);
    let stored = |record: Record<'_>| StoredRecord {
        partition: wanted.partition,
        offset: record.offset,
        commit: frame.head.number,
        committed_at: frame.head.committed_at,
        timestamp: record.timestamp,
        key: record.key.map(|key| batch.bytes().slice_ref(key)),
        value: record.value.map(|value| batch.bytes().slice_ref(value)),
        headers: record.headers.map(|header| (header.name.to_owned(), batch.bytes().slice_ref(header.value))).collect(),
        origin: Arc::clone(&origin),
    };
    Ok(batch.records_from(from).map(stored).collect())
}
