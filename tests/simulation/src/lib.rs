//! A seed decides what happens, and auditors look at what has come of it.
//!
//! The real workers, tables and services of the pizzeria run on a simulated log, single-threaded, on a clock that goes by
//! turns. Of each turn chance decides who moves: a worker takes a step, a guest orders, the disk syncs, a process dies. All
//! chance is of one seed, so the same seed gives the same history, and a failure is run again with one command.
//!
//! ```text
//!  seed ──► turns ──► workers ─┐
//!             │       guests   ├──► simulated log ◄── accidents ── seed
//!             └─────► processes┘         │
//!                                        └──► auditors
//! ```
//!
//! # What may happen
//!
//! * Calls of the log come to accidents: see `accidents.rs`. A commit without an answer may be done or not.
//! * A process dies between any two steps of its workers, and in the middle of any call, and comes back at any time. One
//!   stands still for longer than its group has patience for, and goes on as if nothing had been; or another has started in
//!   its name meanwhile. One ends in good order.
//! * A group takes a member for silent that is not.
//! * The power fails: what is not durable is gone, but for some of it, the oldest first; and so is every process.
//! * The disk takes its time, and is full for a while.
//! * Guests do not hear that their order was taken, and order again. Some write orders into a partition that is not their
//!   key's.
//! * Handlers fail, and are tried again. An operator redrives what was parked, when the accidents are over.
//!
//! # What is not simulated
//!
//! Files and brokers: the simulated log keeps the contract, as the conformance suite shows, and the other logs keep it as the
//! same suite shows for them; their own files and connections are broken in tests of their own. Nor is HTTP, but for the
//! answers at the end: guests are those who append. Handlers that end the process, edits and discards have tests of
//! their own.

mod accidents;
mod audit;
mod clock;
pub mod defect;
mod guests;
mod history;
mod kitchen;
pub mod log;
mod simulation;
mod taster;

pub use self::simulation::{Outcome, simulate};
