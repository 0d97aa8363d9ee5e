//! What goes wrong, sorted by who can mend it.

use std::{fmt, io};

/// What comes back from everything that may go wrong here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Who can mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Whoever asked: something is not installed, a port is taken, a folder cannot be written.
    Setup,
    /// Nobody at once: what was started did not do what it should.
    Failed,
}

/// What went wrong, in one line, and below it what the other program said if it said something.
#[derive(Clone)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

impl Error {
    pub(crate) fn setup(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Setup, message: message.into() }
    }

    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self { kind: ErrorKind::Failed, message: message.into() }
    }

    /// For `map_err`: that this could not be done with that.
    pub(crate) fn cannot(what: impl fmt::Display) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::setup(format!("cannot {what}: {error}"))
    }

    /// Who can mend it.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// As `Display`: a test unwraps it, and what a broker said has to be read by somebody.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}
