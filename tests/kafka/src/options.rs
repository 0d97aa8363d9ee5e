//! What can be asked of a broker.

use std::path::PathBuf;

use crate::Proxy;

/// What a broker should be like. By itself it has free ports, its data in a folder that goes with it, one listener that
/// lets everybody do everything, one partition a topic, and settings under which nothing takes longer than it must.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub(crate) port: Option<u16>,
    pub(crate) data: Option<PathBuf>,
    pub(crate) partitions: Option<u32>,
    pub(crate) properties: Vec<(String, String)>,
    pub(crate) behind: Vec<Behind>,
    pub(crate) users: Vec<(String, String)>,
    pub(crate) client_certificates: ClientCertificates,
    pub(crate) rights: Rights,
    pub(crate) tuning: Tuning,
    pub(crate) controller: Controller,
}

/// Which process decides who leads a partition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Controller {
    /// The broker's own: one process for all.
    #[default]
    Inside,
    /// One of its own, which stays when the broker is killed, as in a cluster that is meant to be relied on.
    ///
    /// A broker that was killed together with its controller takes itself for the leader of all its partitions when it
    /// comes back, until its old session is over; then nobody leads them for a moment. Marks of transactions that are to
    /// be written just then are dropped: Kafka takes a partition without leader for one that was deleted
    /// (KAFKA-5202). Such a transaction stays open for ever in the partition, though its coordinator says that it is
    /// over, and no position of a group and no record behind it can be read any more. So whoever kills a broker and goes
    /// on to use it has its controller apart.
    Apart,
}

/// A listener that says it is somewhere else.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Behind {
    pub(crate) port: u16,
    pub(crate) advertised: u16,
}

/// Whether there is a listener that knows clients by their certificate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ClientCertificates {
    /// No.
    #[default]
    NotAsked,
    /// Yes, and it lets nobody in without one.
    Required,
}

/// What those who are let in may do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Rights {
    /// Everything.
    #[default]
    All,
    /// What [`Broker::allow`](crate::Broker::allow) says. Who comes without a name, which only the plain listeners take,
    /// may do everything.
    Granted,
}

/// What the broker's JVM is good at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tuning {
    /// To be up in a second, in little memory: for tests of what happens.
    #[default]
    QuickStart,
    /// To be fast once it is warm: for measurements, and for whoever tries things.
    Throughput,
}

impl Options {
    /// At this port; `start` refuses when it is taken. 0 is any that is free.
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port).filter(|port| *port != 0);
        self
    }

    /// Keeps its data here, and finds again what a broker before it has kept.
    pub fn data(mut self, folder: impl Into<PathBuf>) -> Self {
        self.data = Some(folder.into());
        self
    }

    /// How many partitions a topic has when nobody says.
    pub fn partitions(mut self, count: u32) -> Self {
        self.partitions = Some(count);
        self
    }

    /// A property of the server, which goes before what is set here anyway.
    pub fn property(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.push((name.into(), value.into()));
        self
    }

    /// One more plain listener, at the port that the proxy leads to, which sends all clients to the proxy. Those of
    /// [`Broker::bootstrap_servers`](crate::Broker::bootstrap_servers) go on past it, so that who checks is not cut off.
    pub fn behind(mut self, proxy: &Proxy) -> Self {
        self.behind.push(Behind { port: proxy.target().port(), advertised: proxy.address().port() });
        self
    }

    /// A user, whom a SASL_SSL listener knows by PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512.
    pub fn user(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.users.push((name.into(), password.into()));
        self
    }

    /// An SSL listener for clients that have a certificate, or none.
    pub fn client_certificates(mut self, client_certificates: ClientCertificates) -> Self {
        self.client_certificates = client_certificates;
        self
    }

    /// What those who are let in may do.
    pub fn rights(mut self, rights: Rights) -> Self {
        self.rights = rights;
        self
    }

    /// Where its controller is.
    pub fn controller(mut self, controller: Controller) -> Self {
        self.controller = controller;
        self
    }

    /// What its JVM is good at.
    pub fn tuning(mut self, tuning: Tuning) -> Self {
        self.tuning = tuning;
        self
    }
}
