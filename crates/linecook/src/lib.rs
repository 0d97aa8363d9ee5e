//! Typed event-driven services with exactly-once guarantees, on a log that needs nothing installed.
//!
//! A *service* reads topics and writes topics. A *stage* makes records of records, a *table* folds them into keyed
//! state. Offsets, outputs and state change together or not at all; nobody writes a line for it.
//!
//! A whole service:
//!
//! ```
//! use linecook::{Definition, Service, Topic};
//!
//! linecook::event! {
//!     /// A pizza on its way.
//!     pub struct Pizza {
//!         pub order_id: u64,
//!         pub sauce: String = String::new(),
//!     }
//! }
//!
//! pub const PIZZA: Topic<u64, Pizza> = Topic::new("pizza");
//! pub const PIZZA_WITH_SAUCE: Topic<u64, Pizza> = Topic::new("pizza-with-sauce");
//!
//! /// Chooses a sauce for each pizza.
//! pub const SERVICE: Definition = Definition::new("sauce-service", 5002, build);
//!
//! fn build(service: &mut Service) {
//!     service.stage(PIZZA, PIZZA_WITH_SAUCE, |mut pizza, context| {
//!         pizza.sauce = context.random().choose(&["extra", "light", "normal"]).to_string();
//!         Ok(pizza)
//!     });
//! }
//! ```
//!
//! And one that keeps what it has seen:
//!
//! ```
//! use std::time::Duration;
//!
//! use linecook::{Definition, Failure, PartialCounts, Service, Table, Topic};
//!
//! const ORDERS: Topic<u64, u64> = Topic::new("orders");
//! const TO_BAKE: Topic<u64, u64> = Topic::new("to-bake");
//! const BAKED: Topic<u64, String> = Topic::new("baked");
//!
//! /// How many pizzas of an order are missing, and those that are there.
//! const PROGRESS: Table<u64, u64, String> = Table::new("progress");
//! const BAKED_BY_NAME: PartialCounts<String> = PartialCounts::new("baked-by-name");
//!
//! fn build(service: &mut Service) {
//!     service
//!         .table(PROGRESS)
//!         .emits(TO_BAKE)
//!         .fold(ORDERS, |entry, count, _| {
//!             entry.put(count);
//!             (0..count).try_for_each(|number| entry.emit(&TO_BAKE, &number))
//!         })
//!         .fold(BAKED, |entry, pizza, _| {
//!             let left = entry.state_mut().ok_or_else(|| Failure::reject("nobody ordered it"))?;
//!             *left = left.saturating_sub(1);
//!             entry.push(&pizza)
//!         })
//!         .retention(Duration::from_secs(7 * 24 * 3600));
//!     service.count(BAKED_BY_NAME, BAKED, |name: String| name);
//! }
//!
//! pub const SERVICE: Definition = Definition::new("order-service", 5000, build);
//! # SERVICE.service(&mut Default::default())?;
//! # Ok::<(), linecook_log::Error>(())
//! ```
//!
//! # The way of a record
//!
//! [`Worker::step`] polls some records of the log, gives each to the stages and tables that read its topic, and commits
//! what came of all of them at once. What a handler rejects, what does not decode and what panics is kept, and later records
//! of its key wait behind it, until an operator redrives it; its history goes to the topic `<service>.dead-letters` in the same
//! commit, and all other keys go on. What a handler wants to [retry](Failure::retry) waits in the same way; a
//! [`FailurePolicy`] says how often, and whether a key waits for a record that has failed.
//!
//! # Testing
//!
//! A handler is a plain function: [`Trial`] makes up the record that it is told of. [`ServiceTrial`] runs a whole service,
//! its tables included, record by record and without a log.

#![warn(missing_docs)]

mod codec;
mod context;
mod counter;
mod counts;
mod dead_letters;
mod failure;
pub mod http;
#[doc(hidden)]
pub mod json;
mod metrics;
mod name;
mod program;
mod random;
mod service;
pub mod settings;
mod table;
#[cfg(test)]
mod testing;
mod topic;
mod topology;
mod trial;
mod worker;

/// For [`event!`].
#[doc(hidden)]
pub use serde;

/// What a service's routes are made with, in the version that they are served with.
pub use axum;
/// What [`Event::decode_shared`] is given, in the version that rows are in.
pub use bytes;
/// What a service's commands declare their arguments with, in the version that reads them.
pub use clap;
/// The log under it: the types of offsets, timestamps and errors.
pub use linecook_log as log;

pub use codec::{DecodeError, EncodeError, Event, Json, Key, State};
pub use context::Context;
pub use counter::Counter;
pub use counts::{CountsReader, PartialCounts};
pub use failure::{Failure, FailurePolicy};
pub use json::{PassedOver, UnknownFields};
pub use metrics::Metrics;
pub use program::{Command, Invocation, Program, Running, Stop, main, print};
pub use random::Random;
pub use service::{Definition, Service, StageDeclaration};
pub use table::{Entry, Found, Table, TableDeclaration, TableReader};
pub use topic::Topic;
pub use topology::{Part, Topology, Use, Uses};
pub use trial::{ServiceTrial, Trial};
pub use worker::{InHand, Limits, Seat, Step, Worker, WorkerHealth, WorkerReport};
