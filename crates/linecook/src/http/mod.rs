//! The HTTP edge: the routes that services give, and those that every service has.
//!
//! A service's routes are an ordinary [`axum::Router`]. What it gets from the toolkit is an [`Edge`]: readers of its
//! tables and producers of the topics it says it writes. Around them every process has `/healthz`, `/readyz`, `/metrics`
//! and, for operators, `/dead-letters`, and every error is `application/problem+json` ([`Problem`]), unknown paths and wrong
//! methods included. What is no HTTP, or has a head that is too large, is refused with a status alone.

mod blocking;
mod connections;
mod dead_letters;
mod edge;
mod gate;
mod guard;
mod health;
mod metrics_page;
mod operators;
mod path;
mod patient;
mod problem;
mod reading;
mod server;

pub use blocking::blocking;
pub use dead_letters::operator_routes;
pub use edge::{Edge, Producer};
pub use path::PathText;
pub use problem::Problem;
pub use reading::reading;

pub(crate) use connections::{ConnectionLimits, Front};
pub(crate) use dead_letters::dead_letters;
pub(crate) use gate::Gate;
pub(crate) use guard::Guard;
pub(crate) use health::{Health, Watched};
pub(crate) use metrics_page::{HttpMetrics, MetricsPage};
pub(crate) use operators::Operators;
pub(crate) use server::{Server, early_routes, listen, routes};
