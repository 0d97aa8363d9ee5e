//! A frame: what one commit is on disk.
//!
//! ```text
//!  magic "LCFR" │ crc u32 of the head behind it
//!  version u8, 3 zeros │ head length u32 │ payload length u32                        (the head is 44 bytes + entries)
//!  commit number u64 │ highest number known to be synced when it was written u64 │ committed at i64
//!  entries, each with a tag byte: topic, group, table, output, offset, rows, group dropped
//!  payload: the stored bytes of the outputs, then those of the rows, in the order of their entries
//! ```
//!
//! Each part of the payload has a checksum of its own, so that who reads one partition need not read the others'. The
//! parts and their checksums are made before the commit lock is taken; the head, which holds the offsets and the
//! number, under it.

use linecook_log::{GroupName, Offset, TableName, Timestamp, TopicName};

use crate::{
    catalog::{GroupId, PartitionId},
    codec::{Put, Reader, length},
};

/// The version byte of the format above.
pub(crate) const VERSION: u8 = 1;
pub(crate) const MAGIC: [u8; 4] = *b"LCFR";
/// The bytes of a head before its entries.
pub(crate) const FIXED_BYTES: usize = 44;

/// The position of a commit in the history, from 1; 0 is before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct CommitNumber(pub u64);

impl CommitNumber {
    /// The number after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl std::fmt::Display for CommitNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What a frame says, besides the payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A topic exists from here on; its partitions take the next partition ids.
    Topic { name: TopicName, partition_count: u32 },
    /// A group is known from here on; it takes the next group id.
    Group { name: GroupName },
    /// A table exists from here on; it takes the next table id.
    Table { service: GroupName, name: TableName },
    /// A batch of records; it takes `stored` bytes of the payload.
    Output { partition: PartitionId, base: Offset, count: u32, part: Part },
    /// What a group has consumed, and the epoch of the member that says so.
    Offset { group: GroupId, partition: PartitionId, offset: Offset, epoch: u64 },
    /// Row changes; they take `stored` bytes of the payload.
    Rows { count: u32, part: Part },
    /// A group is forgotten.
    GroupDropped { group: GroupId },
}

/// A part of the payload: its length as it is, its length as it is stored (equal when it is not compressed), and the
/// checksum of what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) raw: u32,
    pub(crate) stored: u32,
    pub(crate) crc: u32,
}

/// The head of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) number: CommitNumber,
    pub(crate) synced: CommitNumber,
    pub(crate) committed_at: Timestamp,
    pub(crate) payload_length: u32,
    pub(crate) entries: Vec<Entry>,
}

/// Why there is no head at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoHead {
    /// The bytes are not a whole head.
    NotWhole,
    /// It is whole, but of a format version that this program does not know.
    Version(u8),
}

impl Head {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FIXED_BYTES + 32 * self.entries.len());
        out.extend(MAGIC);
        out.extend([0; 4]); // crc
        out.extend([VERSION, 0, 0, 0]);
        out.extend([0; 4]); // head length
        out.put_u32(self.payload_length);
        out.put_u64(self.number.0);
        out.put_u64(self.synced.0);
        out.put_i64(self.committed_at.0);
        for entry in &self.entries {
            entry.encode(&mut out);
        }
        let head_length = length(out.len()).to_le_bytes();
        out[12..16].copy_from_slice(&head_length);
        let crc = crc32c::crc32c(&out[8..]).to_le_bytes();
        out[4..8].copy_from_slice(&crc);
        out
    }

    /// The length of the head that begins with `fixed`; `None` where no head can begin.
    pub(crate) fn length(fixed: &[u8; FIXED_BYTES]) -> Option<usize> {
        let mut reader = Reader(fixed);
        if reader.array()? != MAGIC {
            return None;
        }
        let _crc_and_version = reader.u64()?;
        let length = reader.u32()? as usize;
        (length >= FIXED_BYTES).then_some(length)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, NoHead> {
        let mut reader = Reader(bytes);
        let _magic = reader.u32().ok_or(NoHead::NotWhole)?;
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
        let _head_length = reader.u32()?;
        let payload_length = reader.u32()?;
        let number = CommitNumber(reader.u64()?);
        let synced = CommitNumber(reader.u64()?);
        let committed_at = Timestamp(reader.i64()?);
        let mut entries = Vec::new();
        while !reader.0.is_empty() {
            entries.push(Entry::decode(&mut reader)?);
        }
        Some(Self { number, synced, committed_at, payload_length, entries })
    }

    /// Its payload's parts: each entry that has one, with where it lies in the payload.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (&Entry, Part, u64)> {
        let mut position = 0;
        self.entries.iter().filter_map(move |entry| {
            let (Entry::Output { part, .. } | Entry::Rows { part, .. }) = entry else { return None };
            let at = position;
            position += u64::from(part.stored);
            Some((entry, *part, at))
        })
    }
}

