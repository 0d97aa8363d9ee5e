//! What a handler returns when it cannot do its work.

use std::{
    any::Any,
    borrow::Cow,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

use crate::{DecodeError, EncodeError};

/// The most of a reason that is kept: it goes into a header of the dead letter.
const REASON_LIMIT_BYTES: usize = 1024;

/// Why a handler could not handle a record.
///
/// ```
/// use linecook::Failure;
///
/// fn halve(number: u64) -> Result<u64, Failure> {
///     if number % 2 == 1 {
///         return Err(Failure::reject(format!("the number is odd: number={number}")));
///     }
///     Ok(number / 2)
/// }
/// assert_eq!(halve(7).unwrap_err().reason(), "the number is odd: number=7");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    reason: Cow<'static, str>,
}

impl Failure {
    /// The record is not to be tried again: it goes to the service's dead letters as it is, and its partition goes on.
    /// Of a very long reason the first kilobyte is kept.
    pub fn reject(reason: impl Into<Cow<'static, str>>) -> Self {
        let mut reason = reason.into();
        if reason.len() > REASON_LIMIT_BYTES {
            let end = reason.floor_char_boundary(REASON_LIMIT_BYTES);
            reason.to_mut().truncate(end);
        }
        Self { reason }
    }

    /// Why.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    fn panicked(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        Self::reject(format!("panicked: {}", text.unwrap_or("without a text")))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// A value that does not decode is rejected.
impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self::reject(format!("does not decode: {error}"))
    }
}

/// So is one whose event cannot be written.
impl From<EncodeError> for Failure {
    fn from(error: EncodeError) -> Self {
        Self::reject(error.to_string())
    }
}

/// Runs code of the user; a panic in it is a failure of its record.
pub(crate) fn guarded<T>(run: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    // Unwind safe: what `run` may leave half changed (outputs, the entry in hand, counts) is rolled back to the
    // record's mark by everyone who gets a failure from here.
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|payload| Err(Failure::panicked(&*payload)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_panic_is_the_reason() {
        let failure = guarded::<()>(|| panic!("no oven left: ovens={}", 0)).unwrap_err();
        assert_eq!(failure.reason(), "panicked: no oven left: ovens=0");
        let failure = guarded::<()>(|| std::panic::panic_any(7)).unwrap_err();
        assert_eq!(failure.reason(), "panicked: without a text");
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let failure = Failure::reject(format!("x{}", "é".repeat(2_000)));
        assert_eq!(failure.reason().len(), 1023);
    }
}
