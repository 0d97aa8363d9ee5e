//! How the rows of what waits look.
//!
//! ```text
//!  lane                 │ 1 │ key │                               records of that key
//!                       │ 2 │ offset u64 │ topic │                a record alone, which has no key
//!                       │ 3 │ hash u64 │                          records of a long key, and of others of that hash
//!
//!  key of a lane's row  │ 1 │ lane │
//!  its value            │ version u8 │ due i64 │ first u64 │ next u64 │                       due i64::MAX: it is parked
//!                       │ version u8 │ due i64 │ first u64 │ next u64 │ 1 │                   it is redriven
//!
//!  key of a record      │ 2 │ lane length u16 │ lane │ number u64 │
//!  its value            │ version u8 │ first failed i64 │ last failed i64 │ reason length u16 │ reason │ batch │
//!                       │ version u8 │                         it was discarded, and is passed over
//! ```
//!
//! Numbers in keys are big-endian, so that the order of the bytes is theirs; numbers in values are little-endian. Times are
//! milliseconds since 1970. A record is a [`Batch`] of one, the format in which it lay in its topic; the batch's origin says
//! where that was, and how often it was tried.

use bytes::Bytes;
use linecook_log::{
    Batch, BatchBuilder, Error, ErrorKind, GroupName, NewRecord, Offset, Origin, Record, Result, Source, Timestamp,
    TopicPartition,
};

use super::{super::recovery::CONDEMNED, Parked, lanes::Lane};
use crate::{
    random,
    table::layout::{begun_value, body},
};

const LANE: u8 = 1;
const RECORD: u8 = 2;

const OF_KEY: u8 = 1;
const OF_PLACE: u8 = 2;
const OF_LONG_KEY: u8 = 3;

/// The names of lanes are kept in memory. That records of two keys wait in one lane does them no harm.
const LONGEST_KEY_BYTES: usize = 1024;

/// What the keys of all lanes' rows begin with.
pub(super) const LANES: &[u8] = &[LANE];

/// Writes the name of the lane that a record belongs to.
pub(super) fn put_lane_name(from: &TopicPartition, record: &Record<'_>, out: &mut Vec<u8>) {
    out.clear();
    match record.key {
        Some(key) => put_lane_name_of(key, out),
        None => {
            out.push(OF_PLACE);
            out.extend_from_slice(&record.offset.0.to_be_bytes());
            out.extend_from_slice(from.topic.as_str().as_bytes());
        }
    }
}

/// The name of the lane of a key.
pub(super) fn lane_name_of(key: &[u8]) -> Vec<u8> {
    let mut name = Vec::new();
    put_lane_name_of(key, &mut name);
    name
}

fn put_lane_name_of(key: &[u8], out: &mut Vec<u8>) {
    if key.len() <= LONGEST_KEY_BYTES {
        out.push(OF_KEY);
        out.extend_from_slice(key);
    } else {
        out.push(OF_LONG_KEY);
        out.extend_from_slice(&random::hashed(key).to_be_bytes());
    }
}

/// The key of a lane's row.
pub(super) fn lane_key(lane: &[u8]) -> Bytes {
    [LANES, lane].concat().into()
}

/// The lane of such a row, by its key.
pub(super) fn lane_of(row_key: &Bytes) -> Bytes {
    row_key.slice(LANES.len()..)
}

/// When a lane is due that is parked.
const NEVER: i64 = i64::MAX;

/// The value of a lane's row.
pub(super) fn lane_value(lane: &Lane) -> Bytes {
    let mut value = begun_value();
    value.extend_from_slice(&lane.due.map_or(NEVER, |due| due.0).to_le_bytes());
    value.extend_from_slice(&lane.first.to_le_bytes());
    value.extend_from_slice(&lane.next.to_le_bytes());
    value.extend(lane.is_redriven.then_some(1));
    value.into()
}

/// What [`lane_value`] has written.
pub(super) fn read_lane(value: &[u8]) -> Result<Lane> {
    let (due, rest) = number(body(value)?)?;
    let (first, rest) = number(rest)?;
    let (next, rest) = number(rest)?;
    let is_redriven = *rest == [1];
    let is_whole = (rest.is_empty() || is_redriven) && first < next;
    let due = Some(due.cast_signed()).filter(|due| *due != NEVER).map(Timestamp);
    is_whole.then_some(Lane { due, is_redriven, first, next }).ok_or_else(broken)
}

/// The key of a record's row.
pub(super) fn record_key(lane: &[u8], number: u64) -> Bytes {
    let length = u16::try_from(lane.len()).expect("a lane's name has an end");
    let mut key = vec![RECORD];
    key.extend_from_slice(&length.to_be_bytes());
    key.extend_from_slice(lane);
    key.extend_from_slice(&number.to_be_bytes());
    key.into()
}

