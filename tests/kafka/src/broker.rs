//! A broker that runs.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::{
    Certificates, ClientCertificates, Error, Operation, Options, Resource, Result,
    installation::Installation,
    node::{Node, Place},
    ports,
    properties::{self, Ports},
    rights,
};

/// One node of Apache Kafka, broker and controller in one process. Dropping it kills it and removes its data, unless the
/// folder was given. It also ends when the process that started it does, however that comes.
#[derive(Debug)]
pub struct Broker {
    node: Mutex<Option<Node>>, // first: it has to be gone before its folder is
    installation: &'static Installation,
    options: Options,
    folder: Folder,
    ports: Ports,
    certificates: Option<Certificates>,
}

#[derive(Debug)]
enum Folder {
    Temporary(TempDir),
    Given(PathBuf),
}

impl Folder {
    fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Given(folder) => folder,
        }
    }
}

impl Broker {
    /// Starts one and returns when it answers requests. The first start on a machine takes some seconds more: it copies
    /// Kafka's jars.
    ///
    /// # Errors
    /// `Setup` when Java or Maven is missing, the port is taken, or the folder cannot be written. `Failed` when it did not
    /// come up; the message has what it logged last.
    pub fn start(options: Options) -> Result<Self> {
        if let Some(port) = options.port.filter(|port| !ports::is_free(*port)) {
            return Err(Error::setup(format!("somebody listens there already: port={port}")));
        }
        let installation = Installation::get()?;
        let folder = match &options.data {
            Some(folder) => Folder::Given(std::path::absolute(folder).map_err(Error::cannot("name the data folder"))?),
            None => Folder::Temporary(TempDir::with_prefix("kafka-").map_err(Error::cannot("make a folder"))?),
        };
        let data = folder.path().join("data");
        if !data.join("meta.properties").exists() {
            installation.format(&data, &properties::scram_users(&options))?;
        }
        let speaks_tls = !options.users.is_empty() || options.client_certificates == ClientCertificates::Required;
        let certificates = speaks_tls.then(|| installation.certificates()).transpose()?;
        let ports = Ports::of(&options)?;
        let broker = Self { node: Mutex::new(None), installation, options, folder, ports, certificates };
        broker.restart()?;
        Ok(broker)
    }

    /// Where clients find it: a plain listener that lets everybody in.
    pub fn bootstrap_servers(&self) -> String {
        format!("127.0.0.1:{}", self.ports.plain)
    }

    /// Where clients find the SASL_SSL listener, if there are [users](Options::user).
    pub fn sasl_ssl_servers(&self) -> Option<String> {
        self.ports.sasl_ssl.map(|port| format!("127.0.0.1:{port}"))
    }

    /// Where clients find the SSL listener, if [certificates of clients](Options::client_certificates) are asked for.
    pub fn ssl_servers(&self) -> Option<String> {
        self.ports.ssl.map(|port| format!("127.0.0.1:{port}"))
    }

    /// What a client needs to speak TLS with it, if it does.
    pub fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("broker.log")).unwrap_or_default()
    }

    /// The folder that has its data and its log.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The id of its process, if it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.node().as_ref().map(Node::id)
    }

    /// Whether its process runs: it may have ended by itself.
    pub fn is_running(&self) -> bool {
        self.node().as_mut().is_some_and(|node| node.ended().is_none())
    }

    /// Ends it in good order, as SIGTERM does. Its data stays for [`Broker::restart`].
    ///
    /// # Errors
    /// `Failed` when it did not run, or does not end.
    pub fn stop(&self) -> Result<()> {
        let mut node = self.node();
        running(&mut node)?.stop()?;
        *node = None;
        Ok(())
    }

    /// Ends it as `kill -9` does. Its data stays for [`Broker::restart`].
    pub fn kill(&self) {
        if let Some(mut node) = self.node().take() {
            node.kill();
        }
    }

    /// Lets it stand still, as SIGSTOP does: connections stay open and nobody answers.
    ///
    /// # Errors
    /// `Failed` when it does not run.
    pub fn pause(&self) -> Result<()> {
        running(&mut self.node())?.signal(Signal::STOP)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// `Failed` when it does not run.
    pub fn resume(&self) -> Result<()> {
        running(&mut self.node())?.signal(Signal::CONT)
    }

    /// Starts it again on the same data and ports; one that runs is killed. Returns when it answers requests: after a stop
    /// as soon as at first, after a kill some 3 s later, for its old session has to be over.
    ///
    /// # Errors
    /// As [`Broker::start`].
    pub fn restart(&self) -> Result<()> {
        let mut node = self.node();
        *node = None;
        let (folder, data) = (self.folder.path(), self.folder.path().join("data"));
        let text = properties::text(&self.options, &self.ports, &data, self.certificates.as_ref());
        let properties = folder.join("server.properties");
        fs::write(&properties, text).map_err(Error::cannot(format_args!("write {}", properties.display())))?;
        let folder_to_remove = matches!(self.folder, Folder::Temporary(_)).then_some(folder);
        let flag = format!("-XX:SharedArchiveFile={}", self.installation.archive().display());
        let place = Place { folder, folder_to_remove };
        let mut started = Node::launch(self.installation, place, self.options.tuning, &flag)?;
        started.until_ready(self.ports.plain)?;
        *node = Some(started);
        Ok(())
    }

    /// Lets a principal (`User:alice`) do something from now on. For brokers with
    /// [`Rights::Granted`](crate::Rights::Granted).
    ///
    /// # Errors
    /// `Failed` when the broker does not do so.
    pub fn allow(&self, principal: &str, operation: Operation, resource: &Resource) -> Result<()> {
        rights::grant(self.ports.plain, principal, operation, resource)
    }

    /// Takes a right away that was given in the same words.
    ///
    /// # Errors
    /// `Failed` when the broker does not do so.
    pub fn disallow(&self, principal: &str, operation: Operation, resource: &Resource) -> Result<()> {
        rights::revoke(self.ports.plain, principal, operation, resource)
    }

    fn node(&self) -> MutexGuard<'_, Option<Node>> {
        self.node.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn running<'a>(node: &'a mut MutexGuard<'_, Option<Node>>) -> Result<&'a mut Node> {
    node.as_mut().ok_or_else(|| Error::failed("the broker does not run"))
}
