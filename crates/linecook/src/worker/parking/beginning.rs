//! What is noted before a record is begun, in a row beside those of what waits.
//!
//! ```text
//!  key    │ 3 │ topic │                                          the first station that reads the topic keeps it
//!         │ 3 │                                                  of what waits for the station
//!  value  │ version u8 │ starts u8 │ by u64 │ offset u64 │         of a topic
//!         │ version u8 │ starts u8 │ by u64 │ offset u64 │ attempts u16 │ topic │
//! ```
//!
//! The partition is the row's. `by` tells one worker from all others, and from itself after a restart. Numbers are
//! little-endian.

use bytes::Bytes;
use linecook_log::{Offset, Result, TableName, TopicPartition};

use super::Kept;
use crate::table::layout::{begun_value, body};

const BEGINNING: u8 = 3;

/// A place where a record is begun, and which: where it is noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::worker) struct Beginning {
    table: TableName,
    row_key: Bytes,
    which: Vec<u8>,
}

impl Beginning {
    /// The records of a partition, from that offset on.
    pub(in crate::worker) fn of_input(table: &TableName, from: &TopicPartition, next: Offset) -> Self {
        let row_key = [&[BEGINNING], from.topic.as_str().as_bytes()].concat().into();
        Self { table: table.clone(), row_key, which: next.0.to_le_bytes().into() }
    }

    /// A record that waits, after its attempts.
    pub(in crate::worker) fn of_waiting(table: &TableName, kept: &Kept) -> Self {
        let mut which = kept.batch.base().0.to_le_bytes().to_vec();
        which.extend(kept.attempts.to_le_bytes());
        which.extend(kept.from.topic.as_str().as_bytes());
        Self { table: table.clone(), row_key: Bytes::from_static(&[BEGINNING]), which }
    }

    pub(in crate::worker) fn table(&self) -> &TableName {
        &self.table
    }

    pub(in crate::worker) fn row_key(&self) -> &Bytes {
        &self.row_key
    }

    pub(in crate::worker) fn row_value(&self, starts: u8, by: u64) -> Bytes {
        let mut value = begun_value();
        value.push(starts);
        value.extend(by.to_le_bytes());
        value.extend_from_slice(&self.which);
        value.into()
    }

    /// How often it was begun before this worker, if it is this that was begun last by what the row says. Who has begun it
    /// itself, and asks, has not been ended by it.
    ///
    /// # Errors
    /// `Corrupt` for a row of a version that is not known.
    pub(in crate::worker) fn starts_before(&self, worker: u64, value: &[u8]) -> Result<u8> {
        let noted = body(value)?.split_first().and_then(|(starts, rest)| Some((*starts, rest.split_first_chunk()?)));
        Ok(match noted {
            Some((starts, (by, which))) if which == self.which => {
                starts.saturating_sub(u8::from(*by == worker.to_le_bytes()))
            }
            _ => 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::at;

    /// A change of this test's bytes is a change of the format.
    #[test]
    fn the_format_has_not_changed() {
        let table = TableName::new("pizza.baked.parked").unwrap();
        let beginning = Beginning::of_input(&table, &at("pizza/1"), Offset(258));
        assert_eq!(*beginning.row_key(), &b"\x03pizza"[..]);
        let value = beginning.row_value(4, 9);
        assert_eq!(value, &b"\x01\x04\x09\0\0\0\0\0\0\0\x02\x01\0\0\0\0\0\0"[..]);
        assert_eq!([8, 9].map(|worker| beginning.starts_before(worker, &value).unwrap()), [4, 3]);
        let other = Beginning::of_input(&table, &at("pizza/1"), Offset(259));
        assert_eq!(other.starts_before(8, &value).unwrap(), 0);
        assert!(beginning.starts_before(8, b"\x02\x04").is_err());
    }
}
