//! A program that runs, and what it has printed.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    sync::{Arc, Mutex},
    thread,
};

use kafka_broker::{Label, LabelledProcess, Look, Screen};

use crate::{
    http::Client,
    process::{PATIENCE, signal, until},
};

/// A service as a process, or a program that takes the place of one. Dropping it kills it; when a test has failed, what
/// it has printed is shown.
pub(crate) struct Instance {
    process: LabelledProcess,
    printed: Printed,
    command: Command,
}

impl Instance {
    pub(crate) fn start(name: &str, command: Command) -> Self {
        let printed = Printed::default();
        Self { process: launch(name, &command, &printed), printed, command }
    }

    /// Starts the same once more; what is left of the one before is killed.
    pub(crate) fn start_again(&mut self) {
        let name = self.process.label().name().to_owned();
        self.kill();
        self.printed.0.lock().unwrap().clear();
        self.process = launch(&name, &self.command, &self.printed);
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Sends a signal, by its name.
    pub(crate) fn signal(&self, name: &str) {
        signal(self.process.id(), name);
    }

    /// Ends it in good order.
    pub(crate) fn stop(&mut self) {
        self.process.terminate();
        let status = self.wait();
        assert!(status.success(), "{}: {status}", self.process.label());
    }

    /// How it ends by itself.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let ended = self.process.ended_within(PATIENCE);
        ended.unwrap_or_else(|| panic!("it goes on: {}", self.process.label()))
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.process.ended().is_none()
    }

    /// How it has ended, if it has, and the last lines that it printed.
    pub(crate) fn last_words(&mut self) -> Option<String> {
        let status = self.process.ended()?;
        let printed = self.printed();
        let last: Vec<_> = printed.lines().rev().take(6).collect();
        let last: Vec<_> = last.into_iter().rev().collect();
        Some(format!("{}: {status}\n{}", self.process.label(), last.join("\n")))
    }

    pub(crate) fn printed(&self) -> String {
        String::from_utf8_lossy(&self.printed.0.lock().unwrap()).into_owned()
    }

    /// The first line that has this in it.
    pub(crate) fn line_with(&self, part: &str) -> String {
        let find = || self.printed().lines().find(|line| line.contains(part)).map(str::to_owned);
        until(&format!("{} prints {part:?}", self.process.label()), find)
    }

    /// Where a service answers.
    pub(crate) fn url(&self) -> String {
        let line = self.line_with("  url ");
        line.split_whitespace().last().unwrap_or_else(|| unreachable!("it has words")).to_owned()
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&self.url())
    }

    pub(crate) fn until_ready(&self) {
        let client = self.client();
        let is_ready = || client.try_get("/readyz").filter(|answer| answer.status == 200);
        until(&format!("{} is ready", self.process.label()), is_ready);
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            writeln!(io::stderr(), "{}", self.printed()).ok();
        }
    }
}

fn launch(name: &str, command: &Command, printed: &Printed) -> LabelledProcess {
    let label = Label::all(&[name]).remove(0);
    LabelledProcess::start(label, command, &Screen::new(printed.clone(), Look::Plain)).unwrap()
}

#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Vec<u8>>>);

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The program of a service, to be given arguments. No variable of the tester's gets in. Cargo tells a test only where
/// its own package's programs are; those of other packages are beside it, if somebody has built them.
pub(crate) fn program(service: &str, data_dir: &Path) -> Command {
    let path = folder_of_programs().join(service);
    assert!(
        path.is_file(),
        "{} is missing: cargo build --workspace --features kafka --bins{}",
        path.display(),
        release()
    );
    let mut command = Command::new(path);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LINECOOK_") || name == "RUST_LOG") {
        command.env_remove(name);
    }
    command.arg("--data-dir").arg(data_dir);
    command
}

fn folder_of_programs() -> PathBuf {
    // target/<profile>/deps/<this test>
    let this = std::env::current_exe().unwrap();
    this.parent().and_then(Path::parent).unwrap().to_owned()
}

fn release() -> &'static str {
    if cfg!(debug_assertions) { "" } else { " --release" }
}
