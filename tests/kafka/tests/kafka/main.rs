//! The proxy before a broker that only echoes, and programs as processes. With the feature `kafka` a real broker, too: then
//! a Java or Maven that is missing is a failure.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[cfg(feature = "kafka")]
mod broker;
#[cfg(feature = "kafka")]
mod client;
mod echo;
#[cfg(feature = "kafka")]
mod granted;
#[cfg(feature = "kafka")]
mod java_program;
mod process;
#[cfg(feature = "kafka")]
mod program;
mod proxy;
mod screen;
mod services;
mod setup;

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long anything may take before it counts as never.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until it is so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = now() + PATIENCE;
    while !is_so() {
        assert!(now() < deadline, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[expect(clippy::disallowed_methods, reason = "these tests wait for real processes in real time")]
fn now() -> Instant {
    Instant::now()
}
