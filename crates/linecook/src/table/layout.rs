//! How the rows of a table look.
//!
//! ```text
//!  state   │ 1 │ key length u16 │ key │ 0 │
//!  items   │ 1 │ key length u16 │ key │ 1 │ number u32 │
//!  expiry  │ 2 │ minute u64 │ topic length u8 │ topic │ offset u64 │
//! ```
//!
//! Numbers in keys are big-endian, so that the order of the bytes is theirs. The length in front of the key keeps the
//! key `1` from being a prefix of the key `12`. The partition is not in a key, as the log keeps rows by partition, which
//! is that of their source.
//!
//! The newest items of an entry lie in the row of its state, as long as they are small; those before are in rows of their
//! own, which the state counts and which never change. So whoever has the row of the state knows which others there are,
//! and gets them: to search for all that begins with a key is to look into each file of the store, whose filters know whole
//! keys only.
//!
//! An expiry row has the keys that one commit has first written, the topic and the offset being those of the first of these
//! records. A commit that is made again is not made twice, so it is unique without a counter.
//!
//! ```text
//!  value of a state    │ version u8 │ number of items rows u32 │ bytes of items u32 │ items │ state │
//!  value of items      │ version u8 │ items │
//!  items               │ item length u32 │ item │ …
//!  value of an expiry  │ version u8 │ key length u16 │ key │ …
//! ```
//!
//! Numbers in values are little-endian, like all that is written.

use bytes::Bytes;
use linecook_log::{Error, ErrorKind, Offset, Result};

/// The version byte of every value but that of a state.
const VERSION: u8 = 1;
/// The version byte of a state's. Version 1, in which all items had rows of their own, was in no release.
const STATE_VERSION: u8 = 2;

const ENTRY: u8 = 1;
const STATE: u8 = 0;
const ITEMS: u8 = 1;

/// What the keys of all expiry rows begin with.
pub(super) const EXPIRY: u8 = 2;

/// A minute since 1970, by which keys expire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Minute(pub(super) u64);

/// Which row of its kind it is: the first record that it is due to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cause<'a> {
    pub(super) topic: &'a str,
    pub(super) offset: Offset,
}

/// Appends what the keys of all rows of an entry begin with. `None` for a key that is too long for a row.
pub(super) fn put_entry_prefix(key: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let length = u16::try_from(key.len()).ok()?;
    out.push(ENTRY);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(key);
    Some(())
}

/// Appends the key of an entry's state.
pub(super) fn put_state_key(key: &[u8], out: &mut Vec<u8>) -> Option<()> {
    put_entry_prefix(key, out)?;
    out.push(STATE);
    Some(())
}

/// What the keys of all items of an entry begin with, by the key of its state.
pub(super) fn items_prefix_beside(state_key: &[u8]) -> Vec<u8> {
    let mut prefix = state_key.to_vec();
    prefix.pop();
    prefix.push(ITEMS);
    prefix
}

/// The key of an items row, by the key of the entry's state.
pub(super) fn items_key(state_key: &[u8], number: u32) -> Vec<u8> {
    let mut key = items_prefix_beside(state_key);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// The key of an expiry row.
pub(super) fn expiry_key(minute: Minute, cause: Cause<'_>) -> Vec<u8> {
    let mut key = vec![EXPIRY];
    key.extend_from_slice(&minute.0.to_be_bytes());
    put_cause(cause, &mut key);
    key
}

/// The key of the row that takes the keys of another on to a later minute.
pub(super) fn expiry_key_at(minute: Minute, expiry_key: &[u8]) -> Vec<u8> {
    let mut key = expiry_key.to_vec();
    key[1..9].copy_from_slice(&minute.0.to_be_bytes());
    key
}

fn put_cause(cause: Cause<'_>, out: &mut Vec<u8>) {
    out.push(u8::try_from(cause.topic.len()).expect("names have at most 200 bytes"));
    out.extend_from_slice(cause.topic.as_bytes());
    out.extend_from_slice(&cause.offset.0.to_be_bytes());
}

/// The minute of an expiry row.
pub(super) fn minute_of(expiry_key: &[u8]) -> Option<Minute> {
    let minute = expiry_key.strip_prefix(&[EXPIRY])?.first_chunk()?;
    Some(Minute(u64::from_be_bytes(*minute)))
}

/// The keys of an expiry row.
pub(super) fn expired_keys(value: &[u8]) -> Result<Vec<&[u8]>> {
    let mut rest = body(value)?;
    let mut keys = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk() {
        let (key, after) = after.split_at_checked(usize::from(u16::from_le_bytes(*length))).ok_or_else(broken)?;
        keys.push(key);
        rest = after;
    }
    if rest.is_empty() { Ok(keys) } else { Err(broken()) }
}

/// The value of an expiry row.
pub(super) fn expiry_value<'a>(keys: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut value = begun_value();
    for key in keys {
        let length = u16::try_from(key.len()).expect("an entry's key has at most 65535 bytes");
        value.extend_from_slice(&length.to_le_bytes());
        value.extend_from_slice(key);
    }
    value
}

