//! What a handler returns when it cannot do its work, and what becomes of its record.

mod policy;

use std::{
    any::Any,
    borrow::Cow,
    cell::Cell,
    fmt,
    panic::{self, AssertUnwindSafe, catch_unwind},
};

pub use self::policy::FailurePolicy;
pub(crate) use self::policy::InTheEnd;
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
#[derive(Clone, PartialEq, Eq)]
pub struct Failure(Box<Parts>);

// Boxed, so that the result of a handler that has nothing to return fits a register.
const _: () = assert!(size_of::<Result<(), Failure>>() == size_of::<usize>());

#[derive(Clone, PartialEq, Eq)]
struct Parts {
    reason: Cow<'static, str>,
    may_pass: bool,
}

impl Failure {
    /// The record is not to be tried again, as that would not help. What becomes of it is the [`FailurePolicy`]'s.
    /// Of a very long reason the first kilobyte is kept.
    pub fn reject(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(reason.into(), false)
    }

    /// The record is to be tried again later, as often as the [`FailurePolicy`] says; meanwhile later records of its key
    /// wait behind it. For what is missing today and may be there tomorrow.
    ///
    /// It cannot be waited for a record of the same key that the same stage or table gets: that one waits behind this one.
    /// What comes too early for its key is better kept in the state of its entry.
    pub fn retry(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(reason.into(), true)
    }

    fn new(mut reason: Cow<'static, str>, may_pass: bool) -> Self {
        if reason.len() > REASON_LIMIT_BYTES {
            let end = reason.floor_char_boundary(REASON_LIMIT_BYTES);
            reason.to_mut().truncate(end);
        }
        Self(Box::new(Parts { reason, may_pass }))
    }

    /// Whether it may be another time when the record is tried again.
    pub(crate) fn may_pass(&self) -> bool {
        self.0.may_pass
    }

    /// Why.
    pub fn reason(&self) -> &str {
        &self.0.reason
    }

    fn panicked(payload: &(dyn Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        Self::reject(format!("panicked: {}", text.unwrap_or("without a text")))
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { reason, may_pass } = &*self.0;
        f.debug_struct("Failure").field("reason", reason).field("may_pass", may_pass).finish()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
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

thread_local! {
    /// Whether code of the user runs on this thread, whose panics are failures of a record.
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs code of the user; a panic in it is a failure of its record.
pub(crate) fn guarded<T>(run: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let was_guarded = IS_GUARDED.replace(true);
    // Unwind safe: what `run` may leave half changed (outputs, the entry in hand, counts) is rolled back to the
    // record's mark by everyone who gets a failure from here.
    let outcome = catch_unwind(AssertUnwindSafe(run));
    IS_GUARDED.set(was_guarded);
    outcome.unwrap_or_else(|payload| Err(Failure::panicked(&*payload)))
}

/// From here on a handler's panic is not printed where it happens. It is told with its record, at most once in a while;
/// a poisoned topic would otherwise fill the operator's disk. Where it happened is an event of the level debug.
pub(crate) fn keep_panics_of_handlers_quiet() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if IS_GUARDED.get() {
            tracing::debug!(at = panic.location().map(tracing::field::display), "a handler panicked");
        } else {
            print(panic);
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_panic_is_the_reason() {
        let failure = guarded::<()>(|| panic!("no oven left: ovens={}", 0)).unwrap_err();
        assert_eq!(failure.reason(), "panicked: no oven left: ovens=0");
        let failure = guarded::<()>(|| panic::panic_any(7)).unwrap_err();
        assert_eq!(failure.reason(), "panicked: without a text");
    }

    /// A panic of a handler within a handler's panic guard, as of a fold within its table, is the outer one's still.
    #[test]
    fn a_guard_ends_where_it_began() {
        assert!(!IS_GUARDED.get());
        let outcome = guarded(|| {
            guarded::<()>(|| panic!("inner")).unwrap_err();
            Ok(IS_GUARDED.get())
        });
        assert_eq!(outcome, Ok(true));
        assert!(!IS_GUARDED.get());
    }

    /// Each was printed with its thread and a note about backtraces, however often it happened.
    #[test]
    fn a_handlers_panic_is_not_printed_and_any_other_is() {
        thread_local!(static PRINTED: Cell<u32> = const { Cell::new(0) });
        panic::set_hook(Box::new(|_| PRINTED.set(PRINTED.get() + 1)));
        keep_panics_of_handlers_quiet();
        guarded::<()>(|| panic!("it folds")).unwrap_err();
        assert_eq!(PRINTED.get(), 0);
        catch_unwind(|| panic!("a mistake of ours")).unwrap_err();
        assert_eq!(PRINTED.get(), 1);
        drop(panic::take_hook());
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let failure = Failure::reject(format!("x{}", "é".repeat(2_000)));
        assert_eq!(failure.reason().len(), 1023);
    }
}
