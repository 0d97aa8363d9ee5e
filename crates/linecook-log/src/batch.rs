//! Records move in batches: one allocation a batch, keys and values are slices of it.
//!
//! ```text
//!  version u8 │ flags u8 │ attempt u16 │ count u32 │ taken at i64 │ first timestamp i64
//!  service: u8 length, text
//!  source, if flagged: topic (u8 length, text) │ partition u32 │ first offset u64 │ last offset u64
//!  count × record:
//!     flags u8 │ key length u32 │ value length u32 │ timestamp i64 │ key │ value │ headers
//!     (a length, the timestamp and the headers only if flagged; without a timestamp it is the record before's)
//! ```
//!
//! Little-endian. What a journey of a record needs later (who made it, from what, when it was taken) is in here once a
//! batch; when it was committed is in the frame around it, since the batch is finished before that is known.

mod builder;

use bytes::Bytes;

use crate::{
    Error, ErrorKind, GroupName, Headers, Offset, Partition, Record, Result, Timestamp, TopicName, TopicPartition,
};

pub use builder::{BatchBuilder, Mark};

/// The version byte of the format above.
const VERSION: u8 = 1;
const COUNT_AT: usize = 4;
const HAS_SOURCE: u8 = 1;

const HAS_KEY: u8 = 1;
const HAS_VALUE: u8 = 2;
const HAS_TIMESTAMP: u8 = 4;
const HAS_HEADERS: u8 = 8;

/// Who made a batch, from what, and when: what a journey needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The service that wrote it.
    pub service: GroupName,
    /// When the records it was made from were taken in hand.
    pub taken_at: Timestamp,
    /// Which attempt at those records this is, from 1.
    pub attempt: u16,
    /// What it was made from; `None` for what came from outside.
    pub source: Option<Source>,
}

/// The records that a batch was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Where they lie.
    pub from: TopicPartition,
    /// The first of them.
    pub first: Offset,
    /// The last of them.
    pub last: Offset,
}

/// Records that lie next to each other in a partition, as they are stored. Cloning it copies no record.
#[derive(Debug, Clone)]
pub struct Batch {
    base: Offset,
    committed_at: Timestamp,
    count: u32,
    first_timestamp: Timestamp,
    records_at: usize,
    bytes: Bytes,
}

impl Batch {
    /// A batch from its bytes, its first record at `base`.
    ///
    /// # Errors
    /// `Corrupt` for a version that is not known (both are named) or bytes that are not a batch, every record of it.
    pub fn parse(base: Offset, committed_at: Timestamp, bytes: Bytes) -> Result<Self> {
        let mut reader = Reader(&bytes);
        let broken = || Error::new(ErrorKind::Corrupt, format!("bytes that are no batch: length={}", bytes.len()));
        let [version, flags] = reader.array().ok_or_else(broken)?;
        if version != VERSION {
            let text = format!("a batch of another format version: found={version} known={VERSION}");
            return Err(Error::new(ErrorKind::Corrupt, text));
        }
        let _attempt = reader.array::<2>().ok_or_else(broken)?;
        let count = u32::from_le_bytes(reader.array().ok_or_else(broken)?);
        let _taken_at = reader.array::<8>().ok_or_else(broken)?;
        let first_timestamp = Timestamp(i64::from_le_bytes(reader.array().ok_or_else(broken)?));
        reader.short_text().ok_or_else(broken)?;
        if flags & HAS_SOURCE != 0 {
            reader.short_text().ok_or_else(broken)?;
            let _position = reader.array::<20>().ok_or_else(broken)?;
        }
        let records_at = bytes.len() - reader.0.len();
        let batch = Self { base, committed_at, count, first_timestamp, records_at, bytes };
        let mut records = batch.records();
        if records.by_ref().count() != count as usize || !records.rest.is_empty() {
            let text = format!("a batch whose records do not add up: count={count} length={}", batch.bytes.len());
            return Err(Error::new(ErrorKind::Corrupt, text));
        }
        Ok(batch)
    }

    /// The offset of its first record.
    pub fn base(&self) -> Offset {
        self.base
    }

    /// The offset behind its last record.
    pub fn end(&self) -> Offset {
        self.base.plus(u64::from(self.count))
    }

    /// How many records it has.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// When it was committed.
    pub fn committed_at(&self) -> Timestamp {
        self.committed_at
    }

