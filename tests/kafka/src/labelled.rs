//! Several programs on one screen.

use std::{
    fmt,
    io::{BufRead as _, BufReader, Read, Write},
    path::Path,
    process::{Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::process::Signal;

use crate::{Error, Result, leash::Leashed};

/// Where programs print, one whole line after the other.
#[derive(Clone)]
pub struct Screen {
    to: Arc<Mutex<dyn Write + Send>>,
    look: Look,
}

/// Whether labels have colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// They have none.
    Plain,
    /// They have, for a terminal.
    Coloured,
}

impl Screen {
    /// A screen that is this.
    pub fn new(to: impl Write + Send + 'static, look: Look) -> Self {
        Self { to: Arc::new(Mutex::new(to)), look }
    }

    /// Prints one line. A screen that nobody looks at any more stops nobody.
    pub fn line(&self, label: &Label, text: &[u8]) {
        let mut line = match self.look {
            Look::Plain => format!("{label} ").into_bytes(),
            Look::Coloured => format!("\x1b[{}m{label}\x1b[0m ", label.colour()).into_bytes(),
        };
        line.extend_from_slice(text);
        line.push(b'\n');
        let mut to = self.to.lock().unwrap_or_else(PoisonError::into_inner);
        to.write_all(&line).and_then(|()| to.flush()).ok();
    }
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screen").field("look", &self.look).finish_non_exhaustive()
    }
}

/// What stands before each line of a program.
#[derive(Debug, Clone)]
pub struct Label {
    name: String,
    width: usize,
    number: usize,
}

impl Label {
    /// One for each name, all of one width.
    pub fn all(names: &[&str]) -> Vec<Self> {
        let width = names.iter().map(|name| name.len()).max().unwrap_or_default();
        let label = |(number, name): (usize, &&str)| Self { name: (*name).to_owned(), width, number };
        names.iter().enumerate().map(label).collect()
    }

    /// The name in it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Terminals have six colours that can be read on black and on white.
    fn colour(&self) -> usize {
        31 + self.number % 6
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:width$} |", self.name, width = self.width)
    }
}

/// A program whose lines all have its label before them. Dropping it kills it, and it ends when the process that started
/// it does, however that comes.
#[derive(Debug)]
pub struct LabelledProcess {
    label: Label,
    process: Leashed,
    printers: Vec<JoinHandle<()>>,
}

impl LabelledProcess {
    /// Starts what the command says: its program, which is a path, arguments, environment and folder. Where its output
    /// goes is settled here.
    ///
    /// # Errors
    /// `Setup` when there is no such program.
    pub fn start(label: Label, asked_for: &Command, screen: &Screen) -> Result<Self> {
        let program = Path::new(asked_for.get_program());
        if !program.is_file() {
            return Err(Error::setup(format!("there is no such program: path={}", program.display())));
        }
        let mut command = Leashed::command(program, None);
        command.args(asked_for.get_args()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for (name, value) in asked_for.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(folder) = asked_for.get_current_dir() {
            command.current_dir(folder);
        }
        let mut process = Leashed::start(&mut command)?;
        let child = process.child();
        let printers = [
            child.stdout.take().map(|out| print(out, &label, screen)),
            child.stderr.take().map(|out| print(out, &label, screen)),
        ];
        Ok(Self { label, process, printers: printers.into_iter().flatten().collect() })
    }

    /// Its label.
    pub fn label(&self) -> &Label {
        &self.label
    }

    /// The id of its process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Asks it to end, as SIGTERM does. Nothing happens if it has.
    pub fn terminate(&mut self) {
        self.process.signal(Signal::TERM).ok();
    }

    /// Ends it as `kill -9` does, and returns when its last line is on the screen.
    pub fn kill(&mut self) {
        self.process.kill();
        self.finish_printing();
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.ended_within(Duration::ZERO)
    }

    /// How it ended, if it does within that time; then its last line is on the screen.
    pub fn ended_within(&mut self, patience: Duration) -> Option<ExitStatus> {
        let status = self.process.ended_within(patience);
        if status.is_some() {
            self.finish_printing();
        }
        status
    }

    fn finish_printing(&mut self) {
        for printer in self.printers.drain(..) {
            printer.join().ok();
        }
    }
}

fn print(out: impl Read + Send + 'static, label: &Label, screen: &Screen) -> JoinHandle<()> {
    let (label, screen) = (label.clone(), screen.clone());
    thread::spawn(move || {
        let lines = BufReader::new(out).split(b'\n'); // not `lines`: one that is no UTF-8 must not end it
        lines.map_while(std::result::Result::ok).for_each(|line| screen.line(&label, &line));
    })
}
