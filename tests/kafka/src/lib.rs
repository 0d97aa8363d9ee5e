//! A real Apache Kafka for tests and for trying, a proxy that breaks its connections, and the services as processes.
//!
//! [`Broker::start`] gives a test a broker of its own, one KRaft node of the version in `pom.xml`, in about a second on a
//! quiet machine:
//!
//! ```no_run
//! use kafka_broker::{Broker, Options};
//!
//! let broker = Broker::start(Options::default())?;
//! println!("clients find it at {}", broker.bootstrap_servers());
//! broker.kill(); // or stop, or pause and resume
//! broker.restart()?; // the same data, the same ports
//! # Ok::<(), kafka_broker::Error>(())
//! ```
//!
//! * **What it needs**: Java 17 or newer (that of `JAVA_HOME`, else the `java` of the path), and Maven when it is first
//!   started on a machine. One that is missing is an error in one line; nothing here ever skips.
//! * **What it makes once**: `target/kafka/<version>` has the jars, a formatted folder, the JVM's archive of the broker's
//!   classes, and certificates. All processes share it, and wait for the one that makes it.
//! * **What it leaves**: nothing. Data lies in a temporary folder. The broker dies with the process that started it, also
//!   when that is killed: a shell between them waits for the end of a pipe (`leash.rs`).
//! * **When it is ready**: when it has answered a request, which a broker does when it may be given all others, too.
//! * **How it differs from one in earnest**: nothing is replicated, groups rebalance without a delay, a session may be
//!   half a second, transactions that timed out are aborted within half a second, and topics are not made by themselves
//!   (`properties.rs`). [`Options::property`] sets what a test needs otherwise.
//! * **One for many tests**: [`Broker::shared`] starts one for all tests of a process. `KAFKA_BOOTSTRAP=host:port` names
//!   one that is up, for whoever does not want to wait for it again and again.
//! * **Users, certificates, rights**: [`Options::user`] opens a SASL_SSL listener, [`Options::client_certificates`] one
//!   for mutual TLS, and [`Rights::Granted`] lets all but the plain listeners do only what [`Broker::allow`] says.
//! * **Faults on the way**: [`Proxy`] stands between clients and the broker, cuts and holds connections, and loses the
//!   request or the reply of one kind: a commit that the broker never saw, or that it made and nobody heard of.
//!
//! The program `kafka-broker` is the same for a user (`just kafka-up`), and `services` runs the services of the pizzeria
//! on it (`just services`) with [`LabelledProcess`], which tests use, too.
//!
//! This crate's own tests of a real broker need its feature `kafka`: `cargo test -p kafka-broker --features kafka`.

#![warn(missing_docs)]

mod api_key;
mod arguments;
mod broker;
mod certificates;
mod clock;
mod error;
mod installation;
mod java;
mod java_program;
mod labelled;
mod leash;
mod node;
mod options;
mod ports;
mod properties;
mod proxy;
mod rights;
mod shared;
mod stop_signals;
mod wire;

pub use self::{
    api_key::ApiKey,
    arguments::Arguments,
    broker::Broker,
    certificates::Certificates,
    error::{Error, ErrorKind, Result},
    installation::target_folder,
    java_program::{JavaProgram, JavaSource},
    labelled::{Label, LabelledProcess, Look, Screen},
    options::{ClientCertificates, Controller, Options, Rights, Tuning},
    proxy::{Hits, Proxy},
    rights::{Operation, Resource},
    shared::Shared,
    stop_signals::stop_signals,
};
