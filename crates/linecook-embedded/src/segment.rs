//! A segment file: a header with the whole catalog, frames, and, once closed, a sparse index.
//!
//! ```text
//!  ┌ header ┬ frame ┬ frame ┬ … ┬ frame ┬ index ┬ trailer ┐      closed: cut to its length
//!  ┌ header ┬ frame ┬ frame ┬ … ┬ frame ┬ zeros …         ┐      the last one: preallocated
//!
//!  header   magic "LCSEGMNT" │ crc u32 of what follows │ version u8, 3 zeros │ header length u32
//!           number of its first commit u64 │ highest number known to be synced u64 │ catalog at its beginning
//!  index    magic "LCIX" │ crc u32 of what follows │ version u8, 3 zeros │ length u32 │ last commit at i64
//!           count u32, then for each: partition u32 │ base offset u64 │ position of its frame u64
//!  trailer  position of the index u64 │ "LCIX"
//! ```

use linecook_log::{Error, ErrorKind, Offset, Result, Timestamp};

use crate::{
    catalog::{Catalog, PartitionId},
    codec::{Put, Reader, length},
    files::SegmentFile,
    frame::{CommitNumber, NoHead},
};

/// The version byte of header and index.
const VERSION: u8 = 1;
const MAGIC: [u8; 8] = *b"LCSEGMNT";
pub(crate) const INDEX_MAGIC: [u8; 4] = *b"LCIX";
pub(crate) const HEADER_FIXED_BYTES: usize = 20;
const INDEX_FIXED_BYTES: usize = 16;
const TRAILER_BYTES: usize = 12;
/// What lies between two indexed batches of a partition, at least.
const INDEX_EVERY_BYTES: u64 = 64 << 10;
/// What a header can be long at most; see `limits`.
pub(crate) const HEADER_MAX_BYTES: usize = 64 << 20;

/// The file name of the segment that begins with that commit. Names sort as the numbers do.
pub(crate) fn file_name(first: CommitNumber) -> String {
    format!("{:020}.log", first.0)
}

/// The first commit of the segment of that file name; `None` for files that are none of ours.
pub(crate) fn first_of(file_name: &str) -> Option<CommitNumber> {
    let digits = file_name.strip_suffix(".log").filter(|digits| digits.len() == 20)?;
    digits.parse().ok().map(CommitNumber)
}

/// What a segment begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) first: CommitNumber,
    pub(crate) synced: CommitNumber,
    pub(crate) catalog: Catalog,
}

impl Header {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(4096);
        out.extend(MAGIC);
        out.extend([0; 4]); // crc
        out.extend([VERSION, 0, 0, 0]);
        out.extend([0; 4]); // length
        out.put_u64(self.first.0);
        out.put_u64(self.synced.0);
        self.catalog.encode(&mut out);
        let header_length = length(out.len()).to_le_bytes();
        out[16..20].copy_from_slice(&header_length);
        let crc = crc32c::crc32c(&out[12..]).to_le_bytes();
        out[8..12].copy_from_slice(&crc);
        out
    }

    /// The header of a file and its length.
    pub(crate) fn read(file: &dyn SegmentFile) -> Result<std::result::Result<(Self, u64), NoHead>> {
        let mut fixed = [0; HEADER_FIXED_BYTES];
        let count = file.read(0, &mut fixed).map_err(|error| unreadable(error, "the header of a segment"))?;
        let length = u32::from_le_bytes([fixed[16], fixed[17], fixed[18], fixed[19]]) as usize;
        let is_possible = fixed[..8] == MAGIC && (HEADER_FIXED_BYTES..HEADER_MAX_BYTES).contains(&length);
        if count < HEADER_FIXED_BYTES || !is_possible {
            return Ok(Err(NoHead::NotWhole));
        }
        let mut bytes = vec![0; length];
        let count = file.read(0, &mut bytes).map_err(|error| unreadable(error, "the header of a segment"))?;
        let header = if count < length { Err(NoHead::NotWhole) } else { Self::decode(&bytes) };
        Ok(header.map(|header| (header, length as u64)))
    }

    fn decode(bytes: &[u8]) -> std::result::Result<Self, NoHead> {
        let mut reader = Reader(&bytes[8..]);
        let crc = reader.u32().ok_or(NoHead::NotWhole)?;
        if crc32c::crc32c(reader.0) != crc {
            return Err(NoHead::NotWhole);
        }
        match reader.array() {
            Some([VERSION, 0, 0, 0]) => Self::decode_rest(reader).ok_or(NoHead::NotWhole),
            Some([version, ..]) => Err(NoHead::Version(version)),
            None => Err(NoHead::NotWhole),
        }
    }

    fn decode_rest(mut reader: Reader<'_>) -> Option<Self> {
        let _length = reader.u32()?;
        let first = CommitNumber(reader.u64()?);
        let synced = CommitNumber(reader.u64()?);
        let catalog = Catalog::decode(&mut reader)?;
        reader.0.is_empty().then_some(Self { first, synced, catalog })
    }
}

