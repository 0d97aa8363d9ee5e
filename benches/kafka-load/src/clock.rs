//! The one place that looks at the clock.

use std::time::Instant;

/// The time now. Real time is what this program measures, so nobody hands it in.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time; there is no simulator to own it")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
