//! Trying handlers and services without a log: what users test theirs with.

mod handler;
mod memory;
mod service;

#[cfg(test)]
pub(crate) use self::memory::Memory;
pub use self::{handler::Trial, service::ServiceTrial};
