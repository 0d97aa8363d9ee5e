//! HTTP/1.1 as far as this client needs it: one request at a time on a connection that is kept.
//!
//! It is written on `httparse`, not on hyper, because the server that is measured runs on the same cores. A request costs
//! this client 6.0 to 6.9 µs of CPU on one connection and 5.3 to 5.8 µs on 64, its time limit and JSON included; hyper's
//! `client::conn`, without either, 7.1 to 7.9 µs and 5.4 to 6.3 µs. Nearly all of the rest is the kernel's. What hyper
//! costs more on one connection is its task, which has to be woken for each request: just where an order's own time is
//! measured.

mod connection;
mod head;
mod request;

pub(crate) use self::{
    connection::{Connection, Response},
    head::After,
    request::{Repeat, Request},
};
