//! The store from outside: what it promises to the owner of a log, and to readers.
#![expect(clippy::unwrap_used, reason = "what the helpers of a test cannot do fails the test")]

mod crash;
mod damage;
mod failing;
mod persisting;
mod reading;
mod support;