/// The key itself, out of the key of its state.
pub(super) fn key_of(state_key: &[u8]) -> &[u8] {
    &state_key[3..state_key.len() - 1]
}

/// A value with nothing but its version.
pub(crate) fn begun_value() -> Vec<u8> {
    vec![VERSION]
}

/// A finished value. It is in memory until it is in a table file, so it has just its size.
pub(crate) fn kept(value: Vec<u8>) -> Bytes {
    value.into_boxed_slice().into()
}

/// A value without its version.
///
/// # Errors
/// `Corrupt` for a version that is not known, naming both.
pub(crate) fn body(value: &[u8]) -> Result<&[u8]> {
    body_of(value, VERSION)
}

fn body_of(value: &[u8], known: u8) -> Result<&[u8]> {
    match value {
        [found, body @ ..] if *found == known => Ok(body),
        [found, ..] => {
            let text = format!("a row of another format version: found={found} known={known}");
            Err(Error::new(ErrorKind::Corrupt, text))
        }
        [] => Err(broken()),
    }
}

/// What the row of a state has in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct StateRow<'a> {
    pub(super) items_rows: u32,
    /// The newest items, behind those of the rows.
    pub(super) items: &'a [u8],
    pub(super) state: &'a [u8],
}

impl<'a> StateRow<'a> {
    pub(super) fn read(value: &'a [u8]) -> Result<Self> {
        Self::split(body_of(value, STATE_VERSION)?).ok_or_else(broken)
    }

    fn split(body: &'a [u8]) -> Option<Self> {
        let (items_rows, rest) = body.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (items, state) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        Some(Self { items_rows: u32::from_le_bytes(*items_rows), items, state })
    }
}

/// The value of a state, with as much of it as comes before the state itself.
pub(super) fn begun_state_value(items_rows: u32, items: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(9 + items.len() + 64);
    value.push(STATE_VERSION);
    value.extend_from_slice(&items_rows.to_le_bytes());
    value.extend_from_slice(&length_of(items.len()));
    value.extend_from_slice(items);
    value
}

/// The value of an items row.
pub(super) fn items_value(parts: [&[u8]; 2]) -> Vec<u8> {
    [&[VERSION][..], parts[0], parts[1]].concat()
}

/// Appends an item to others, which are as before when it cannot be encoded.
pub(super) fn put_item<E>(items: &mut Vec<u8>, encode: impl FnOnce(&mut Vec<u8>) -> Result<(), E>) -> Result<(), E> {
    let length_at = items.len();
    items.extend_from_slice(&[0; 4]);
    encode(items).inspect_err(|_| items.truncate(length_at))?;
    let length = length_of(items.len() - length_at - 4);
    items[length_at..length_at + 4].copy_from_slice(&length);
    Ok(())
}

/// The items, each as its bytes.
pub(super) fn items(mut rest: &[u8]) -> impl Iterator<Item = Result<&[u8]>> {
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let item = split_item(rest);
        rest = item.map_or(&[], |(_, after)| after);
        Some(item.map(|(item, _)| item).ok_or_else(broken))
    })
}

fn split_item(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, after) = rest.split_first_chunk()?;
    after.split_at_checked(u32::from_le_bytes(*length) as usize)
}

