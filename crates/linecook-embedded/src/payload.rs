//! Parts of a frame's payload: compressed and checksummed before the commit lock is taken.

use std::cell::RefCell;

use bytes::Bytes;
use linecook_log::{Error, ErrorKind, Partition, Result};
use lz4_flex::block::{CompressTable, compress_into_with_table, get_maximum_output_size};

use crate::{
    catalog::TableId,
    codec::{Put, Reader, length},
    frame::Part,
};

/// Below this a part is stored as it is: compressing it saves less than it costs.
const COMPRESS_FROM_BYTES: usize = 256;

/// How large a commit can be. Lengths in a frame have 32 bits.
const COMMIT_BYTES_MAX: usize = 1 << 30;

/// Refuses what lengths in a frame cannot say.
pub(crate) fn check_size(bytes: usize) -> Result<()> {
    if bytes > COMMIT_BYTES_MAX {
        let text = format!("larger than a commit can be: bytes={bytes} max_bytes={COMMIT_BYTES_MAX}");
        return Err(Error::invalid(text));
    }
    Ok(())
}

/// Bytes ready to be written as a part, and what its entry says of them.
pub(crate) struct Stored {
    pub(crate) bytes: Bytes,
    pub(crate) part: Part,
}

/// `raw` as a part of the payload, compressed with lz4 where that makes it smaller.
pub(crate) fn store(raw: &Bytes) -> Stored {
    let compressed = SCRATCH.with_borrow_mut(|scratch| scratch.compressor.compressed(raw));
    stored(raw.len(), compressed.unwrap_or_else(|| raw.clone()))
}

/// Rows as a part of the payload. See [`put_rows`].
pub(crate) fn store_rows(rows: &[FullRow]) -> Stored {
    SCRATCH.with_borrow_mut(|Scratch { rows: raw, compressor }| {
        put_rows(rows, raw);
        let compressed = compressor.compressed(raw);
        let stored = stored(raw.len(), compressed.unwrap_or_else(|| Bytes::copy_from_slice(raw)));
        raw.clear();
        raw.shrink_to(SCRATCH_BYTES_KEPT);
        stored
    })
}

fn stored(raw_bytes: usize, bytes: Bytes) -> Stored {
    let part = Part { raw: length(raw_bytes), stored: length(bytes.len()), crc: crc32c::crc32c(&bytes) };
    Stored { bytes, part }
}

/// How much of each buffer a thread keeps for its next commit. A larger one goes back.
const SCRATCH_BYTES_KEPT: usize = 1 << 20;