impl Entry {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Topic { name, partition_count } => {
                out.put_u8(1);
                out.put_text(name.as_str());
                out.put_u32(*partition_count);
            }
            Self::Group { name } => {
                out.put_u8(2);
                out.put_text(name.as_str());
            }
            Self::Table { service, name } => {
                out.put_u8(3);
                out.put_text(service.as_str());
                out.put_text(name.as_str());
            }
            Self::Output { partition, base, count, part } => {
                out.put_u8(4);
                out.put_u32(partition.0);
                out.put_u64(base.0);
                out.put_u32(*count);
                part.encode(out);
            }
            Self::Offset { group, partition, offset, epoch } => {
                out.put_u8(5);
                out.put_u32(group.0);
                out.put_u32(partition.0);
                out.put_u64(offset.0);
                out.put_u64(*epoch);
            }
            Self::Rows { count, part } => {
                out.put_u8(6);
                out.put_u32(*count);
                part.encode(out);
            }
            Self::GroupDropped { group } => {
                out.put_u8(7);
                out.put_u32(group.0);
            }
        }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        Some(match reader.u8()? {
            1 => Self::Topic { name: TopicName::new(reader.text()?).ok()?, partition_count: reader.u32()? },
            2 => Self::Group { name: GroupName::new(reader.text()?).ok()? },
            3 => Self::Table {
                service: GroupName::new(reader.text()?).ok()?,
                name: TableName::new(reader.text()?).ok()?,
            },
            4 => Self::Output {
                partition: PartitionId(reader.u32()?),
                base: Offset(reader.u64()?),
                count: reader.u32()?,
                part: Part::decode(reader)?,
            },
            5 => Self::Offset {
                group: GroupId(reader.u32()?),
                partition: PartitionId(reader.u32()?),
                offset: Offset(reader.u64()?),
                epoch: reader.u64()?,
            },
            6 => Self::Rows { count: reader.u32()?, part: Part::decode(reader)? },
            7 => Self::GroupDropped { group: GroupId(reader.u32()?) },
            _ => return None,
        })
    }
}

impl Part {
    fn encode(self, out: &mut Vec<u8>) {
        out.put_u32(self.raw);
        out.put_u32(self.stored);
        out.put_u32(self.crc);
    }

    fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { raw: reader.u32()?, stored: reader.u32()?, crc: reader.u32()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        let part = Part { raw: 9, stored: 5, crc: 0xdead_beef };
        Head {
            number: CommitNumber(7),
            synced: CommitNumber(6),
            committed_at: Timestamp(1_700_000_000_000),
            payload_length: 10,
            entries: vec![
                Entry::Topic { name: TopicName::new("pizza").unwrap(), partition_count: 4 },
                Entry::Group { name: GroupName::new("g").unwrap() },
                Entry::Table { service: GroupName::new("g").unwrap(), name: TableName::new("t").unwrap() },
                Entry::Output { partition: PartitionId(1), base: Offset(2), count: 3, part },
                Entry::Offset { group: GroupId(1), partition: PartitionId(2), offset: Offset(3), epoch: 4 },
                Entry::Rows { count: 1, part },
                Entry::GroupDropped { group: GroupId(1) },
            ],
        }
    }

    /// A change of this test's bytes is a change of the format: old data must stay readable.
    #[test]
    fn the_format_has_not_changed() {
        let mut golden = b"LCFR\x7d\xd3\x5c\xf8\x01\0\0\0\x8b\0\0\0\x0a\0\0\0".to_vec();
        golden.extend(b"\x07\0\0\0\0\0\0\0\x06\0\0\0\0\0\0\0");
        golden.extend(1_700_000_000_000_i64.to_le_bytes());
        golden.extend(b"\x01\x05pizza\x04\0\0\0\x02\x01g\x03\x01g\x01t");
        golden.extend(b"\x04\x01\0\0\0\x02\0\0\0\0\0\0\0\x03\0\0\0\x09\0\0\0\x05\0\0\0\xef\xbe\xad\xde");
        golden.extend(b"\x05\x01\0\0\0\x02\0\0\0\x03\0\0\0\0\0\0\0\x04\0\0\0\0\0\0\0");
        golden.extend(b"\x06\x01\0\0\0\x09\0\0\0\x05\0\0\0\xef\xbe\xad\xde\x07\x01\0\0\0");
        let encoded = head().encode();
        assert_eq!(encoded[8..], golden[8..]);
        assert_eq!(encoded, golden, "only the checksum differs");
    }

    #[test]
    fn a_head_comes_back_as_it_was_written_and_no_changed_byte_goes_unseen() {
        let bytes = head().encode();
        assert_eq!(Head::length(bytes.first_chunk().unwrap()), Some(bytes.len()));
        assert_eq!(Head::decode(&bytes), Ok(head()));
        for index in 4..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 0x10;
            assert_eq!(Head::decode(&changed), Err(NoHead::NotWhole), "byte {index}");
        }
    }

    #[test]
    fn a_head_of_another_version_is_told_from_a_torn_one() {
        let mut bytes = head().encode();
        bytes[8] = 9;
        let crc = crc32c::crc32c(&bytes[8..]).to_le_bytes();
        bytes[4..8].copy_from_slice(&crc);
        assert_eq!(Head::decode(&bytes), Err(NoHead::Version(9)));
    }
}
