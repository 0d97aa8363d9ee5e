//! A pizzeria as a process.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// How long anything may take before it counts as never.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Asks until it is so.
pub(crate) fn until<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, ask)
}

/// Asks for so long until it is so.
pub(crate) fn until_within<T>(patience: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = now() + patience;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(now() < deadline, "not within {patience:?}: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

#[expect(clippy::disallowed_methods, reason = "these tests measure real processes in real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Whether nothing else runs on this machine, so that times mean something: `just latency` says so.
pub(crate) fn is_quiet() -> bool {
    std::env::var_os("QUIET_MACHINE").is_some()
}

/// The program, to be given arguments. No variable of the tester's gets in.
pub(crate) fn command(data_dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pizzeria"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("LINECOOK_")) {
        command.env_remove(name);
    }
    command.arg("--data-dir").arg(data_dir).env("RUST_LOG", "warn");
    command
}

/// The program run to its end.
pub(crate) fn output(data_dir: &Path, arguments: &[&str]) -> Output {
    command(data_dir).args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// Sends a signal, by its name.
pub(crate) fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status().unwrap();
    assert!(sent.success(), "{name} to {process}");
}

/// A pizzeria that runs. Dropping it kills it.
pub(crate) struct Pizzeria {
    child: Child,
    pub(crate) url: String,
    pub(crate) screen: String,
}

impl Pizzeria {
    pub(crate) fn start(data_dir: &Path, arguments: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", data_dir, arguments)
    }

    pub(crate) fn start_at(address: &str, data_dir: &Path, arguments: &[&str]) -> Self {
        let mut command = command(data_dir);
        command.args(["--http-address", address]).args(arguments);
        Self::start_by(command)
    }

    /// One that may have so many files and connections open, and no more.
    pub(crate) fn start_with_descriptors(count: u32, data_dir: &Path) -> Self {
        let pizzeria = command(data_dir);
        let mut limited = Command::new("sh");
        limited.args(["-c", &format!(r#"ulimit -n {count} && exec "$0" "$@""#)]).arg(pizzeria.get_program());
        limited.args(pizzeria.get_args()).args(["--http-address", "127.0.0.1:0"]).env("RUST_LOG", "warn");
        Self::start_by(limited)
    }

    fn start_by(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let out = child.stdout.take().unwrap();
        let mut pizzeria = Self { child, url: String::new(), screen: String::new() }; // killed when it does not start
        let (told, screen) = mpsc::channel();
        thread::spawn(move || told.send(read_screen(out)));
        pizzeria.screen = screen.recv_timeout(PATIENCE).expect("it shows its screen");
        let url = pizzeria.screen.lines().find_map(|line| line.trim().strip_prefix("url"));
        pizzeria.url = url.unwrap_or_else(|| panic!("it did not start: {}", pizzeria.screen)).trim().to_owned();
        pizzeria
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        until("it has ended", || self.child.try_wait().unwrap())
    }

    /// Ends it in good order.
    pub(crate) fn stop(mut self) {
        self.terminate();
        assert!(self.wait().success());
    }
}

impl Drop for Pizzeria {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// What it prints at the start, as far as it comes.
fn read_screen(out: ChildStdout) -> String {
    let mut screen = String::new();
    for line in BufReader::new(out).lines().map_while(Result::ok) {
        screen.push_str(&line);
        screen.push('\n');
        if line.trim().starts_with("stop") {
            break;
        }
    }
    screen
}
