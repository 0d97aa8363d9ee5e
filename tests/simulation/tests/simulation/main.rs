//! Thousands of seeds on the pizzeria as it is, and some on a log that is broken in one way or another.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod conformance;
mod seeds;
mod teeth;
