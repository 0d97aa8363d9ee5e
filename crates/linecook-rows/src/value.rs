//! Values on their way into the store.

use bytes::Bytes;

/// The value of a row. Made of [`Bytes`] it shares them, which must not be a part of something larger then: all of it would
/// be in memory until the row is persisted. Made of a `&[u8]` or a `&str` it is a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value(pub(crate) Bytes);

impl From<Bytes> for Value {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self(Bytes::copy_from_slice(bytes))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        text.as_bytes().into()
    }
}
