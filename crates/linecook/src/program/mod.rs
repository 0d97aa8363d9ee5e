//! The program around services: command line, settings, start, shutdown.
//!
//! ```text
//!  main ──► arguments ──► settings ──► services ──► run: log, HTTP, then topics and workers; signals
//!                                           └─────► or a command: settings, topology, log, groups, the services' own
//! ```

mod arguments;
mod dead_letters;
mod dump;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(not(feature = "kafka"))]
#[path = "no_kafka.rs"]
mod kafka;
mod log_commands;
mod logging;
mod open_log;
mod partitions;
mod process_settings;
mod run;
mod running;
mod screen;
mod selection;
mod servers;
mod slot;
mod start;
mod stop;
mod workers;

use std::{ffi::OsString, io::Write, process::ExitCode, sync::Arc};

use clap::ArgMatches;

pub use running::Running;
pub use stop::Stop;

use crate::{
    Definition, Service, Topology,
    settings::{Effective, HostPort, Settings, Sources},
};
use process_settings::ProcessSettings;
use selection::Selection;

/// One process: one service, or several that share a log.
#[derive(Debug, Clone)]
pub struct Program {
    /// Its name, as it is called.
    pub name: &'static str,
    /// One sentence about it.
    pub about: &'static str,
    /// Its services. Their order is that in which everything names them.
    pub services: Vec<Definition>,
}

impl From<Definition> for Program {
    fn from(service: Definition) -> Self {
        Self { name: service.name, about: "A service of its own", services: vec![service] }
    }
}

/// A command that a service adds to its program.
#[derive(Debug, Clone, Copy)]
pub struct Command {
    /// Its name.
    pub name: &'static str,
    /// Adds its description and arguments.
    pub arguments: fn(clap::Command) -> clap::Command,
    /// Does it.
    pub run: fn(&ArgMatches, &Invocation) -> Result<(), Stop>,
}

/// What a service's command is told beside its arguments.
#[derive(Debug)]
pub struct Invocation {
    /// Where the program's HTTP server is, or would be.
    pub http_address: HostPort,
}

/// The whole program, to be called from `fn main`. It reads the command line and the settings, runs until it is told to
/// stop, and returns the exit code: 0 after a good end, 2 for what the caller has to mend (a wrong flag or setting, a
/// taken port, a locked directory), 3 when another process has taken over this one's name, 1 for everything else.
pub fn main(program: impl Into<Program>) -> ExitCode {
    match dispatch(&program.into(), std::env::args_os()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => {
            // Nobody may be reading any more; then there is nothing left to say it with.
            writeln!(std::io::stderr(), "error: {}", stop.message()).ok();
            ExitCode::from(stop.code())
        }
    }
}

/// A program with its settings read and its services built.
pub(crate) struct Prepared {
    pub(crate) name: &'static str,
    pub(crate) definitions: Vec<Definition>,
    pub(crate) process: ProcessSettings,
    pub(crate) services: Vec<Arc<Service>>,
    pub(crate) topology: Topology,
    pub(crate) selection: Selection,
}

fn dispatch(program: &Program, arguments: impl Iterator<Item = OsString>) -> Result<(), Stop> {
    // Declaring is reading: a first pass without sources tells which flags there are.
    let declared = declare(program, Sources::new())?.settings;
    let mut command = arguments::command(program, declared.entries());
    let matches = command.clone().get_matches_from(arguments);
    if let Some(("completions", matches)) = matches.subcommand() {
        return arguments::print_completions(&mut command, matches);
    }
    let flags = arguments::flags(&matches, declared.entries());
    let sources = Sources::from_process(arguments::config(&matches).as_deref(), flags);
    let (prepared, effective) = Prepared::of(program, sources, Selection::of(&matches, program)?)?;
    match matches.subcommand() {
        None | Some(("run", _)) => run::run(prepared),
        Some(("settings", _)) => print(&effective),
        Some(("topology", _)) => print(&prepared.selection.describe(&prepared.topology)),
        Some(("dead-letters", matches)) => dead_letters::run(matches, &prepared),
        Some(("log", matches)) => log_commands::log(matches, &prepared.process),
        Some(("groups", matches)) => log_commands::groups(matches, &prepared.process),
        Some((name, matches)) => of_service(program, name, matches, &prepared.process),
    }
}

struct Declared {
    process: ProcessSettings,
    services: Vec<Arc<Service>>,
    settings: Settings,
}

/// Asks for all settings there are, and builds the services with what they got.
fn declare(program: &Program, sources: Sources) -> Result<Declared, Stop> {
    let mut settings = Settings::load(sources);
    settings.unused_variable(arguments::CONFIG_VARIABLE);
    let process = ProcessSettings::from_settings(&mut settings, program);
    let mut services = Vec::new();
    for definition in &program.services {
        services.push(Arc::new(definition.service(&mut settings)?));
    }
    Ok(Declared { process, services, settings })
}

fn of_service(program: &Program, name: &str, matches: &ArgMatches, process: &ProcessSettings) -> Result<(), Stop> {
    let mut commands = program.services.iter().flat_map(|service| service.commands);
    let command = commands.find(|command| command.name == name);
    let command = command.ok_or_else(|| Stop::usage(format!("no such command: command={name}")))?;
    // What a process has noted is so only while it runs; what somebody has said is always meant.
    let is_said = process.http_address != process_settings::default_address(program);
    let is_noted = !is_said && linecook_embedded::is_in_use(&process.data_dir);
    let noted = is_noted.then(|| dead_letters::noted_address(&process.data_dir)).flatten();
    let http_address = noted.unwrap_or_else(|| process.http_address.clone());
    (command.run)(matches, &Invocation { http_address })
}

/// Prints to standard output. Whoever reads it may stop reading; that is no error.
///
/// # Errors
/// When it cannot be written for another reason.
pub fn print(what: &dyn std::fmt::Display) -> Result<(), Stop> {
    let mut out = std::io::stdout().lock();
    match write!(out, "{what}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Stop::failed(error.to_string())),
        _ => Ok(()),
    }
}

impl Prepared {
    fn of(program: &Program, sources: Sources, selection: Selection) -> Result<(Self, Effective), Stop> {
        let Declared { process, services, settings } = declare(program, sources)?;
        let effective = settings.finish().map_err(|faults| Stop::usage(faults.to_string()))?;
        let topology = Topology::of(services.iter().map(|service| &**service))?;
        let (name, definitions) = (program.name, program.services.clone());
        Ok((Self { name, definitions, process, services, topology, selection }, effective))
    }

    /// With all services of the program.
    fn all_of(program: &Program, sources: Sources) -> Result<Self, Stop> {
        Self::of(program, sources, Selection::all(program)).map(|(prepared, _)| prepared)
    }

    /// Those that run in this process.
    pub(crate) fn running_services(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.services.iter().filter(|service| self.runs(service.name().as_str()))
    }

    /// Whether that service runs in this process.
    pub(crate) fn runs(&self, service: &str) -> bool {
        self.selection.has(service)
    }
}
