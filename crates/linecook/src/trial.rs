//! Trying handlers and services without a log: what users test theirs with.

mod handler;
mod memory;
mod service;

pub use self::{handler::Trial, service::ServiceTrial};
