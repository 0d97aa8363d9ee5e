#![warn(missing_docs)]
//! A real Apache Kafka for tests and for trying.
mod api_key;
mod arguments;
mod broker;
mod certificates;
mod clock;
mod error;
mod installation;
mod java;
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
    labelled::{Label, LabelledProcess, Look, Screen},
    options::{ClientCertificates, Options, Rights, Tuning},
    proxy::{Hits, Proxy},
    rights::{Operation, Resource},
    shared::Shared,
    stop_signals::stop_signals,
};
