//! A broker's JVM.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use rustix::process::Signal;

use crate::{Error, Result, Tuning, clock, installation::Installation, java, leash::Leashed, wire};

/// How long a start or a stop may take before it counts as never. A cold machine with other things to do needs a while.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a node finds what it should be like, and leaves what it has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    /// Has `server.properties` and `data`, and gets `broker.log`.
    pub(crate) folder: &'a Path,
    /// What has to go with the process that started the node.
    pub(crate) folder_to_remove: Option<&'a Path>,
}

#[derive(Debug)]
pub(crate) struct Node {
    process: Leashed,
    log: PathBuf,
}

impl Node {
    /// Starts the JVM and returns at once.
    pub(crate) fn launch(installation: &Installation, place: Place<'_>, tuning: Tuning, flag: &str) -> Result<Self> {
        let log = place.folder.join("broker.log");
        let cannot = || Error::cannot(format!("write {}", log.display()));
        let output = File::options().create(true).append(true).open(&log).map_err(cannot())?;
        let mut command = Leashed::command(java::tool("java"), place.folder_to_remove);
        command.args(match tuning {
            Tuning::QuickStart => ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"].as_slice(),
            Tuning::Throughput => &["-Xmx1g", "-XX:+UseG1GC"],
        });
        command.args([flag, "-Xshare:auto", "-Xlog:disable", "-Xlog:all=error:stderr", "-Djava.awt.headless=true"]);
        command.args(LOGGING.map(|(name, value)| format!("-Dorg.slf4j.simpleLogger.{name}={value}")));
        command.env("CLASSPATH", installation.class_path()?).current_dir(place.folder);
        command.args(["kafka.Kafka", "server.properties"]);
        command.stdout(output.try_clone().map_err(cannot())?).stderr(output);
        Ok(Self { process: Leashed::start(&mut command)?, log })
    }

    /// Waits until it answers requests at that port.
    pub(crate) fn until_ready(&mut self, port: u16) -> Result<()> {
        let ready = clock::within(PATIENCE, || {
            if let Some(status) = self.process.ended() {
                return Some(Err(self.failed(&format!("the broker ended with {status}"))));
            }
            wire::answers(port).then_some(Ok(()))
        });
        ready.unwrap_or_else(|| Err(self.failed(&format!("the broker does not answer within {PATIENCE:?}"))))
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.process.ended()
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn signal(&mut self, signal: Signal) -> Result<()> {
        self.process.signal(signal)
    }

    /// Ends it in good order.
    pub(crate) fn stop(&mut self) -> Result<()> {
        if let Some(status) = self.ended() {
            return Err(self.failed(&format!("the broker has ended already with {status}")));
        }
        self.process.signal(Signal::CONT)?; // one that is paused would not hear the other
        self.process.signal(Signal::TERM)?;
        if self.process.ended_within(PATIENCE).is_none() {
            return Err(self.failed(&format!("the broker does not end within {PATIENCE:?}")));
        }
        Ok(())
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// With the last of what it logged. Port and folder are in there when they are the reason.
    fn failed(&self, what: &str) -> Error {
        let logged = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = logged.lines().collect();
        let last = lines[lines.len().saturating_sub(40)..].join("\n");
        Error::failed(format!("{what}, log={}\n{last}", self.log.display()))
    }
}

/// What is told, and how. Every property of every client would be most of it.
const LOGGING: [(&str, &str); 6] = [
    ("showDateTime", "true"),
    ("dateTimeFormat", "HH:mm:ss.SSS"),
    ("showThreadName", "false"),
    ("showShortLogName", "true"),
    ("defaultLogLevel", "info"),
    ("log.org.apache.kafka.common.config", "warn"),
];