/// The lane and the number in the key of a record's row; `None` for that of a lane.
pub(super) fn read_record_key(row_key: &Bytes) -> Result<Option<(Bytes, u64)>> {
    let [RECORD, rest @ ..] = &row_key[..] else { return Ok(None) };
    let (length, rest) = rest.split_first_chunk().ok_or_else(broken)?;
    let (lane, number) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or_else(broken)?;
    let number = u64::from_be_bytes(number.try_into().map_err(|_| broken())?);
    Ok(Some((row_key.slice_ref(lane), number)))
}

/// The value of a record's row.
pub(super) fn record_value(service: &GroupName, parked: &Parked<'_>) -> Bytes {
    let Parked { from, record, attempts, first_failed_at, last_failed_at, reason } = parked;
    let mut value = begun_value();
    value.extend_from_slice(&first_failed_at.0.to_le_bytes());
    value.extend_from_slice(&last_failed_at.0.to_le_bytes());
    let reason_bytes = u16::try_from(reason.len()).expect("reasons are cut");
    value.extend_from_slice(&reason_bytes.to_le_bytes());
    value.extend_from_slice(reason.as_bytes());
    let source = Source { from: (*from).clone(), first: record.offset, last: record.offset };
    let origin =
        Origin { service: service.clone(), taken_at: *last_failed_at, attempt: *attempts, source: Some(source) };
    let mut batch = BatchBuilder::new(&origin, record.value.map_or(0, <[u8]>::len));
    let headers: Vec<_> = record.headers.collect();
    let record = NewRecord { key: record.key, value: record.value, timestamp: record.timestamp, headers: &headers };
    batch.push(&record).expect("it was in a batch before");
    value.extend_from_slice(batch.finish(Offset(0), Timestamp(0)).bytes());
    value.into()
}

impl Kept {
    /// Whether it has ended the process before.
    pub(in crate::worker) fn was_condemned(&self) -> bool {
        self.reason == CONDEMNED
    }
}

/// The value of the row of a record that was discarded: the numbers of a lane have no gaps.
pub(super) fn discarded_value() -> Bytes {
    begun_value().into()
}

/// A record as it is kept: a batch of one.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) from: TopicPartition,
    pub(crate) batch: Batch,
    pub(crate) attempts: u16,
    pub(crate) first_failed_at: Timestamp,
    pub(crate) last_failed_at: Timestamp,
    pub(crate) reason: String,
}

/// What [`record_value`] or [`discarded_value`] has written; nothing of the latter is left.
pub(super) fn read_record(value: &Bytes) -> Result<Option<Kept>> {
    let body = body(value)?;
    if body.is_empty() {
        return Ok(None);
    }
    let (first_failed_at, rest) = number(body)?;
    let (last_failed_at, rest) = number(rest)?;
    let (length, rest) = rest.split_first_chunk().ok_or_else(broken)?;
    let (reason, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length))).ok_or_else(broken)?;
    let batch = Batch::parse(Offset(0), Timestamp(0), value.slice_ref(rest))?;
    let origin = batch.origin()?;
    let source = origin.source.filter(|_| batch.count() == 1).ok_or_else(broken)?;
    Ok(Some(Kept {
        batch: batch.placed(source.first, origin.taken_at),
        from: source.from,
        attempts: origin.attempt,
        first_failed_at: Timestamp(first_failed_at.cast_signed()),
        last_failed_at: Timestamp(last_failed_at.cast_signed()),
        reason: String::from_utf8_lossy(reason).into_owned(),
    }))
}

fn number(bytes: &[u8]) -> Result<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk().ok_or_else(broken)?;
    Ok((u64::from_le_bytes(*number), rest))
}

fn broken() -> Error {
    Error::new(ErrorKind::Corrupt, "a row of what waits that cannot be read")
}

#[cfg(test)]
mod tests {
    use linecook_log::{Header, Headers};

    use super::*;
    use crate::testing::at;

