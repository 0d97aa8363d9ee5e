//! Sizes. Times are `std::time::Duration`.

use std::fmt;

/// A number of bytes. The key of such a setting ends in `_bytes`.
///
/// ```
/// # use linecook::settings::ByteSize;
/// assert_eq!(ByteSize::mebibytes(64).bytes(), 67_108_864);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ByteSize(u64);

impl ByteSize {
    /// That many bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// That many times 1024 × 1024 bytes, at most what a `u64` holds.
    pub const fn mebibytes(mebibytes: u64) -> Self {
        Self(mebibytes.saturating_mul(1024 * 1024))
    }

    /// In bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

/// With a `_` before each group of three digits, as a settings file may have it.
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (index, digit) in digits.char_indices() {
            let starts_group = index > 0 && (digits.len() - index).is_multiple_of(3);
            write!(f, "{}{digit}", if starts_group { "_" } else { "" })?;
        }
        Ok(())
    }
}
