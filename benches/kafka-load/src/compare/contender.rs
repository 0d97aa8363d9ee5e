//! Who is measured, and how it is started and ended.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use bench_report::cpu_time_of;
use kafka_broker::{Label, LabelledProcess, Look, Screen};
use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
};

use super::{streams::Streams, work::Work};
use crate::{
    Result,
    chain::{Chain, PATIENCE, TOPICS},
};

const SERVICES: [&str; 4] = ["sauce-service", "cheese-service", "meat-service", "veggie-service"];
/// From SIGTERM to the end of a process.
const STOP_WITHIN: Duration = Duration::from_secs(30);

/// Processes between the topics of a chain.
pub(super) struct Contender {
    pub(super) name: String,
    pub(super) chain: Chain,
    /// What it has to do in a turn.
    pub(super) work: Work,
    /// What each is called on the screen, and how it is started.
    programs: Vec<(&'static str, Command)>,
    folder: PathBuf,
    ending: Ending,
}

/// How the processes are ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// They are asked to, and end with this code.
    Asked(i32),
    /// They know no good order.
    Killed,
}

/// What a JVM ends with that was asked to, and did so in good order: 128 and the signal.
const TERMINATED: i32 = 143;

/// They run. Dropping them kills them.
pub(super) struct Running {
    processes: Vec<LabelledProcess>,
    ending: Ending,
}

impl Contender {
    /// The four stage services, each a process, as a user starts them.
    pub(super) fn services(servers: &str, binaries: &Path, folder: &Path, work: Work) -> Result<Self> {
        let folder = own_folder(folder, "services")?;
        let program = |name: &'static str| {
            let mut command = Command::new(binaries.join(name));
            command.args(["--log", "kafka", "--bootstrap-servers", servers, "--instance", "compared"]);
            command.args(["--http-address", "127.0.0.1:0", "--data-dir"]).arg(folder.join(name));
            (name, command)
        };
        let programs = SERVICES.into_iter().map(program).collect();
        let chain = Chain { servers: servers.to_owned(), prefix: String::new() };
        Ok(Self { name: "services".to_owned(), chain, work, programs, folder, ending: Ending::Asked(0) })
    }

    /// The bare loop, a thread a stage.
    pub(super) fn bare(servers: &str, binaries: &Path, folder: &Path, work: Work) -> Result<Self> {
        let chain = Chain { servers: servers.to_owned(), prefix: "bare.".to_owned() };
        let mut command = Command::new(binaries.join("bare"));
        command.args(["kafka", "--bootstrap-servers", servers, "--prefix", &chain.prefix]);
        let folder = own_folder(folder, "bare")?;
        let programs = vec![("bare", command)];
        Ok(Self { name: "bare".to_owned(), chain, work, programs, folder, ending: Ending::Killed })
    }

    /// Kafka Streams with its own defaults, but for these properties, and exactly once. However many there are of them,
    /// they share topics and groups: each takes what was filled in for it to its end, and leaves.
    pub(super) fn streams(streams: &Streams, servers: &str, row: &str, folder: &Path, work: Work) -> Result<Self> {
        let chain = Chain { servers: servers.to_owned(), prefix: "streams.".to_owned() };
        let name = format!("streams {row}");
        let folder = own_folder(folder, &name.replace(|letter: char| !letter.is_alphanumeric(), "-"))?;
        let command = streams.command(servers, &chain.prefix, &folder.join("state"), row)?;
        Ok(Self { name, chain, work, programs: vec![("streams", command)], folder, ending: Ending::Asked(TERMINATED) })
    }

    /// Its topics, if they are not there yet.
    pub(super) fn create_topics(&self, partitions: u32) -> Result<()> {
        let admin: AdminClient<DefaultClientContext> = self.chain.config().create()?;
        let names = TOPICS.map(|name| self.chain.topic(name));
        let topics = names
            .each_ref()
            .map(|name| NewTopic::new(name, i32::try_from(partitions).unwrap_or(i32::MAX), TopicReplication::Fixed(1)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(PATIENCE));
        for created in runtime.block_on(admin.create_topics(&topics, &options))? {
            match created {
                Ok(_) | Err((_, rdkafka::error::RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((topic, code)) => return Err(format!("a topic cannot be created: topic={topic}: {code}").into()),
            }
        }
        Ok(())
    }

    pub(super) fn start(&self) -> Result<Running> {
        let screen = Screen::new(File::create(self.words())?, Look::Plain);
        let names: Vec<_> = self.programs.iter().map(|(name, _)| *name).collect();
        let mut processes = Vec::new();
        for (label, (_, command)) in Label::all(&names).into_iter().zip(&self.programs) {
            processes.push(LabelledProcess::start(label, command, &screen)?);
        }
        Ok(Running { processes, ending: self.ending })
    }

    /// Where they print.
    fn words(&self) -> PathBuf {
        self.folder.join("screen")
    }

    pub(super) fn last_words(&self) -> String {
        let text = fs::read_to_string(self.words()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Running {
    /// What they have used so far, all their threads together.
    pub(super) fn cpu_time(&self) -> Result<Duration> {
        self.processes.iter().map(|process| Ok(cpu_time_of(process.id())?)).sum()
    }

    pub(super) fn end(&mut self) -> Result<()> {
        for process in &mut self.processes {
            match self.ending {
                Ending::Asked(_) => process.terminate(),
                Ending::Killed => process.kill(),
            }
        }
        let Ending::Asked(code) = self.ending else { return Ok(()) };
        for process in &mut self.processes {
            let name = process.label().name().to_owned();
            let status = process.ended_within(STOP_WITHIN);
            let status = status.ok_or_else(|| format!("it does not end: name={name}"))?;
            if status.code() != Some(code) {
                return Err(format!("it did not end well: name={name} {status}").into());
            }
        }
        Ok(())
    }
}

fn own_folder(parent: &Path, name: &str) -> Result<PathBuf> {
    let folder = parent.join(name);
    fs::create_dir(&folder).map_err(|error| format!("cannot make a folder: path={}: {error}", folder.display()))?;
    Ok(folder)
}
