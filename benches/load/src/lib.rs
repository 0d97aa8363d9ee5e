//! A client of the pizzeria's HTTP API that puts it under load, measures it, and holds it to its word.
//!
//! The program `load` is a thin shell around this library, so that tests can use its parts in their own process:
//! [`Client`] places orders and looks at them, [`Auditor`] judges what it is shown, [`examine`] audits orders that were
//! acknowledged some time ago (a [`Journal`] remembers which), and [`run`] does all of it under load.

mod audit;
mod client;
mod clock;
mod error;
mod journal;
mod order;
mod run;
mod target;
mod wire;

pub use self::{
    audit::{Auditor, Examination, Fault, Finding, Findings, Keys, Menu, Sight, Verdict, examine},
    client::{Acknowledgement, Client, Look, Outages, Patience, Setbacks},
    error::{Error, ErrorKind, Result},
    journal::Journal,
    order::{Order, OrderId, OrderKey, PizzaCount},
    run::{Depth, Intake, Latency, Outcome, Pace, Plan, Report, run},
    target::Target,
};
