//! The client and its auditor against a small pizzeria that can misbehave, over real HTTP.
#![expect(clippy::unwrap_used, reason = "what the helpers of a test cannot do fails the test")]

mod auditing;
mod command_line;
mod comparing;
mod kitchen;
mod measuring;
mod riding_out;
