//! Making a batch.

use std::cell::RefCell;

use bytes::Bytes;

use super::{Batch, COUNT_AT, HAS_HEADERS, HAS_KEY, HAS_SOURCE, HAS_TIMESTAMP, HAS_VALUE, Origin, VERSION};
use crate::{Error, Header, NewRecord, Offset, Result, Timestamp};

/// A place in a [`BatchBuilder`] to roll back to.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    length: usize,
    count: u32,
    timestamp: Option<Timestamp>,
}

/// Collects records into the bytes of a [`Batch`].
///
/// ```
/// # use linecook_log::*;
/// let origin = Origin {
///     service: GroupName::new("pizza-service")?,
///     taken_at: Timestamp(0),
///     attempt: 1,
///     source: None,
/// };
/// let mut batch = BatchBuilder::new(&origin, 64);
/// batch.push(&NewRecord { key: Some(b"7"), value: Some(b"{}"), timestamp: Timestamp(5), headers: &[] })?;
/// let batch = batch.finish(Offset(40), Timestamp(6));
/// assert_eq!(batch.records().next().unwrap().offset, Offset(40));
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug)]
pub struct BatchBuilder {
    bytes: Vec<u8>,
    records_at: usize,
    last_offset_at: Option<usize>,
    count: u32,
    first_timestamp: Timestamp,
    /// That of the record before; `None` before the first.
    timestamp: Option<Timestamp>,
}

impl BatchBuilder {
    /// An empty batch, with room for about `capacity_bytes` of records before it grows.
    pub fn new(origin: &Origin, capacity_bytes: usize) -> Self {
        let mut bytes = spare();
        bytes.reserve(512 + capacity_bytes);
        bytes.push(VERSION);
        bytes.push(if origin.source.is_some() { HAS_SOURCE } else { 0 });
        bytes.extend(origin.attempt.to_le_bytes());
        bytes.extend([0; 4]); // count
        bytes.extend(origin.taken_at.0.to_le_bytes());
        bytes.extend([0; 8]); // first timestamp
        put_short_text(&mut bytes, origin.service.as_str());
        let mut last_offset_at = None;
        if let Some(source) = &origin.source {
            put_short_text(&mut bytes, source.from.topic.as_str());
            bytes.extend(source.from.partition.0.to_le_bytes());
            bytes.extend(source.first.0.to_le_bytes());
            last_offset_at = Some(bytes.len());
            bytes.extend(source.last.0.to_le_bytes());
        }
        let records_at = bytes.len();
        Self { bytes, records_at, last_offset_at, count: 0, first_timestamp: Timestamp(0), timestamp: None }
    }

    /// Adds a record.
    ///
    /// # Errors
    /// `Invalid`: more headers, or a header with a longer name, than the format counts: 65,535. The batch is then as
    /// before.
    pub fn push(&mut self, record: &NewRecord<'_>) -> Result<()> {
        check_headers(record.headers)?;
        let value = record.value.map(|value| {
            |out: &mut Vec<u8>| {
                out.extend_from_slice(value);
                Ok::<(), std::convert::Infallible>(())
            }
        });
        let Ok(()) = self.push_encoded(record.key, record.timestamp, record.headers, value);
        Ok(())
    }

    /// Adds a record whose value `encode` writes in place, without an allocation of its own.
    ///
    /// # Errors
    /// What `encode` returns; the batch is then as before.
    pub fn push_with<E>(
        &mut self,
        key: Option<&[u8]>,
        timestamp: Timestamp,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.push_encoded(key, timestamp, &[], Some(encode))
    }

