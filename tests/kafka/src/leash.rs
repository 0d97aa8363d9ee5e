//! Processes that do not outlive the one that started them.

use std::{
    ffi::OsStr,
    io::Write as _,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{Error, Result, clock};

/// A watcher reads from a pipe that only we write to. A line lets it go. The pipe's end without one means that we are
/// gone, however that came: it kills the process, and removes the folder that nobody would remove any more. The shell
/// then becomes the process itself, so there is no moment without a watcher, and the process has the id that we know.
const SCRIPT: &str = r#"
exec 3<&0
(read -r _ <&3 || { kill -9 $$; [ -z "$LEASH_FOLDER" ] || { sleep 1; rm -rf "$LEASH_FOLDER"; }; }) < /dev/null > /dev/null 2>&1 &
exec "$@" < /dev/null 3<&-
"#;

/// A process on a leash. It is in a process group of its own, so that ctrl-c reaches it only through us, once.
#[derive(Debug)]
pub(crate) struct Leashed {
    child: Child,
    leash: Option<ChildStdin>,
}

impl Leashed {
    /// Makes the command that starts it; the caller adds arguments, environment, and where the output goes.
    pub(crate) fn command(program: impl AsRef<OsStr>, folder_to_remove: Option<&Path>) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "sh"]).arg(program).stdin(Stdio::piped()).process_group(0);
        command.env("LEASH_FOLDER", folder_to_remove.map_or(OsStr::new(""), Path::as_os_str));
        command
    }

    /// Starts what [`Leashed::command`] made.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let mut child = command.spawn().map_err(Error::cannot("run sh"))?;
        let leash = child.stdin.take();
        Ok(Self { child, leash })
    }

    /// For its output.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().ok().flatten();
        if status.is_some() {
            self.let_watcher_go();
        }
        status
    }

    /// How it ended, if it does within that time.
    pub(crate) fn ended_within(&mut self, patience: Duration) -> Option<ExitStatus> {
        clock::within(patience, || self.ended())
    }

    pub(crate) fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.ended().is_some() {
            return Err(Error::failed(format!("it has ended already: process={}", self.id())));
        }
        // It has not been waited for, so the id is still its own.
        kill_process(Pid::from_child(&self.child), signal)
            .map_err(|error| Error::failed(format!("cannot send a signal: {error}, process={}", self.id())))
    }

    /// Kills it and waits for its end. Nothing happens if it has ended.
    pub(crate) fn kill(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        self.let_watcher_go();
    }

    /// Only when the process was waited for: the watcher must not kill who has its id next.
    fn let_watcher_go(&mut self) {
        if let Some(mut leash) = self.leash.take() {
            leash.write_all(b"go\n").ok();
        }
    }
}

impl Drop for Leashed {
    fn drop(&mut self) {
        self.kill();
    }
}
