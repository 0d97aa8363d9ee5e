//! Where a record comes from, in a header of ours. Everything else of a record is what any client writes and reads.
//!
//! ```text
//!  version u8 │ flags u8 │ attempt u16 │ taken at i64 │ committed at i64 │ service: u8 length, text
//!  source, if flagged: topic (u8 length, text) │ partition u32 │ first offset u64 │ last offset u64
//!  timestamp i64, if flagged
//! ```
//!
//! Little-endian. It is the last header of the record, and each record of a batch has it: who reads may begin anywhere, and
//! others write in between. The timestamp is there when Kafka would not take the record's: it has none before 1970, and to
//! librdkafka 0 is now.

use std::ffi::CStr;

use linecook_log::{
    Error, ErrorKind, GroupName, Offset, Origin, Partition, Result, Source, Timestamp, TopicName, TopicPartition,
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
const FLAGS_AT: usize = 1;

/// The header of the records of a batch, which differ in their timestamps at most.
#[derive(Debug, Default)]
pub(crate) struct Written {
    bytes: Vec<u8>,
    shared_bytes: usize,
}

impl Written {
    /// That of records of this origin, committed then.
    pub(crate) fn begin(&mut self, origin: &Origin, committed_at: Timestamp) {
        let out = &mut self.bytes;
        out.clear();
        out.extend([VERSION, if origin.source.is_some() { HAS_SOURCE } else { 0 }]);
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

    /// The header of a record with that timestamp, and the timestamp that Kafka is given.
    pub(crate) fn of(&mut self, timestamp: Timestamp) -> (&[u8], i64) {
        self.bytes.truncate(self.shared_bytes);
        if timestamp.0 > 0 {
            self.bytes[FLAGS_AT] &= !HAS_TIMESTAMP;
            return (&self.bytes, timestamp.0);
        }
        self.bytes[FLAGS_AT] |= HAS_TIMESTAMP;
        self.bytes.extend(timestamp.0.to_le_bytes());
        (&self.bytes, 0)
    }
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

/// The part that all records of a batch have in common, and the timestamp where Kafka's is not the record's.
///
/// # Errors
/// `Corrupt` for a version that is not known; both are named. `Ok(None)` for bytes that are not ours: a header of that
/// name which somebody else has written.
pub(crate) fn split(header: &[u8]) -> Result<Option<(&[u8], Option<Timestamp>)>> {
    let [version, flags, ..] = header else { return Ok(None) };
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
    if flags & HAS_TIMESTAMP == 0 {
        return Ok(Some((header, None)));
    }
    Ok(header.split_last_chunk().map(|(shared, timestamp)| (shared, Some(Timestamp(i64::from_le_bytes(*timestamp))))))
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
    Some(Told { origin: Origin { service, taken_at, attempt, source }, committed_at })
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
    use super::*;

    fn origin(source: Option<Source>) -> Origin {
        let service = GroupName::new("sauce-service").unwrap();
        Origin { service, taken_at: Timestamp(5), attempt: 3, source }
    }

    fn source() -> Source {
        let from = TopicPartition { topic: TopicName::new("pizza").unwrap(), partition: Partition(3) };
        Source { from, first: Offset(7), last: Offset(9) }
    }

    /// A change of these bytes is a change of what is stored: old records must stay readable.
    #[test]
    fn the_header_has_not_changed() {
        let mut written = Written::default();
        written.begin(&origin(Some(source())), Timestamp(6));
        let golden = b"\x01\x01\x03\x00\x05\0\0\0\0\0\0\0\x06\0\0\0\0\0\0\0\x0dsauce-service\x05pizza\x03\0\0\0\
                       \x07\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0";
        assert_eq!(written.of(Timestamp(1)), (&golden[..], 1));
        let (header, timestamp) = written.of(Timestamp(-2));
        assert_eq!((header[FLAGS_AT], timestamp), (3, 0));
        assert_eq!(header[golden.len()..], (-2_i64).to_le_bytes());
        assert_eq!(written.of(Timestamp(1)), (&golden[..], 1));
    }

    #[test]
    fn what_is_written_is_read() {
        for origin in [origin(None), origin(Some(source()))] {
            let mut written = Written::default();
            written.begin(&origin, Timestamp(6));
            for timestamp in [1_700_000_000_000, 0, -1, i64::MIN] {
                let (header, given) = written.of(Timestamp(timestamp));
                let (shared, own) = split(header).unwrap().unwrap();
                assert_eq!(own.unwrap_or(Timestamp(given)), Timestamp(timestamp));
                assert_eq!(read(shared), Some(Told { origin: origin.clone(), committed_at: Timestamp(6) }));
            }
        }
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
    }
}
