//! Where records come from, in a header of ours. Everything else of a record is what any client writes and reads.
//!
//! ```text
//!  version u8 │ flags u8 │ attempt u16 │ taken at i64 │ committed at i64 │ service: u8 length, text
//!  source, if flagged: topic (u8 length, text) │ partition u32 │ first offset u64 │ last offset u64
//!  followers, if flagged: digest u16 each │ count u8
//!  timestamp i64, if flagged
//! ```
//!
//! Little-endian. It is the last header of the first record of a *run*, which is up to 64 records of a batch; the others, its
//! followers, have none: clients and brokers need a third of their time for a header on each (docs/performance.md). Records of
//! others may lie between them, so the header has the digest of each follower; see [`Runs`](crate::runs::Runs). Who begins to
//! read behind the header does not know where the followers come from.
//!
//! The timestamp is there when Kafka would not take the record's: it has none before 1970, and to librdkafka 0 is now.

use std::ffi::CStr;

use linecook_log::{
    Error, ErrorKind, GroupName, Offset, Origin, Partition, Record, Result, Source, Timestamp, TopicName,
    TopicPartition,
};

/// The name of the header.
pub(crate) const NAME: &CStr = c"linecook";

const VERSION: u8 = 1;
/// What the first byte of a header of ours may be. Others may use the name, too: one that begins otherwise, as a text does,
/// or is shorter than any of ours is theirs.
const VERSIONS: std::ops::RangeInclusive<u8> = 1..=15;
const SHORTEST: usize = 22;
const HAS_SOURCE: u8 = 1;
const HAS_TIMESTAMP: u8 = 2;
const HAS_FOLLOWERS: u8 = 4;
const FLAGS_AT: usize = 1;
/// How many records a run may have.
pub(crate) const RUN: usize = 64;

/// By which a follower is known to be one.
pub(crate) type Digest = [u8; 2];

/// See the module.
pub(crate) fn digest(key: Option<&[u8]>, value: Option<&[u8]>) -> Digest {
    let of_key = crc32c::crc32c(key.unwrap_or_default());
    let [.., high, low] = crc32c::crc32c_append(of_key, value.unwrap_or_default()).to_be_bytes();
    [low, high]
}

/// Whether a record may do without a header: what would have to be in it is in none, and none of its own is taken for it.
fn may_follow(record: &Record<'_>) -> bool {
    let is_named_alike = record.headers.last().is_some_and(|last| last.name.as_bytes() == NAME.to_bytes());
    record.timestamp.0 > 0 && !is_named_alike
}

/// The headers of the runs of a batch, which differ in their timestamps and followers.
#[derive(Debug, Default)]
pub(crate) struct Written {
    bytes: Vec<u8>,
    shared_bytes: usize,
}

impl Written {
    /// Those of a batch of this origin, committed then.
    pub(crate) fn begin(&mut self, origin: &Origin, committed_at: Timestamp) {
        let out = &mut self.bytes;
        out.clear();
        out.extend([VERSION, HAS_FOLLOWERS | if origin.source.is_some() { HAS_SOURCE } else { 0 }]);
        out.extend(origin.attempt.to_le_bytes());
        out.extend(origin.taken_at.0.to_le_bytes());
        out.extend(committed_at.0.to_le_bytes());
        put_short_text(out, origin.service.as_str());
        if let Some(source) = &origin.source {
            put_short_text(out, source.from.topic.as_str());
            out.extend(source.from.partition.0.to_le_bytes());
            out.extend(source.first.0.to_le_bytes());
            out.extend(source.last.0.to_le_bytes());
        }
        self.shared_bytes = out.len();
    }

    /// The run that begins with `first`; of `next`, the records behind it, it has as many as it may.
    #[expect(clippy::cast_possible_truncation, reason = "a run is short")]
    pub(crate) fn run<'a>(&mut self, first: &Record<'_>, next: impl Iterator<Item = Record<'a>>) -> Run<'_> {
        self.bytes.truncate(self.shared_bytes);
        let mut follower_count = 0;
        for record in next.take(RUN - 1).take_while(may_follow) {
            self.bytes.extend(digest(record.key, record.value));
            follower_count += 1;
        }
        self.bytes.push(follower_count as u8);
        let timestamp = if first.timestamp.0 > 0 {
            self.bytes[FLAGS_AT] &= !HAS_TIMESTAMP;
            first.timestamp.0
        } else {
            self.bytes[FLAGS_AT] |= HAS_TIMESTAMP;
            self.bytes.extend(first.timestamp.0.to_le_bytes());
            0
        };
        Run { header: &self.bytes, timestamp, follower_count }
    }
}

/// How a run is sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Run<'a> {
    /// Of its first record.
    pub(crate) header: &'a [u8],
    /// That Kafka is given for its first record.
    pub(crate) timestamp: i64,
    pub(crate) follower_count: usize,
}

