//! What the bytes on disk mean, in a version of our own.
//!
//! The first byte of a key in the tree says what the key is: [`MARKER_KEY`] is the store's own, [`ROW`] is followed by
//! the key of a row. So no row can be mistaken for the marker, and a later version has room for keys of other kinds.

use crate::{Error, ErrorKind, KeyRange, Number};
use bytes::Bytes;
use std::ops::Bound;

/// The version of the key and marker layout. The format file and each marker begin with it.
pub(crate) const VERSION: u8 = 1;

/// The key of the marker row: the newest commit of the memtable that the marker was written to, as the last thing
/// before it was sealed. Found in a table, it says that all commits up to that one are persisted.
pub(crate) const MARKER_KEY: [u8; 1] = [0];

/// The kind of a row's key.
const ROW: u8 = 1;

/// The tree takes 65,535 bytes, one of which is ours.
const KEY_BYTES_MAX: usize = u16::MAX as usize - 1;

/// What the format file begins with, before the version.
const MAGIC: &[u8; 7] = b"lc-rows";

pub(crate) fn row_key(key: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(key.len() + 1);
    encoded.push(ROW);
    encoded.extend_from_slice(key);
    encoded
}

/// The key of the row that a key of [`row_key`] stands for.
pub(crate) fn key_of_row(encoded: &Bytes) -> Bytes {
    encoded.slice(1..)
}

pub(crate) fn check_row(key: &[u8], value: Option<&[u8]>) -> Result<(), Error> {
    if key.len() > KEY_BYTES_MAX {
        let message = format!("the key of a row is too long: bytes={} at_most={KEY_BYTES_MAX}", key.len());
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    let value_bytes = value.map_or(0, <[u8]>::len);
    if u32::try_from(value_bytes).is_err() {
        let message = format!("the value of a row is too long: bytes={value_bytes} at_most={}", u32::MAX);
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    Ok(())
}

/// The keys of the tree that hold the rows of `range`.
pub(crate) fn row_bounds(range: &KeyRange) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let end = match range.end() {
        Some(end) => row_key(end),
        None => vec![ROW + 1],
    };
    (Bound::Included(row_key(range.start())), Bound::Excluded(end))
}

pub(crate) fn encode_marker(number: Number) -> [u8; 9] {
    let mut marker = [VERSION; 9];
    marker[1..].copy_from_slice(&number.0.to_le_bytes());
    marker
}

pub(crate) fn decode_marker(marker: &[u8]) -> Result<Number, Error> {
    match marker {
        [VERSION, number @ ..] => {
            number.try_into().map(|number| Number(u64::from_le_bytes(number))).map_err(|_| damaged_marker(marker))
        }
        [newer, ..] if *newer > VERSION => Err(unsupported(*newer)),
        _ => Err(damaged_marker(marker)),
    }
}

fn damaged_marker(marker: &[u8]) -> Error {
    Error::corrupt(format!("the marker is not one: bytes={marker:?}"))
}

pub(crate) fn encode_format() -> [u8; 8] {
    let mut format = [VERSION; 8];
    format[..7].copy_from_slice(MAGIC);
    format
}

/// Refuses a folder that this version does not read.
pub(crate) fn check_format(format: &[u8]) -> Result<(), Error> {
    match format.strip_prefix(MAGIC) {
        Some([VERSION]) => Ok(()),
        Some([newer, ..]) if *newer > VERSION => Err(unsupported(*newer)),
        _ => Err(Error::corrupt(format!("the format file is damaged: bytes={format:?}"))),
    }
}

fn unsupported(found: u8) -> Error {
    let message = format!("the row store was written by a newer version: found={found} supported={VERSION}");
    Error::new(ErrorKind::Unsupported, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is on users' disks. A change here needs a new version, and code that reads the old one.
    #[test]
    fn the_bytes_on_disk_are_these() {
        assert_eq!(encode_format(), *b"lc-rows\x01");
        assert_eq!(MARKER_KEY, [0]);
        assert_eq!(encode_marker(Number(0x0102_0304)), [1, 4, 3, 2, 1, 0, 0, 0, 0]);
        assert_eq!(row_key(b"key"), b"\x01key");
    }

    #[test]
    fn a_marker_is_read_as_it_was_written() {
        assert_eq!(decode_marker(&encode_marker(Number(u64::MAX))).unwrap(), Number(u64::MAX));
    }

    #[test]
    fn a_newer_version_is_refused_and_both_are_named() {
        let refused = [
            check_format(b"lc-rows\x02 and what else it may say").unwrap_err(),
            decode_marker(&[2, 9, 9]).unwrap_err(),
        ];
        for error in refused {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert_eq!(error.to_string(), "the row store was written by a newer version: found=2 supported=1");
        }
    }

    #[test]
    fn bytes_that_are_neither_are_corrupt() {
        for format in [&b""[..], b"lc-rows", b"lc-rows\x00", b"lc-rows\x01\x01", b"something"] {
            assert_eq!(check_format(format).unwrap_err().kind(), ErrorKind::Corrupt);
        }
        for marker in [&[][..], &[1, 2, 3], &[0; 9]] {
            assert_eq!(decode_marker(marker).unwrap_err().kind(), ErrorKind::Corrupt);
        }
    }

    #[test]
    fn the_rows_lie_between_the_marker_and_what_later_versions_may_add() {
        let bounds = row_bounds(&KeyRange::all());
        assert_eq!(bounds, (Bound::Included(vec![1]), Bound::Excluded(vec![2])));
    }
}
