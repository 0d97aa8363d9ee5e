//! `services`: the services of the pizzeria, each a process of its own, on Kafka. See `services --help`.

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::PathBuf,
    process::{Command, ExitCode},
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::Duration,
};

use kafka_broker::{Arguments, ErrorKind, Label, LabelledProcess, Look, Result, Screen, stop_signals, target_folder};

const SERVICES: [&str; 6] =
    ["pizza-service", "sauce-service", "cheese-service", "meat-service", "veggie-service", "cheese-reporter"];

const USAGE: &str = "\
Runs the services of the pizzeria on Kafka, each a process of its own. Ctrl-c ends them all in good order.

usage: services [--bootstrap-servers SERVERS] [--binaries FOLDER] [-- ARGUMENTS OF EACH SERVICE]

  --bootstrap-servers   where Kafka is [default: 127.0.0.1:9092]
  --binaries            where the services' programs are [default: Cargo's target folder, of the release build]";

struct Plan {
    servers: String,
    binaries: PathBuf,
    arguments: Vec<String>,
}

fn main() -> ExitCode {
    match plan().and_then(|plan| plan.map_or(Ok(ExitCode::SUCCESS), run)) {
        Ok(code) => code,
        Err(error) => {
            writeln!(io::stderr(), "services: {error}").ok();
            ExitCode::from(if error.kind() == ErrorKind::Setup { 2 } else { 1 })
        }
    }
}

/// Nothing when help was asked for, and given.
fn plan() -> Result<Option<Plan>> {
    let mut plan =
        Plan { servers: "127.0.0.1:9092".to_owned(), binaries: target_folder().join("release"), arguments: Vec::new() };
    let mut arguments = Arguments::of_process(USAGE);
    while let Some((flag, written)) = arguments.next_flag() {
        match flag.as_str() {
            "--bootstrap-servers" => plan.servers = arguments.value(&flag, written)?,
            "--binaries" => plan.binaries = arguments.value(&flag, written)?,
            "--" => plan.arguments = arguments.rest(),
            "--help" | "-h" => {
                writeln!(io::stdout(), "{USAGE}").ok();
                return Ok(None);
            }
            _ => return Err(arguments.unknown(&flag)),
        }
    }
    Ok(Some(plan))
}

fn run(plan: Plan) -> Result<ExitCode> {
    let stops = stop_signals()?;
    let look = if io::stdout().is_terminal() { Look::Coloured } else { Look::Plain };
    let screen = Screen::new(io::stdout(), look);
    let mut arguments = vec!["--log", "kafka", "--bootstrap-servers", &plan.servers];
    arguments.extend(plan.arguments.iter().map(String::as_str));
    let mut running = Vec::new();
    for label in Label::all(&SERVICES) {
        let mut service = Command::new(plan.binaries.join(label.name()));
        running.push(LabelledProcess::start(label, service.args(&arguments), &screen)?);
    }
    let all_well = watch(&mut running, &stops, &screen);
    running.iter_mut().for_each(LabelledProcess::terminate);
    let ended_well = wait(&mut running, &stops, &screen);
    Ok(if all_well && ended_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Until somebody says stop, or none is left. Whether none has ended by itself.
fn watch(running: &mut Vec<LabelledProcess>, stops: &Receiver<()>, screen: &Screen) -> bool {
    let mut all_well = true;
    while !running.is_empty() {
        match stops.recv_timeout(Duration::from_millis(100)) {
            Err(RecvTimeoutError::Timeout) => {
                let before = running.len();
                remove_ended(running, screen);
                all_well &= running.len() == before;
            }
            Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    all_well
}

/// Until all have ended, or somebody says stop once more, which kills those that are left. Whether none failed.
fn wait(running: &mut Vec<LabelledProcess>, stops: &Receiver<()>, screen: &Screen) -> bool {
    let mut failed = 0;
    while !running.is_empty() {
        match stops.recv_timeout(Duration::from_millis(20)) {
            Err(RecvTimeoutError::Timeout) => failed += remove_ended(running, screen),
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return false, // dropped, so killed
        }
    }
    failed == 0
}

/// Says of each that has ended how, and how many of them failed.
fn remove_ended(running: &mut Vec<LabelledProcess>, screen: &Screen) -> usize {
    let mut failed = 0;
    running.retain_mut(|process| {
        let Some(status) = process.ended() else { return true };
        failed += usize::from(!status.success());
        screen.line(process.label(), format!("has ended with {status}").as_bytes());
        false
    });
    failed
}