fn length_of(length: usize) -> [u8; 4] {
    u32::try_from(length).expect("a record of 4 GiB is refused long before").to_le_bytes()
}

fn broken() -> Error {
    Error::new(ErrorKind::Corrupt, "a row of a table that cannot be read")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAUSE: Cause<'_> = Cause { topic: "pizza", offset: Offset(258) };

    fn state_key(key: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        put_state_key(key, &mut out).unwrap();
        out
    }

    /// A change of this test's bytes is a change of the format: old rows must stay readable.
    #[test]
    fn the_format_has_not_changed() {
        let state = state_key(b"12");
        assert_eq!(state, b"\x01\0\x0212\0");
        assert_eq!(items_key(&state, 258), b"\x01\0\x0212\x01\0\0\x01\x02");
        assert_eq!(expiry_key(Minute(3), CAUSE), b"\x02\0\0\0\0\0\0\0\x03\x05pizza\0\0\0\0\0\0\x01\x02");
        assert_eq!(expiry_value([&b"12"[..], b"1"]), b"\x01\x02\x0012\x01\x001");
        let mut both = Vec::new();
        for item in [&b"{}"[..], b"7"] {
            put_item::<()>(&mut both, |out| {
                out.extend_from_slice(item);
                Ok(())
            })
            .unwrap();
        }
        assert_eq!(both, b"\x02\0\0\0{}\x01\0\0\x007");
        assert_eq!(items_value([&both, b""]), [&b"\x01"[..], &both].concat());
        let read: Result<Vec<_>> = items(&both).collect();
        assert_eq!(read.unwrap(), [&b"{}"[..], b"7"]);
        let mut value = begun_state_value(3, &both);
        value.extend_from_slice(b"state");
        assert_eq!(value, [&b"\x02\x03\0\0\0\x0b\0\0\0"[..], &both, b"state"].concat());
        let row = StateRow::read(&value).unwrap();
        assert_eq!((row.items_rows, row.items, row.state), (3, &both[..], &b"state"[..]));
    }

    #[test]
    fn no_keys_rows_begin_like_those_of_another() {
        let keys: [&[u8]; 6] = [b"", b"1", b"12", b"\0", b"1\0", b"\x01\0\x011"];
        for key in keys {
            for other in keys.iter().filter(|other| **other != key) {
                let mut prefix = Vec::new();
                put_entry_prefix(key, &mut prefix).unwrap();
                assert!(!items_key(&state_key(other), 7).starts_with(&prefix), "{key:?} {other:?}");
            }
            assert_eq!(key_of(&state_key(key)), key);
        }
    }

    #[test]
    fn a_key_that_is_too_long_for_a_row_has_none() {
        assert!(put_state_key(&[b'x'; 65_536], &mut Vec::new()).is_none());
        assert!(put_state_key(&[b'x'; 65_535], &mut Vec::new()).is_some());
    }

    #[test]
    fn the_minute_orders_expiry_rows() {
        assert!(expiry_key(Minute(255), CAUSE) < expiry_key(Minute(256), CAUSE));
        assert_eq!(minute_of(&expiry_key(Minute(256), CAUSE)), Some(Minute(256)));
        assert_eq!(minute_of(b"\x02\0"), None);
    }

    #[test]
    fn a_value_of_a_newer_version_is_refused_and_both_are_named() {
        let error = body(&[9, 1]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("found=9 known=1"), "{error}");
        let error = StateRow::read(&[1, 1]).unwrap_err();
        assert!(error.to_string().contains("found=1 known=2"), "{error}");
    }

    #[test]
    fn values_cut_short_are_corrupt() {
        assert!(expired_keys(b"\x01\x02\x001").is_err());
        assert!(expired_keys(b"\x01\x02").is_err());
        assert!(items(b"\x02\0\0\0{").any(|item| item.is_err()));
        assert!(StateRow::read(b"\x02\0\0\0\0\x01\0\0\0").is_err());
        assert!(StateRow::read(b"\x02\0\0\0\0\0").is_err());
        assert!(StateRow::read(b"").is_err());
    }
}
