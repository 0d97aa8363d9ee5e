//! The one place that looks at the clock.

use std::{
    thread,
    time::{Duration, Instant},
};

/// The time now. What is waited for here are real processes, so nobody hands it in.
#[expect(clippy::disallowed_methods, reason = "real processes take real time; there is no simulator to own it")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Asks every few milliseconds until there is an answer; nothing when there was none within that time.
pub(crate) fn within<T>(patience: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = now() + patience;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if now() >= deadline {
            return None;
        }
        thread::sleep(Duration::from_millis(10));
    }
}
