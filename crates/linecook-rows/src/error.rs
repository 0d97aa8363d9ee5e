//! What can go wrong, sorted by what the caller can do about it.

use std::{fmt, sync::Arc};

/// What the owner of a store can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The call cannot be done as it was made: a key too long, a number out of order. Nothing was changed.
    Invalid,
    /// The disk does not do its work for now, for instance because it is full. Nothing was changed; the same call can
    /// be made again.
    Unavailable,
    /// What happened on disk is not known. Open the store again and replay behind [`Store::persisted`].
    ///
    /// [`Store::persisted`]: crate::Store::persisted
    Unknown,
    /// The files are damaged or are not those of a store. Rebuild from the log, if it still begins at number 1.
    Corrupt,
    /// A newer version of this crate has written the files. Update the program.
    Unsupported,
    /// The store is closed.
    Closed,
}

/// An error of a store. It is cheap to clone, because a failed flush is reported to everyone who waits for it.
#[derive(Debug, Clone)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    pub(crate) fn closed() -> Self {
        Self::new(ErrorKind::Closed, "the row store is closed")
    }

    pub(crate) fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }

    /// An error of the file system in `doing`.
    pub(crate) fn io(doing: impl Into<String>, error: std::io::Error) -> Self {
        Self::new(kind_of_io(&error), doing).caused_by(error)
    }

    /// An error of the tree in `doing`.
    pub(crate) fn tree(doing: impl Into<String>, error: lsm_tree::Error) -> Self {
        let kind = match &error {
            lsm_tree::Error::Io(error) => kind_of_io(error),
            lsm_tree::Error::InvalidVersion(_) => ErrorKind::Unsupported,
            _ => ErrorKind::Corrupt,
        };
        Self::new(kind, doing).caused_by(error)
    }

    pub(crate) fn caused_by(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// What can be done about it.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

/// A file that is missing or too short is damage, not weather: the store has written and synced it before. (Invalid
/// input is what seeking before the start of a file is, as happens to a reader of one that is empty.)
fn kind_of_io(error: &std::io::Error) -> ErrorKind {
    use std::io::ErrorKind as Io;
    match error.kind() {
        Io::NotFound | Io::UnexpectedEof | Io::InvalidData | Io::InvalidInput => ErrorKind::Corrupt,
        _ => ErrorKind::Unavailable,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.source {
            Some(source) => Some(&**source),
            None => None,
        }
    }
}
