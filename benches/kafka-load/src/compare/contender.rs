//! Who is measured, and how it is started and ended.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use kafka_broker::{Label, LabelledProcess, Look, Screen};
use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
};

use crate::{
    Result,
    chain::{Chain, PATIENCE, TOPICS},
};

const SERVICES: [&str; 4] = ["sauce-service", "cheese-service", "meat-service", "veggie-service"];
/// From SIGTERM to the end of a process.
const STOP_WITHIN: Duration = Duration::from_secs(30);

/// Processes between the topics of a chain.
pub(super) struct Contender {
    pub(super) chain: Chain,
    /// Their names and how they are started.
    programs: Vec<(&'static str, PathBuf, Vec<String>)>,
    folder: PathBuf,
    /// Services end in good order; the bare loop knows no order.
    ending: Ending,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Asked,
    Killed,
}

/// They run. Dropping them kills them.
pub(super) struct Running {
    processes: Vec<LabelledProcess>,
    ending: Ending,
}

impl Contender {
    /// The four stage services, each a process, as a user starts them.
    pub(super) fn product(servers: &str, binaries: &Path, folder: &Path) -> Result<Self> {
        let folder = own_folder(folder, "product")?;
        let arguments = |name: &str| {
            let data = folder.join(name).display().to_string();
            let flags = [
                ("--log", "kafka"),
                ("--bootstrap-servers", servers),
                ("--instance", "compared"),
                ("--http-address", "127.0.0.1:0"),
                ("--data-dir", &data),
            ];
            flags.iter().flat_map(|(flag, value)| [(*flag).to_owned(), (*value).to_owned()]).collect()
        };
        let programs = SERVICES.iter().map(|name| (*name, binaries.join(name), arguments(name))).collect();
        let chain = Chain { servers: servers.to_owned(), prefix: String::new() };
        Ok(Self { chain, programs, folder, ending: Ending::Asked })
    }

    /// The bare loop, a thread a stage.
    pub(super) fn bare(servers: &str, binaries: &Path, folder: &Path) -> Result<Self> {
        let chain = Chain { servers: servers.to_owned(), prefix: "bare.".to_owned() };
        let arguments = ["kafka", "--bootstrap-servers", servers, "--prefix", &chain.prefix].map(str::to_owned);
        let programs = vec![("bare", binaries.join("bare"), arguments.to_vec())];
        Ok(Self { chain, programs, folder: own_folder(folder, "bare")?, ending: Ending::Killed })
    }

    pub(super) fn create_topics(&self, partitions: u32) -> Result<()> {
        let admin: AdminClient<DefaultClientContext> = self.chain.config().create()?;
        let names = TOPICS.map(|name| self.chain.topic(name));
        let topics = names
            .each_ref()
            .map(|name| NewTopic::new(name, i32::try_from(partitions).unwrap_or(i32::MAX), TopicReplication::Fixed(1)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE)).request_timeout(Some(PATIENCE));
        for created in runtime.block_on(admin.create_topics(&topics, &options))? {
            created.map_err(|(topic, code)| format!("a topic cannot be created: topic={topic}: {code}"))?;
        }
        Ok(())
    }

    pub(super) fn start(&self) -> Result<Running> {
        let screen = Screen::new(File::create(self.words())?, Look::Plain);
        let names: Vec<_> = self.programs.iter().map(|(name, ..)| *name).collect();
        let mut processes = Vec::new();
        for (label, (_, program, arguments)) in Label::all(&names).into_iter().zip(&self.programs) {
            processes.push(LabelledProcess::start(label, Command::new(program).args(arguments), &screen)?);
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
        self.processes.iter().map(|process| cpu_time_of(process.id())).sum()
    }

    pub(super) fn end(&mut self) -> Result<()> {
        for process in &mut self.processes {
            match self.ending {
                Ending::Asked => process.terminate(),
                Ending::Killed => process.kill(),
            }
        }
        for process in self.processes.iter_mut().filter(|_| self.ending == Ending::Asked) {
            let name = process.label().name().to_owned();
            let status = process.ended_within(STOP_WITHIN);
            let status = status.ok_or_else(|| format!("it does not end: name={name}"))?;
            if !status.success() {
                return Err(format!("it did not end well: name={name} {status}").into());
            }
        }
        Ok(())
    }
}

/// User and system time of a process, from the fields behind its name, which may itself have spaces.
fn cpu_time_of(process: u32) -> Result<Duration> {
    let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let unknown = || format!("not what Linux says of a process: {text}");
    let fields: Vec<&str> = text.rsplit(')').next().ok_or_else(unknown)?.split_whitespace().collect();
    let [user, system] = [11, 12].map(|index| fields.get(index).and_then(|field| field.parse::<u64>().ok()));
    let ticks = user.zip(system).map(|(user, system)| user + system).ok_or_else(unknown)?;
    Ok(Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second()))
}

fn own_folder(parent: &Path, name: &str) -> Result<PathBuf> {
    let folder = parent.join(name);
    fs::create_dir(&folder)?;
    Ok(folder)
}