/// The highest commit that is known to have been synced, by the headers of a log's segments, oldest first; `None` for
/// one that is not whole.
///
/// A log that does not begin with the first commit proves more than its headers say: no segment is dropped before the
/// first commit of the one behind it is published. That one's header is older than that, and may have been written
/// before the last commits in front of it were synced.
pub(crate) fn synced_by<'a>(headers: impl IntoIterator<Item = Option<&'a Header>>) -> CommitNumber {
    let mut headers = headers.into_iter().peekable();
    let begins_later = headers.peek().copied().flatten().map(|oldest| oldest.first).filter(|first| first.0 > 1);
    headers.flatten().map(|header| header.synced).chain(begins_later).max().unwrap_or_default()
}

/// Where in a segment to look for an offset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Index {
    /// In the order of the file; those of one partition have ascending offsets.
    entries: Vec<IndexEntry>,
    /// For each partition that occurs, the position of its entry last added, while the segment is written.
    last: std::collections::HashMap<PartitionId, u64>,
    /// When the last commit in the segment was made.
    pub(crate) last_commit_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct IndexEntry {
    partition: PartitionId,
    base: Offset,
    position: u64,
}

impl Index {
    /// Notes that the frame at `position` has a batch; most are left out. The first of a partition never is.
    pub(crate) fn note(&mut self, partition: PartitionId, base: Offset, position: u64) {
        let is_due = self.last.get(&partition).is_none_or(|last| position - last >= INDEX_EVERY_BYTES);
        if is_due {
            self.last.insert(partition, position);
            self.entries.push(IndexEntry { partition, base, position });
        }
    }

    /// The position of the last indexed frame from which on that offset is found. `None`: the segment has no batch of
    /// the partition, or begins behind the offset.
    pub(crate) fn look_up(&self, partition: PartitionId, offset: Offset) -> Option<u64> {
        let of_partition = self.entries.iter().filter(|entry| entry.partition == partition);
        of_partition.take_while(|entry| entry.base <= offset).last().map(|entry| entry.position)
    }

    /// Which batches it says lie where.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (PartitionId, Offset, u64)> {
        self.entries.iter().map(|entry| (entry.partition, entry.base, entry.position))
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(INDEX_MAGIC);
        out.extend([0; 4]); // crc
        out.extend([VERSION, 0, 0, 0]);
        out.extend([0; 4]); // length
        out.put_i64(self.last_commit_at.0);
        out.put_u32(length(self.entries.len()));
        for entry in &self.entries {
            out.put_u32(entry.partition.0);
            out.put_u64(entry.base.0);
            out.put_u64(entry.position);
        }
        let index_length = length(out.len()).to_le_bytes();
        out[12..16].copy_from_slice(&index_length);
        let crc = crc32c::crc32c(&out[8..]).to_le_bytes();
        out[4..8].copy_from_slice(&crc);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let _magic = reader.array().filter(|magic| *magic == INDEX_MAGIC)?;
        let crc = reader.u32()?;
        let is_whole = crc32c::crc32c(reader.0) == crc && reader.array()? == [VERSION, 0, 0, 0];
        let _length = reader.u32().filter(|_| is_whole)?;
        let last_commit_at = Timestamp(reader.i64()?);
        let mut index = Self { last_commit_at, ..Self::default() };
        for _ in 0..reader.u32()? {
            let (partition, base) = (PartitionId(reader.u32()?), Offset(reader.u64()?));
            index.entries.push(IndexEntry { partition, base, position: reader.u64()? });
        }
        Some(index)
    }

    /// Index and trailer, to be written at `position`.
    pub(crate) fn encode_with_trailer(&self, position: u64) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out.put_u64(position);
        out.extend(INDEX_MAGIC);
        out
    }

    /// The index of a closed segment and where it begins, which is where the frames end. `None` when there is none, as
    /// after a crash: a scan of the frames makes it again.
    pub(crate) fn read(file: &dyn SegmentFile) -> Result<Option<(Self, u64)>> {
        let failed = |error| unreadable(error, "the index of a segment");
        let file_length = file.length_bytes().map_err(failed)?;
        let Some(trailer_at) = file_length.checked_sub(TRAILER_BYTES as u64) else { return Ok(None) };
        let mut trailer = [0; TRAILER_BYTES];
        file.read(trailer_at, &mut trailer).map_err(failed)?;
        let mut reader = Reader(&trailer);
        let position = reader.u64().filter(|at| *at <= trailer_at.saturating_sub(INDEX_FIXED_BYTES as u64));
        let (Some(position), Some(INDEX_MAGIC)) = (position, reader.array()) else { return Ok(None) };
        let length = usize::try_from(trailer_at - position).expect("a file's index fits in memory");
        let mut bytes = vec![0; length];
        file.read(position, &mut bytes).map_err(failed)?;
        Ok(Self::decode(&bytes).map(|index| (index, position)))
    }
}