    /// Its encoded bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Its records in order.
    pub fn records(&self) -> Records<'_> {
        let rest = &self.bytes[self.records_at..];
        Records { offset: self.base, left: self.count, timestamp: self.first_timestamp, rest }
    }

    /// Its records from `offset` on.
    pub fn records_from(&self, offset: Offset) -> Records<'_> {
        let mut records = self.records();
        while records.offset < offset && records.step().is_some() {}
        records
    }

    /// Who made it, from what, and when.
    ///
    /// # Errors
    /// `Corrupt` when names in it are not names.
    pub fn origin(&self) -> Result<Origin> {
        self.read_origin().ok_or_else(|| Error::new(ErrorKind::Corrupt, "a batch whose origin cannot be read"))
    }

    /// The same records at another place: a log gives the offset when it takes the batch.
    #[must_use]
    pub fn placed(self, base: Offset, committed_at: Timestamp) -> Self {
        Self { base, committed_at, ..self }
    }

    fn read_origin(&self) -> Option<Origin> {
        let mut reader = Reader(&self.bytes);
        let [_version, flags] = reader.array()?;
        let attempt = u16::from_le_bytes(reader.array()?);
        let _count = reader.array::<4>()?;
        let taken_at = Timestamp(i64::from_le_bytes(reader.array()?));
        let _first_timestamp = reader.array::<8>()?;
        let service = GroupName::new(reader.short_text()?).ok()?;
        let source = if flags & HAS_SOURCE == 0 { None } else { Some(reader.source()?) };
        Some(Origin { service, taken_at, attempt, source })
    }
}

/// The records of a [`Batch`], or a part of them.
///
/// A part is numbers of its own, [from](Batch::records_from) one offset [up to](Self::up_to) another. With `skip_while` and
/// `take_while` around it each record would be moved twice, right after it was made.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    offset: Offset,
    left: u32,
    timestamp: Timestamp,
    rest: &'a [u8],
}

impl<'a> Records<'a> {
    /// Those of them before `end`.
    #[must_use]
    pub fn up_to(self, end: Offset) -> Self {
        let left = end.0.saturating_sub(self.offset.0);
        Self { left: self.left.min(u32::try_from(left).unwrap_or(u32::MAX)), ..self }
    }

    fn step(&mut self) -> Option<Record<'a>> {
        self.left = self.left.checked_sub(1)?;
        let mut reader = Reader(self.rest);
        let [flags] = reader.array()?;
        let key_length = reader.length_if(flags & HAS_KEY)?;
        let value_length = reader.length_if(flags & HAS_VALUE)?;
        if flags & HAS_TIMESTAMP != 0 {
            self.timestamp = Timestamp(i64::from_le_bytes(reader.array()?));
        }
        let key = reader.take_if(key_length)?;
        let value = reader.take_if(value_length)?;
        let mut headers = Headers::default();
        if flags & HAS_HEADERS != 0 {
            (headers, reader.0) = Headers::split(reader.0)?;
        }
        self.rest = reader.0;
        let record = Record { offset: self.offset, timestamp: self.timestamp, key, value, headers };
        self.offset = self.offset.plus(1);
        Some(record)
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        self.step()
    }
}

/// Reads front to back; `None` when the bytes end too early.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*array)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn short_text(&mut self) -> Option<&'a str> {
        let [length] = self.array()?;
        str::from_utf8(self.take(usize::from(length))?).ok()
    }

    fn source(&mut self) -> Option<Source> {
        let topic = TopicName::new(self.short_text()?).ok()?;
        let partition = Partition(u32::from_le_bytes(self.array()?));
        let first = Offset(u64::from_le_bytes(self.array()?));
        let last = Offset(u64::from_le_bytes(self.array()?));
        Some(Source { from: TopicPartition { topic, partition }, first, last })
    }

    /// `Some(None)` when it is not flagged.
    fn length_if(&mut self, flag: u8) -> Option<Option<usize>> {
        if flag == 0 {
            return Some(None);
        }
        Some(Some(u32::from_le_bytes(self.array()?) as usize))
    }

    fn take_if(&mut self, length: Option<usize>) -> Option<Option<&'a [u8]>> {
        match length {
            None => Some(None),
            Some(length) => Some(Some(self.take(length)?)),
        }
    }
}

#[cfg(test)]
mod tests;
