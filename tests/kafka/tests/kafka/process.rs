//! A program of this crate as a process, which does not outlive its test.

use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use crate::until;

pub(crate) struct Process(Child);

impl Process {
    /// Starts it; what it prints on standard output is for the caller.
    pub(crate) fn start(command: &mut Command) -> (Self, ChildStdout) {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let output = child.stdout.take().unwrap();
        (Self(child), output)
    }

    /// A signal by its flag for `kill`, such as `-TERM`.
    pub(crate) fn signal(&self, flag: &str) {
        assert!(Command::new("kill").args([flag, &self.0.id().to_string()]).status().unwrap().success());
    }

    pub(crate) fn kill(&mut self) {
        self.0.kill().unwrap();
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut ended = None;
        until("it has ended", || {
            ended = self.0.try_wait().unwrap();
            ended.is_some()
        });
        ended.unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
