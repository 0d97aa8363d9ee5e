//! A broker that runs.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::{
    Certificates, ClientCertificates, Controller, Error, Operation, Options, Resource, Result, clock,
    installation::Installation,
    node::{Node, Place},
    ports,
    properties::{self, BROKER_SESSION, CONTROLLER_APART, Ports},
    rights,
};

/// A broker of Apache Kafka with its [controller](Controller). Dropping it kills it and removes its data, unless the
/// folder was given. It also ends when the process that started it does, however that comes.
#[derive(Debug)]
pub struct Broker {
    node: Mutex<Option<Node>>, // these first: they have to be gone before their folder is
    controller: Option<Node>,
    killed_at: Mutex<Option<Instant>>,
    installation: &'static Installation,
    options: Options,
    folder: Folder,
    /// Held for as long as this one uses the folder: a second broker in it would take the first one's data.
    _lock: File,
    ports: Ports,
    certificates: Option<Certificates>,
}

/// How long a controller may take to notice that a session is over.
const SESSION_MARGIN: Duration = Duration::from_secs(1);

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
        let lock = lock(folder.path())?;
        let data = folder.path().join("data");
        if !data.join("meta.properties").exists() {
            installation.format(&data, &properties::scram_users(&options))?;
        }
        let speaks_tls = !options.users.is_empty() || options.client_certificates == ClientCertificates::Required;
        let certificates = speaks_tls.then(|| installation.certificates()).transpose()?;
        let ports = Ports::of(&options)?;
        let (node, killed_at) = (Mutex::new(None), Mutex::new(None));
        let mut broker =
            Self { node, controller: None, killed_at, installation, options, folder, _lock: lock, ports, certificates };
        if broker.options.controller == Controller::Apart {
            broker.controller = Some(broker.start_controller()?);
        }
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
        self.kill_node(&mut self.node());
    }

    fn kill_node(&self, node: &mut Option<Node>) {
        if let Some(mut node) = node.take() {
            node.kill();
            *self.killed_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(clock::now());
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
    /// as soon as at first, after a kill some 3 s later, for its old session has to be over. (With a [controller
    /// inside](Controller::Inside) it may say so only once it is up: see there what that can cost.)
    ///
    /// # Errors
    /// As [`Broker::start`].
    pub fn restart(&self) -> Result<()> {
        let mut node = self.node();
        self.kill_node(&mut node);
        if self.controller.is_some() {
            self.wait_for_end_of_session();
        }
        let (folder, data) = (self.folder.path(), self.folder.path().join("data"));
        let text = properties::text(&self.options, &self.ports, &data, self.certificates.as_ref());
        let mut started = self.launch(folder, &text)?;
        started.until_ready(self.ports.plain)?;
        *node = Some(started);
        Ok(())
    }

    /// One that comes back while its controller still counts it as there takes itself for the leader of what it had.
    fn wait_for_end_of_session(&self) {
        let killed_at = self.killed_at.lock().unwrap_or_else(PoisonError::into_inner).take();
        let since = killed_at.map(|at| clock::now().saturating_duration_since(at));
        let left = since.map(|since| (BROKER_SESSION + SESSION_MARGIN).saturating_sub(since));
        thread::sleep(left.unwrap_or_default());
    }

    fn start_controller(&self) -> Result<Node> {
        let folder = self.folder.path().join("controller");
        let data = folder.join("data");
        if !data.join("meta.properties").exists() {
            self.installation.format(&data, &properties::scram_users(&self.options))?;
            let meta = data.join("meta.properties");
            let cannot = || Error::cannot(format!("give {} its node's id", meta.display()));
            let text = fs::read_to_string(&meta).map_err(cannot())?;
            let text = text.replace("node.id=1\n", &format!("node.id={CONTROLLER_APART}\n"));
            fs::write(&meta, text).map_err(cannot())?;
        }
        self.launch(&folder, &properties::text_of_controller(&self.options, &self.ports, &data))
    }

    fn launch(&self, folder: &Path, text: &str) -> Result<Node> {
        let properties = folder.join("server.properties");
        fs::write(&properties, text).map_err(Error::cannot(format_args!("write {}", properties.display())))?;
        let folder_to_remove = matches!(self.folder, Folder::Temporary(_)).then_some(self.folder.path());
        let flag = format!("-XX:SharedArchiveFile={}", self.installation.archive().display());
        Node::launch(self.installation, Place { folder, folder_to_remove }, self.options.tuning, &flag)
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

/// Takes the folder, which it makes.
fn lock(folder: &Path) -> Result<File> {
    let cannot = || Error::cannot(format!("use the folder {}", folder.display()));
    fs::create_dir_all(folder).map_err(cannot())?;
    let file = File::create(folder.join("lock")).map_err(cannot())?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(Error::setup(format!("another broker uses that folder: folder={}", folder.display())))
        }
        Err(TryLockError::Error(error)) => Err(cannot()(error)),
    }
}

fn running<'a>(node: &'a mut MutexGuard<'_, Option<Node>>) -> Result<&'a mut Node> {
    node.as_mut().ok_or_else(|| Error::failed("the broker does not run"))
}
