//! What is wrong, and where to correct it.

use std::{error, fmt, path::PathBuf};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Origin {
    /// From the code.
    Default,
    /// From the settings file.
    File(FilePlace),
    /// From that variable of the environment.
    Environment {
        /// The full name.
        variable: String,
    },
    /// From that flag of the command line.
    Flag {
        /// Without the dashes in front.
        name: String,
    },
}

/// A place in the settings file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FilePlace {
    /// The file, as it was named.
    pub path: PathBuf,
    /// From 1; none where the file as a whole is meant.
    pub line: Option<usize>,
    /// In characters, from 1; only where the line alone does not say enough.
    pub column: Option<usize>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(place) => place.fmt(f),
            Self::Environment { variable } => write!(f, "environment {}", one_line(variable)),
            Self::Flag { name } => write!(f, "flag --{}", one_line(name)),
        }
    }
}

impl fmt::Display for FilePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&one_line(&self.path.to_string_lossy()))?;
        for number in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{number}")?;
        }
        Ok(())
    }
}

/// One thing to correct. Shown on one line, its place first; the value of a secret is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    origin: Origin,
    message: String,
}

impl Fault {
    pub(super) fn new(origin: Origin, message: impl AsRef<str>) -> Self {
        Self { origin, message: one_line(message.as_ref()) }
    }

    /// Where it is to be corrected.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What is wrong, without the place.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.message)
    }
}

/// Everything that is wrong with the settings, at least one fault, in the order of the places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    pub(super) fn new(mut faults: Vec<Fault>) -> Self {
        faults.sort_by(|one, other| one.origin.cmp(&other.origin));
        Self(faults)
    }

    /// Each of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Fault> {
        self.0.iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0.len() == 1 { "" } else { "s" };
        write!(f, "{} fault{plural} in the settings:", self.0.len())?;
        self.0.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

impl error::Error for Faults {}

/// Names come from outside and may hold a line break, which would end a comment or make one fault look like two.
pub(super) fn one_line(text: &str) -> String {
    let shown = |character: char| match character.is_control() {
        true => character.escape_default().to_string(),
        false => character.to_string(),
    };
    text.chars().map(shown).collect()
}