/// What to say of a file that cannot be read.
pub(crate) fn unreadable(error: std::io::Error, what: &str) -> Error {
    Error::new(ErrorKind::Unavailable, format!("cannot read {what}")).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fault::FaultyFiles, files::Files};

    #[test]
    fn a_header_comes_back_and_a_torn_one_is_seen() {
        let files = FaultyFiles::default();
        let file = files.create("x").unwrap();
        let header = Header { first: CommitNumber(5), synced: CommitNumber(4), catalog: Catalog::default() };
        let bytes = header.encode();
        file.write(0, &mut [std::io::IoSlice::new(&bytes)]).unwrap();
        assert_eq!(Header::read(&*file).unwrap(), Ok((header, bytes.len() as u64)));
        file.write(30, &mut [std::io::IoSlice::new(b"?")]).unwrap();
        assert_eq!(Header::read(&*file).unwrap(), Err(NoHead::NotWhole));
    }

    /// A change of these bytes is a change of the format: old data must stay readable.
    #[test]
    fn the_formats_have_not_changed() {
        let header = Header { first: CommitNumber(5), synced: CommitNumber(4), catalog: Catalog::default() };
        let mut golden = b"LCSEGMNT\0\0\0\0\x01\0\0\0\x2c\0\0\0\x05\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0".to_vec();
        golden.extend([0; 8]);
        let mut bytes = header.encode();
        bytes[8..12].fill(0);
        assert_eq!(bytes, golden);

        let mut index = Index { last_commit_at: Timestamp(7), ..Index::default() };
        index.note(PartitionId(1), Offset(2), 3);
        let mut bytes = index.encode_with_trailer(9);
        bytes[4..8].fill(0);
        let mut golden = b"LCIX\0\0\0\0\x01\0\0\0\x30\0\0\0\x07\0\0\0\0\0\0\0\x01\0\0\0\x01\0\0\0".to_vec();
        golden.extend(b"\x02\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0LCIX");
        assert_eq!(bytes, golden);
    }

    #[test]
    fn an_index_is_sparse_and_finds_the_frame_to_begin_with() {
        let mut index = Index::default();
        for n in 0..100 {
            index.note(PartitionId(1), Offset(n), 1000 + n * 8192);
            index.note(PartitionId(2), Offset(n * 10), 1100 + n * 8192);
        }
        assert!(index.entries.len() < 30);
        assert_eq!(index.look_up(PartitionId(1), Offset(0)), Some(1000));
        assert_eq!(index.look_up(PartitionId(1), Offset(15)), Some(1000 + 8 * 8192));
        assert_eq!(index.look_up(PartitionId(3), Offset(15)), None);
        let files = FaultyFiles::default();
        let file = files.create("x").unwrap();
        file.write(100, &mut [std::io::IoSlice::new(&index.encode_with_trailer(100))]).unwrap();
        let (read, position) = Index::read(&*file).unwrap().unwrap();
        assert_eq!((read.entries, position), (index.entries, 100));
    }
}