thread_local! {
    /// What a commit needs for a moment. New each time it would be zeroed, and its pages would come from the system: of all
    /// page faults under load a quarter were here.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

#[derive(Default)]
struct Scratch {
    rows: Vec<u8>,
    compressor: Compressor,
}

struct Compressor {
    /// For what is shorter than 64 KiB.
    small: CompressTable,
    large: CompressTable,
    out: Vec<u8>,
}

impl Default for Compressor {
    fn default() -> Self {
        Self { small: CompressTable::small(), large: CompressTable::large(), out: Vec::new() }
    }
}

impl Compressor {
    /// `None` where it would not be smaller.
    fn compressed(&mut self, raw: &[u8]) -> Option<Bytes> {
        if raw.len() < COMPRESS_FROM_BYTES {
            return None;
        }
        let room = get_maximum_output_size(raw.len());
        if self.out.len() < room {
            self.out.resize(room, 0);
        }
        let table = if raw.len() < usize::from(u16::MAX) { &mut self.small } else { &mut self.large };
        let size = compress_into_with_table(raw, &mut self.out, table).expect("there is room for the worst case");
        let compressed = (size < raw.len()).then(|| Bytes::copy_from_slice(&self.out[..size]));
        self.out.truncate(SCRATCH_BYTES_KEPT);
        self.out.shrink_to(SCRATCH_BYTES_KEPT);
        compressed
    }
}

/// The raw bytes of a part as it was stored.
pub(crate) fn load(part: Part, stored: Vec<u8>) -> Result<Bytes> {
    let broken = |what: &str| Error::new(ErrorKind::Corrupt, format!("a part of a frame {what}: part={part:?}"));
    if stored.len() != part.stored as usize || crc32c::crc32c(&stored) != part.crc {
        return Err(broken("whose checksum does not fit"));
    }
    if part.stored == part.raw {
        return Ok(stored.into());
    }
    let raw = lz4_flex::block::decompress(&stored, part.raw as usize);
    let raw = raw.map_err(|error| broken("that does not decompress").with_source(error))?;
    if raw.len() != part.raw as usize { Err(broken("of another length")) } else { Ok(raw.into()) }
}

/// The key of a row among the rows of all tables: table u32 and partition u32 big-endian, so that they sort, then its
/// own key.
pub(crate) fn row_key(table: TableId, partition: Partition, key: &[u8]) -> Bytes {
    let mut full = Vec::with_capacity(8 + key.len());
    full.extend(row_prefix(table, partition));
    full.extend_from_slice(key);
    full.into()
}

/// What the keys of all rows of a partition of a table begin with.
pub(crate) fn row_prefix(table: TableId, partition: Partition) -> [u8; ROW_PREFIX_BYTES] {
    let mut prefix = [0; ROW_PREFIX_BYTES];
    prefix[..4].copy_from_slice(&table.0.to_be_bytes());
    prefix[4..].copy_from_slice(&partition.0.to_be_bytes());
    prefix
}

/// The longest key of a row: with the prefix, and a byte that the store adds, it fits the tree's length field.
pub(crate) const ROW_KEY_BYTES_MAX: usize = 60_000;

/// The length of [`row_prefix`].
pub(crate) const ROW_PREFIX_BYTES: usize = 8;

/// A row as it is kept: its full key, and its value unless it is deleted.
pub(crate) type FullRow = (Bytes, Option<Bytes>);

/// Appends rows as a part holds them: for each the key's length u32, the value's length + 1 u32 (0: deleted), key, value.
pub(crate) fn put_rows(rows: &[FullRow], out: &mut Vec<u8>) {
    for (key, value) in rows {
        out.put_u32(length(key.len()));
        out.put_u32(value.as_ref().map_or(0, |value| length(value.len()) + 1));
        out.extend_from_slice(key);
        out.extend_from_slice(value.as_deref().unwrap_or_default());
    }
}

/// The rows of a part; slices of `bytes`.
pub(crate) fn decode_rows(bytes: &Bytes) -> Result<Vec<FullRow>> {
    let mut reader = Reader(bytes);
    let mut rows = Vec::new();
    while !reader.0.is_empty() {
        let row = decode_row(&mut reader, bytes);
        rows.push(row.ok_or_else(|| Error::new(ErrorKind::Corrupt, "rows of a frame that cannot be read"))?);
    }
    Ok(rows)
}

fn decode_row(reader: &mut Reader<'_>, all: &Bytes) -> Option<FullRow> {
    let key_length = reader.u32()? as usize;
    let value_length = reader.u32()?.checked_sub(1);
    let key = all.slice_ref(reader.take(key_length)?);
    let value = match value_length {
        None => None,
        Some(length) => Some(all.slice_ref(reader.take(length as usize)?)),
    };
    Some((key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_comes_back_and_a_changed_byte_is_seen() {
        for raw in [Bytes::new(), Bytes::from_static(b"short"), Bytes::from(vec![7; 10_000])] {
            let stored = store(&raw);
            assert_eq!(load(stored.part, stored.bytes.to_vec()).unwrap(), raw);
            if let Some(byte) = stored.bytes.to_vec().first_mut() {
                *byte ^= 1;
                let mut changed = stored.bytes.to_vec();
                changed[0] = *byte;
                assert_eq!(load(stored.part, changed).unwrap_err().kind(), ErrorKind::Corrupt);
            }
        }
        assert!(store(&Bytes::from(vec![7; 10_000])).bytes.len() < 1000, "it is compressed");
    }

    #[test]
    fn rows_come_back() {
        let rows: Vec<FullRow> = vec![
            (row_key(TableId(1), Partition(2), b"k"), Some(Bytes::from_static(b"v"))),
            (row_key(TableId(1), Partition(2), b""), Some(Bytes::new())),
            (row_key(TableId(1), Partition(3), b"gone"), None),
        ];
        let stored = store_rows(&rows);
        let encoded = load(stored.part, stored.bytes.to_vec()).unwrap();
        assert_eq!(decode_rows(&encoded).unwrap(), rows);
        assert_eq!(&rows[0].0[..], b"\0\0\0\x01\0\0\0\x02k");
        assert_eq!(decode_rows(&encoded.slice(..5)).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