#[expect(clippy::cast_possible_truncation, reason = "names have at most 200 bytes")]
fn put_short_text(out: &mut Vec<u8>, text: &str) {
    out.push(text.len() as u8);
    out.extend_from_slice(text.as_bytes());
}

/// What a header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) origin: Origin,
    pub(crate) committed_at: Timestamp,
}

/// The parts of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parts<'a> {
    /// What the runs of a batch have in common.
    pub(crate) shared: &'a [u8],
    /// Where Kafka's is not the record's.
    pub(crate) timestamp: Option<Timestamp>,
    pub(crate) followers: &'a [Digest],
}

/// Takes a header apart.
///
/// # Errors
/// `Corrupt` for a version that is not known; both are named. `Ok(None)` for bytes that are not ours: a header of that
/// name which somebody else has written.
pub(crate) fn split(header: &[u8]) -> Result<Option<Parts<'_>>> {
    let [version, ..] = header else { return Ok(None) };
    if !VERSIONS.contains(version) || header.len() < SHORTEST {
        return Ok(None);
    }
    if *version != VERSION {
        let text = format!(
            "the header linecook of a record has another format version: found={version} known={VERSION}; a newer \
             version of linecook has written it"
        );
        return Err(Error::new(ErrorKind::Corrupt, text));
    }
    Ok(parts(header))
}

fn parts(header: &[u8]) -> Option<Parts<'_>> {
    let flags = header[FLAGS_AT];
    let (mut shared, mut timestamp, mut followers) = (header, None, &[][..]);
    if flags & HAS_TIMESTAMP != 0 {
        let (rest, own) = shared.split_last_chunk()?;
        (shared, timestamp) = (rest, Some(Timestamp(i64::from_le_bytes(*own))));
    }
    if flags & HAS_FOLLOWERS != 0 {
        let (count, rest) = shared.split_last()?;
        let begin = rest.len().checked_sub(usize::from(*count) * size_of::<Digest>())?;
        (shared, followers) = (&rest[..begin], rest[begin..].as_chunks().0);
    }
    Some(Parts { shared, timestamp, followers })
}

/// What the common part says; `None` for bytes that are not ours.
pub(crate) fn read(shared: &[u8]) -> Option<Told> {
    let mut reader = Reader(shared);
    let [_version, flags] = reader.array()?;
    let attempt = u16::from_le_bytes(reader.array()?);
    let taken_at = Timestamp(i64::from_le_bytes(reader.array()?));
    let committed_at = Timestamp(i64::from_le_bytes(reader.array()?));
    let service = GroupName::new(reader.short_text()?).ok()?;
    let source = if flags & HAS_SOURCE == 0 { None } else { Some(reader.source()?) };
    let is_all = reader.0.is_empty();
    is_all.then_some(Told { origin: Origin { service, taken_at, attempt, source }, committed_at })
}

/// Of a record that some other client has written.
pub(crate) fn foreign(timestamp: Timestamp) -> Told {
    let service = GroupName::new("unknown").expect("this is a name");
    Told { origin: Origin { service, taken_at: timestamp, attempt: 1, source: None }, committed_at: timestamp }
}

/// Reads front to back; `None` when the bytes end too early.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*array)
    }

    fn short_text(&mut self) -> Option<&'a str> {
        let [length] = self.array()?;
        let (text, rest) = self.0.split_at_checked(usize::from(length))?;
        self.0 = rest;
        str::from_utf8(text).ok()
    }

    fn source(&mut self) -> Option<Source> {
        let topic = TopicName::new(self.short_text()?).ok()?;
        let partition = Partition(u32::from_le_bytes(self.array()?));
        let first = Offset(u64::from_le_bytes(self.array()?));
        let last = Offset(u64::from_le_bytes(self.array()?));
        Some(Source { from: TopicPartition { topic, partition }, first, last })
    }
}

#[cfg(test)]
mod tests {
    use linecook_log::{BatchBuilder, Header, NewRecord};

    use super::*;

    fn origin(source: Option<Source>) -> Origin {
        let service = GroupName::new("sauce-service").unwrap();
        Origin { service, taken_at: Timestamp(5), attempt: 3, source }
    }

    fn source() -> Source {
        let from = TopicPartition { topic: TopicName::new("pizza").unwrap(), partition: Partition(3) };
        Source { from, first: Offset(7), last: Offset(9) }
    }