    fn push_encoded<E>(
        &mut self,
        key: Option<&[u8]>,
        timestamp: Timestamp,
        headers: &[Header<'_>],
        value: Option<impl FnOnce(&mut Vec<u8>) -> Result<(), E>>,
    ) -> Result<(), E> {
        let mark = self.mark();
        let has_timestamp = self.timestamp.is_some_and(|before| before != timestamp);
        let flags = flag(key.is_some(), HAS_KEY)
            | flag(value.is_some(), HAS_VALUE)
            | flag(has_timestamp, HAS_TIMESTAMP)
            | flag(!headers.is_empty(), HAS_HEADERS);
        let out = &mut self.bytes;
        out.push(flags);
        if let Some(key) = key {
            out.extend(length_of(key.len()));
        }
        let value_length_at = out.len();
        if value.is_some() {
            out.extend([0; 4]);
        }
        if has_timestamp {
            out.extend(timestamp.0.to_le_bytes());
        }
        out.extend_from_slice(key.unwrap_or_default());
        if let Some(encode) = value {
            let value_at = out.len();
            if let Err(error) = encode(out) {
                self.rollback(mark);
                return Err(error);
            }
            let length = length_of(out.len() - value_at);
            out[value_length_at..value_length_at + 4].copy_from_slice(&length);
        }
        put_headers(out, headers);
        if self.count == 0 {
            self.first_timestamp = timestamp;
        }
        self.count += 1;
        self.timestamp = Some(timestamp);
        Ok(())
    }

    /// Says that the records up to `last` have gone into it; meaningful with a source only.
    pub fn extend_source(&mut self, last: Offset) {
        if let Some(at) = self.last_offset_at {
            self.bytes[at..at + 8].copy_from_slice(&last.0.to_le_bytes());
        }
    }

    /// The place behind the last record.
    pub fn mark(&self) -> Mark {
        Mark { length: self.bytes.len(), count: self.count, timestamp: self.timestamp }
    }

    /// Drops the records added since `mark` was taken.
    pub fn rollback(&mut self, mark: Mark) {
        self.bytes.truncate(mark.length);
        self.count = mark.count;
        self.timestamp = mark.timestamp;
    }

    /// How many records it has.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The size of its encoded records.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len() - self.records_at
    }

    /// The finished batch. Its offsets and the time of its commit may still be unknown: [`Batch::placed`] gives them.
    pub fn finish(mut self, base: Offset, committed_at: Timestamp) -> Batch {
        self.bytes[COUNT_AT..COUNT_AT + 4].copy_from_slice(&self.count.to_le_bytes());
        self.bytes[COUNT_AT + 12..COUNT_AT + 20].copy_from_slice(&self.first_timestamp.0.to_le_bytes());
        Batch {
            base,
            committed_at,
            count: self.count,
            first_timestamp: self.first_timestamp,
            records_at: self.records_at,
            bytes: exact(self.bytes),
        }
    }
}

/// How much a thread keeps in buffers: about what one commit of a worker fills, a partition each.
const SPARE_BYTES_MAX: usize = 1 << 20;

thread_local! {
    /// Buffers of batches that are finished, for the next ones.
    static SPARES: RefCell<Spares> = RefCell::default();
}

#[derive(Default)]
struct Spares {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

fn spare() -> Vec<u8> {
    SPARES.with_borrow_mut(|spares| {
        let buffer = spares.buffers.pop().unwrap_or_default();
        spares.bytes -= buffer.capacity();
        buffer
    })
}

/// The bytes in memory of just their size, since batches stay in memory for a while. The buffer, which has grown by
/// doubling, is kept for another one, or cut where that would be too much.
fn exact(mut buffer: Vec<u8>) -> Bytes {
    SPARES.with_borrow_mut(|spares| {
        if spares.bytes + buffer.capacity() > SPARE_BYTES_MAX {
            return buffer.into_boxed_slice().into();
        }
        let bytes = Bytes::copy_from_slice(&buffer);
        buffer.clear();
        spares.bytes += buffer.capacity();
        spares.buffers.push(buffer);
        bytes
    })
}

fn flag(is_set: bool, bit: u8) -> u8 {
    if is_set { bit } else { 0 }
}

#[expect(clippy::cast_possible_truncation, reason = "a log refuses records of 4 GiB long before they get here")]
fn length_of(length: usize) -> [u8; 4] {
    (length as u32).to_le_bytes()
}

#[expect(clippy::cast_possible_truncation, reason = "names have at most 200 bytes")]
fn put_short_text(out: &mut Vec<u8>, text: &str) {
    out.push(text.len() as u8);
    out.extend_from_slice(text.as_bytes());
}

/// A service passes on what others wrote, so a number of headers is not ours to trust.
fn check_headers(headers: &[Header<'_>]) -> Result<()> {
    let max = usize::from(u16::MAX);
    let longest = headers.iter().map(|header| header.name.len()).max().unwrap_or(0);
    if headers.len() > max || longest > max {
        let count = headers.len();
        let text = format!("more headers, or a longer name, than {max}: count={count} longest_name_bytes={longest}");
        return Err(Error::invalid(text));
    }
    Ok(())
}

#[expect(clippy::cast_possible_truncation, reason = "they were checked")]
fn put_headers(out: &mut Vec<u8>, headers: &[Header<'_>]) {
    if headers.is_empty() {
        return;
    }
    out.extend((headers.len() as u16).to_le_bytes());
    for header in headers {
        out.extend((header.name.len() as u16).to_le_bytes());
        out.extend_from_slice(header.name.as_bytes());
        out.extend(length_of(header.value.len()));
        out.extend_from_slice(header.value);
    }
}
