//! How keys, events and states become bytes.

use std::{borrow::Cow, error, fmt, io::Write};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

/// Why bytes are not what they should be. Its text tells what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError(Cow<'static, str>);

impl DecodeError {
    /// An error with that text.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl error::Error for DecodeError {}

/// Why an event could not be written: its `Serialize` refused.
#[derive(Debug)]
pub struct EncodeError(serde_json::Error);

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the event cannot be written: {}", self.0)
    }
}

impl error::Error for EncodeError {}

/// What records and rows are found by.
///
/// Its bytes are a contract with every other service and with Kafka's clients: equal keys must have equal bytes, since
/// the partition is computed from them.
pub trait Key: Sized + Send + 'static {
    /// Appends its bytes.
    fn encode(&self, out: &mut Vec<u8>);

    /// The key of those bytes.
    ///
    /// # Errors
    /// When they are not the bytes of such a key.
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError>;
}

/// The text itself.
impl Key for String {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        str::from_utf8(bytes).map(Self::from).map_err(|_| DecodeError::new("the key is not UTF-8"))
    }
}

/// Decimal digits, as a text client would write it.
impl Key for u64 {
    fn encode(&self, out: &mut Vec<u8>) {
        write!(out, "{self}").expect("a Vec takes every byte");
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let wrong = || DecodeError::new("the key is not a decimal number");
        // `parse` would take "+7" and "007" too, and give one key several partitions.
        let is_canonical = bytes.iter().all(u8::is_ascii_digit) && (bytes == b"0" || !bytes.starts_with(b"0"));
        let digits = str::from_utf8(bytes).ok().filter(|_| is_canonical).ok_or_else(wrong)?;
        digits.parse().map_err(|_| wrong())
    }
}

/// No key at all, or one that nobody looks at.
impl Key for () {
    fn encode(&self, _out: &mut Vec<u8>) {}

    fn decode(_bytes: &[u8]) -> Result<Self, DecodeError> {
        Ok(())
    }
}

/// A fact of the domain that topics carry, as JSON. Every type with serde's `Serialize` and `Deserialize` is one;
/// [`event!`](crate::event) makes types that also keep the fields they do not know.
pub trait Event: Sized {
    /// Appends its bytes.
    ///
    /// # Errors
    /// When its `Serialize` refuses; what was appended by then is to be dropped.
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError>;

    /// The event of those bytes.
    ///
    /// # Errors
    /// When they are not the JSON of such an event.
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError>;

    /// As [`decode`](Self::decode), and with the same result, of bytes that may be kept: for types that implement `Event` by
    /// hand and have a part of their encoding as it is. A table's items are read by it, and share that part with the row
    /// instead of copying it. As long as they do, the row stays in memory, and what the log has read with it; so it is not for
    /// what is kept long.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    fn decode_shared(bytes: Bytes) -> Result<Self, DecodeError> {
        Self::decode(&bytes)
    }
}

impl<T: Serialize + DeserializeOwned> Event for T {
    fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        serde_json::to_writer(out, self).map_err(EncodeError)
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        // One look at all bytes instead of one at every string: measured at a seventh of the time of a chain of stages.
        let json = str::from_utf8(bytes).map_err(|_| DecodeError::new("the event is not UTF-8"))?;
        serde_json::from_str(json).map_err(|error| DecodeError::new(error.to_string()))
    }
}

/// What a table knows of one key: it is written whole when it has changed, so keep it small; what grows are the
/// table's items.
pub trait State: Clone + Send + 'static {
    /// Appends its bytes. It cannot fail: a state that could not be written would be noticed when its records are
    /// long done. A panic fails those records.
    fn encode(&self, out: &mut Vec<u8>);

    /// The state of those bytes.
    ///
    /// # Errors
    /// When they are not the bytes of such a state. The worker then stops at that partition: the row is damaged, or
    /// the type has changed without keeping what is stored readable.
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError>;
}

/// For tables that only collect items.
impl State for () {
    fn encode(&self, _out: &mut Vec<u8>) {}

    fn decode(_bytes: &[u8]) -> Result<Self, DecodeError> {
        Ok(())
    }
}

/// Eight bytes, little-endian.
impl State for u64 {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let bytes = bytes.try_into().map_err(|_| DecodeError::new("a number has 8 bytes"))?;
        Ok(Self::from_le_bytes(bytes))
    }
}

/// A state that is stored as the JSON of what is inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Json<T>(pub T);

impl<T: Serialize + DeserializeOwned + Clone + Send + 'static> State for Json<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        Event::encode(&self.0, out).expect("a state's Serialize does not refuse");
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        Event::decode(bytes).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of<K: Key>(key: &K) -> Vec<u8> {
        let mut out = Vec::new();
        key.encode(&mut out);
        out
    }

    #[test]
    fn a_number_has_one_spelling_as_a_key() {
        for good in [0, 7, 10, u64::MAX] {
            assert_eq!(<u64 as Key>::decode(&bytes_of(&good)), Ok(good));
        }
        for bad in ["", "+7", "007", "-1", "7 ", "18446744073709551616"] {
            assert!(<u64 as Key>::decode(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_state_of_json_is_its_json() {
        let mut out = Vec::new();
        State::encode(&Json(vec![1, 2]), &mut out);
        assert_eq!(out, b"[1,2]");
        assert_eq!(<Json<Vec<u32>> as State>::decode(&out), Ok(Json(vec![1, 2])));
    }

    #[test]
    fn an_event_that_does_not_decode_says_where() {
        let error = <Vec<u32> as Event>::decode(b"[1,x]").unwrap_err();
        assert!(error.to_string().contains("column 4"), "{error}");
    }
}
