//! A record: an event as it is stored.

use crate::{Offset, Timestamp};

/// A header of a record: a name and bytes, as in Kafka.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// The name; a record may have several headers of one name.
    pub name: &'a str,
    /// Its bytes.
    pub value: &'a [u8],
}

/// A record to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewRecord<'a> {
    /// The key, if it has one; records of one key keep their order.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is Kafka's null value, which deletes the key from a compacted topic.
    pub value: Option<&'a [u8]>,
    /// When the event happened.
    pub timestamp: Timestamp,
    /// Headers, in order.
    pub headers: &'a [Header<'a>],
}

/// A record as it was stored, a view into its [`Batch`](crate::Batch).
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Its position in its partition.
    pub offset: Offset,
    /// When the event happened, as its writer said.
    pub timestamp: Timestamp,
    /// The key, if it has one.
    pub key: Option<&'a [u8]>,
    /// The value, if it has one.
    pub value: Option<&'a [u8]>,
    /// Its headers.
    pub headers: Headers<'a>,
}

impl Record<'_> {
    /// Key, value and headers together.
    pub fn size_bytes(&self) -> usize {
        self.key.map_or(0, <[u8]>::len) + self.value.map_or(0, <[u8]>::len) + self.headers.size_bytes()
    }
}

/// The headers of a record, in the order in which they were written. Iterate over it.
///
/// Encoded: a count (u16), then for each the name's length (u16), the name, the value's length (u32), the value.
/// Little-endian, like all that is written. A record without headers takes no bytes for them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Headers<'a> {
    left: u16,
    rest: &'a [u8],
}

impl<'a> Headers<'a> {
    /// Headers at the beginning of `bytes`, and what follows them. `None` when they do not fit in there.
    pub(crate) fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (count, rest) = bytes.split_first_chunk::<2>()?;
        let all = Self { left: u16::from_le_bytes(*count), rest };
        let mut walk = all;
        for _ in 0..all.left {
            walk.step()?;
        }
        Some((all, walk.rest))
    }

    fn size_bytes(self) -> usize {
        self.map(|header| header.name.len() + header.value.len()).sum()
    }

    /// The value of the first header of that name.
    pub fn value_of(mut self, name: &str) -> Option<&'a [u8]> {
        self.find(|header| header.name == name).map(|header| header.value)
    }

    fn step(&mut self) -> Option<Header<'a>> {
        let (length, rest) = self.rest.split_first_chunk::<2>()?;
        let (name, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (value, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        self.left = self.left.checked_sub(1)?;
        self.rest = rest;
        Some(Header { name: str::from_utf8(name).ok()?, value })
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        self.step()
    }
}
