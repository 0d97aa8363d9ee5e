//! One error for every log, sorted by what the caller can do about it.

use std::{error, fmt};

/// The result of a call to a log.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the caller can do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The member does not own the partition any more; nothing happened. Drop what was computed and poll. From a poll:
    /// the member has been replaced by another of its name.
    Fenced,
    /// The request itself is wrong and stays wrong; nothing happened.
    Invalid,
    /// The log cannot answer now (broker gone, failed device); nothing happened. Try again later.
    Unavailable,
    /// There is no room below the limit that was set or below the disk's reserve; nothing happened.
    Full,
    /// Whether it happened is not known. Drop the member and join again: what the log says then is the truth.
    Unknown,
    /// What is stored is damaged in a way that is not a crash's doing. A person has to look.
    Corrupt,
    /// The log was closed.
    Closed,
}

/// Why a log refused or failed.
///
/// The message is for the operator: it names the thing, the values and the way out.
pub struct Error(Box<Parts>);

// Boxed, so that a result with nothing in it but, perhaps, an error fits a register: there are some for each record.
const _: () = assert!(size_of::<Result<()>>() == size_of::<usize>());

struct Parts {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn error::Error + Send + Sync>>,
}

impl Error {
    /// An error of that kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Parts { kind, message: message.into(), source: None }))
    }

    /// The same with the error that caused it; its text is not repeated in the message.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// [`ErrorKind::Invalid`] with that message.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// [`ErrorKind::Closed`].
    pub fn closed() -> Self {
        Self::new(ErrorKind::Closed, "the log is closed")
    }

    /// The message and those of all causes, one line.
    pub fn chain(&self) -> String {
        let mut text = self.0.message.clone();
        let mut cause = error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { kind, message, source } = &*self.0;
        f.debug_struct("Error").field("kind", kind).field("message", message).field("source", source).finish()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