    fn record(key: Option<&[u8]>) -> Record<'_> {
        let value = Some(&b"margherita"[..]);
        Record { offset: Offset(258), timestamp: Timestamp(7), key, value, headers: Headers::default() }
    }

    fn lane(key: Option<&[u8]>) -> Vec<u8> {
        let mut out = Vec::new();
        put_lane_name(&at("pizza/3"), &record(key), &mut out);
        out
    }

    /// A change of this test's bytes is a change of the format: old rows must stay readable.
    #[test]
    fn the_format_has_not_changed() {
        assert_eq!(lane(Some(b"12")), b"\x0112");
        assert_eq!(lane(None), b"\x02\0\0\0\0\0\0\x01\x02pizza");
        assert_eq!(lane(Some(&[b'x'; 1025])), b"\x03\x9cM\x84\xfd\x18\xed\x07\x07");
        assert_eq!(lane_key(b"\x0112"), &b"\x01\x0112"[..]);
        assert_eq!(record_key(b"\x0112", 258), &b"\x02\0\x03\x0112\0\0\0\0\0\0\x01\x02"[..]);
        assert_eq!(read_record_key(&record_key(b"\x0112", 258)).unwrap(), Some((b"\x0112"[..].into(), 258)));
        assert_eq!(read_record_key(&lane_key(b"\x0112")).unwrap(), None);
        let value = lane_value(&Lane { due: Some(Timestamp(258)), is_redriven: false, first: 1, next: 3 });
        assert_eq!(value, &b"\x01\x02\x01\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0"[..]);
        let value = lane_value(&Lane { due: None, is_redriven: false, first: 1, next: 3 });
        assert_eq!(value[1..9], b"\xff\xff\xff\xff\xff\xff\xff\x7f"[..]);
        assert_eq!(discarded_value(), &b"\x01"[..]);
        let from = at("pizza/3");
        let (first_failed_at, last_failed_at) = (Timestamp(1), Timestamp(2));
        let record = record(Some(b"12"));
        let parked = Parked { from: &from, record, attempts: 4, first_failed_at, last_failed_at, reason: "cold" };
        let value = record_value(&GroupName::new("oven").unwrap(), &parked);
        let (ours, batch) = value.split_at(23);
        assert_eq!(ours, b"\x01\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x04\0cold");
        assert_eq!(Batch::parse(Offset(0), Timestamp(0), Bytes::copy_from_slice(batch)).unwrap().count(), 1);
    }

    #[test]
    fn a_record_is_read_as_it_was() {
        let header = [Header { name: "trace", value: b"1" }];
        let origin = Origin { service: GroupName::new("x").unwrap(), taken_at: Timestamp(0), attempt: 1, source: None };
        let mut batch = BatchBuilder::new(&origin, 0);
        let new = NewRecord { key: None, value: None, timestamp: Timestamp(99), headers: &header };
        batch.push(&new).unwrap();
        let batch = batch.finish(Offset(40), Timestamp(0));
        let (from, record) = (at("pizza/3"), batch.records().next().unwrap());
        let (first_failed_at, last_failed_at) = (Timestamp(-1), Timestamp(2));
        let parked = Parked { from: &from, record, attempts: 9, first_failed_at, last_failed_at, reason: "" };
        let kept = read_record(&record_value(&GroupName::new("oven").unwrap(), &parked)).unwrap().unwrap();
        assert_eq!((kept.from, kept.attempts, kept.first_failed_at), (from.clone(), 9, first_failed_at));
        let kept = kept.batch.records().next().unwrap();
        assert_eq!((kept.offset, kept.timestamp, kept.key, kept.value), (Offset(40), Timestamp(99), None, None));
        assert_eq!(kept.headers.collect::<Vec<_>>(), header);
    }

    #[test]
    fn a_lane_is_due_or_parked_and_a_discarded_record_is_none() {
        for (due, is_redriven) in [(Some(Timestamp(-1)), true), (Some(Timestamp(-1)), false), (None, false)] {
            let lane = Lane { due, is_redriven, first: 1, next: 3 };
            assert_eq!(read_lane(&lane_value(&lane)).unwrap(), lane);
        }
        assert!(read_record(&discarded_value()).unwrap().is_none());
    }

    #[test]
    fn no_lane_is_another_and_none_begins_like_another() {
        let names = [
            lane(None),
            lane(Some(b"")),
            lane(Some(b"1")),
            lane(Some(b"12")),
            lane(Some(&[b'x'; 1024])),
            lane(Some(&[b'x'; 1025])),
        ];
        for (index, name) in names.iter().enumerate() {
            for other in names.iter().skip(index + 1) {
                assert_ne!(name, other);
                let without_number = |lane| record_key(lane, 0).slice(..lane.len() + 3);
                assert!(!record_key(other, 0).starts_with(&without_number(name)), "{name:?} {other:?}");
            }
        }
    }

    #[test]
    fn values_cut_short_or_that_make_no_sense_are_corrupt() {
        let value = lane_value(&Lane { due: Some(Timestamp(258)), is_redriven: false, first: 1, next: 3 });
        assert!((0..value.len()).all(|length| read_lane(&value[..length]).is_err()));
        assert!(
            read_lane(&lane_value(&Lane { due: None, is_redriven: false, first: 3, next: 3 })).is_err(),
            "nobody waits in it"
        );
        assert!((2..23).all(|length| read_record(&Bytes::from(vec![1; length])).is_err()));
    }
}
