//! Why a program ends without having done what it was asked to.

use linecook_log::{Error, ErrorKind};

/// An end with a message for who called the program, and an exit code for who calls it from a script.
#[derive(Debug, Clone)]
pub struct Stop {
    code: u8,
    message: String,
}

impl Stop {
    /// The caller has to mend something: exit code 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { code: 2, message: message.into() }
    }

    /// It did not work out: exit code 1.
    pub fn failed(message: impl Into<String>) -> Self {
        Self { code: 1, message: message.into() }
    }

    /// Another process has taken over this one's name: exit code 3.
    pub(crate) fn replaced(why: &str) -> Self {
        let message = format!("{why}; two processes need names of their own: --instance");
        Self { code: 3, message }
    }

    /// With something more to be known.
    #[must_use]
    pub(crate) fn with(self, more: &str) -> Self {
        Self { message: format!("{}; {more}", self.message), ..self }
    }

    /// Its exit code.
    pub fn code(&self) -> u8 {
        self.code
    }

    /// Its message.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Fenced => Self::replaced(&error.chain()),
            // A directory that is locked or not writable, a name that is none, data of a newer version, a full disk.
            ErrorKind::Invalid | ErrorKind::Unavailable | ErrorKind::Corrupt | ErrorKind::Full => {
                Self::usage(error.chain())
            }
            _ => Self::failed(error.chain()),
        }
    }
}