    fn record(timestamp: i64, value: &str) -> Record<'_> {
        let (offset, timestamp) = (Offset(0), Timestamp(timestamp));
        Record { offset, timestamp, key: Some(b"k"), value: Some(value.as_bytes()), headers: Default::default() }
    }

    /// A change of these bytes is a change of what is stored: old records must stay readable.
    #[test]
    fn the_header_has_not_changed() {
        let mut written = Written::default();
        written.begin(&origin(Some(source())), Timestamp(6));
        let golden = b"\x01\x05\x03\x00\x05\0\0\0\0\0\0\0\x06\0\0\0\0\0\0\0\x0dsauce-service\x05pizza\x03\0\0\0\
                       \x07\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0";
        let alone = [&golden[..], b"\0"].concat();
        let alone = Run { header: &alone, timestamp: 1, follower_count: 0 };
        assert_eq!(written.run(&record(1, "a"), std::iter::empty()), alone);
        let Run { header, timestamp, follower_count } =
            written.run(&record(-2, "a"), [record(1, "b"), record(1, "c")].into_iter());
        assert_eq!((header[FLAGS_AT], timestamp, follower_count), (7, 0, 2));
        assert_eq!(header[golden.len()..], [b"\x60\xda\x63\x59\x02", &(-2_i64).to_le_bytes()[..]].concat());
        assert_eq!(written.run(&record(1, "a"), std::iter::empty()), alone);
    }

    /// Each record had one before there were runs.
    #[test]
    fn a_header_without_followers_is_read() {
        let mut written = Written::default();
        written.begin(&origin(Some(source())), Timestamp(6));
        let mut header = written.bytes.clone();
        header[FLAGS_AT] = HAS_SOURCE;
        let parts = split(&header).unwrap().unwrap();
        assert_eq!(parts, Parts { shared: &header, timestamp: None, followers: &[] });
        assert_eq!(read(parts.shared).unwrap().origin, origin(Some(source())));
        header[FLAGS_AT] |= HAS_TIMESTAMP;
        header.extend(5_i64.to_le_bytes());
        assert_eq!(split(&header).unwrap().unwrap().timestamp, Some(Timestamp(5)));
    }

    #[test]
    fn what_is_written_is_read() {
        for origin in [origin(None), origin(Some(source()))] {
            let mut written = Written::default();
            written.begin(&origin, Timestamp(6));
            for timestamp in [1_700_000_000_000, 0, -1, i64::MIN] {
                for count in [0, 1, RUN - 1] {
                    let next = std::iter::repeat_n(record(1, "b"), count);
                    let run = written.run(&record(timestamp, "a"), next);
                    assert_eq!(run.follower_count, count);
                    let parts = split(run.header).unwrap().unwrap();
                    assert_eq!(parts.timestamp.unwrap_or(Timestamp(run.timestamp)), Timestamp(timestamp));
                    assert_eq!(parts.followers, vec![digest(Some(b"k"), Some(b"b")); count]);
                    assert_eq!(read(parts.shared), Some(Told { origin: origin.clone(), committed_at: Timestamp(6) }));
                }
            }
        }
    }

    #[test]
    fn a_run_ends_where_it_is_long_and_where_a_record_cannot_do_without_a_header() {
        let mut written = Written::default();
        written.begin(&origin(None), Timestamp(6));
        let mut followers = |next: Vec<Record<'_>>| written.run(&record(1, "a"), next.into_iter()).follower_count;
        assert_eq!(followers(vec![record(1, "b"); 2 * RUN]), RUN - 1);
        assert_eq!(followers(vec![record(1, "b"), record(0, "c"), record(1, "d")]), 1);
        let named_alike = [Header { name: "linecook", value: b"of somebody else" }];
        let other = [named_alike[0], Header { name: "other", value: b"" }];
        let mut batch = BatchBuilder::new(&origin(None), 0);
        for headers in [&other[..], &named_alike] {
            let record = NewRecord { key: None, value: None, timestamp: Timestamp(1), headers };
            batch.push(&record).unwrap();
        }
        let batch = batch.finish(Offset(0), Timestamp(6));
        assert_eq!(followers(batch.records().collect()), 1);
    }

    #[test]
    fn an_unknown_version_is_refused_and_what_is_not_ours_is_left_alone() {
        let mut newer = [0; SHORTEST];
        newer[0] = 2;
        let error = split(&newer).unwrap_err().to_string();
        assert!(error.contains("found=2 known=1"), "{error}");
        assert_eq!(split(b"").unwrap(), None);
        // A record with such a header ended its worker for good.
        assert_eq!(split(b"{\"somebody\":\"else has a header of that name\"}").unwrap(), None);
        assert_eq!(split(&[2, 0, 0]).unwrap(), None, "no header is so short");
        assert_eq!(read(b"\x01\x00short"), None);
        let mut written = Written::default();
        written.begin(&origin(None), Timestamp(6));
        assert!(read(&written.bytes).is_some());
        assert_eq!(read(&[&written.bytes[..], b"!"].concat()), None);
    }
}
