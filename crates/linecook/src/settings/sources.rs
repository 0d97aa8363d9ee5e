//! Where settings come from, and the one place that looks there.

use std::{
    ffi::{OsStr, OsString},
    fmt, fs,
    path::{Path, PathBuf},
};

use super::{
    fault::{Fault, FilePlace, Origin},
    file, ini,
    name::PREFIX,
    properties::PROPERTY_SECTIONS,
};

/// What the settings are resolved from. Its `Debug` shows names only: any value may be a secret.
#[derive(Clone, Default)]
pub struct Sources {
    pub(super) file: Option<SettingsFile>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) flags: Vec<(String, String)>,
    /// What could not even be read. It is reported with everything else instead of hiding it.
    pub(super) faults: Vec<Fault>,
}

/// A settings file that was read.
#[derive(Clone)]
pub struct SettingsFile {
    /// As it is named in faults and in the printed settings.
    pub path: PathBuf,
    /// How the text is to be read.
    pub kind: FileKind,
    /// What is in it.
    pub text: String,
}

/// How a settings file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// TOML: keys at the top, then sections.
    Toml,
    /// Sections with `key=value` lines, as Python's `ConfigParser` reads them. Our own settings cannot stand in it, only
    /// properties that are somebody else's.
    Ini,
}

impl FileKind {
    /// What its name says, or else what its text looks like.
    fn of(path: &Path, text: &str) -> Self {
        match path.extension().and_then(OsStr::to_str) {
            Some("properties" | "ini" | "conf") => Self::Ini,
            Some("toml") => Self::Toml,
            _ if file::is_toml(text) => Self::Toml,
            _ if PROPERTY_SECTIONS.iter().any(|section| ini::has_section(text, section)) => Self::Ini,
            _ => Self::Toml,
        }
    }
}

impl Sources {
    /// None: every setting has its default.
    pub fn new() -> Self {
        Self::default()
    }

    /// With that file.
    #[must_use]
    pub fn with_file(mut self, file: SettingsFile) -> Self {
        self.file = Some(file);
        self
    }

    /// With those variables, as name and value. Those that do not begin with `LINECOOK_` are not looked at.
    #[must_use]
    pub fn with_environment(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.environment.extend(variables.into_iter().filter(|(name, _)| name.starts_with(PREFIX)));
        self
    }

    /// With those flags, as name and value, in the order given. Dashes in front do not matter, nor does it whether words
    /// are joined by `-`, `_` or `.`.
    #[must_use]
    pub fn with_flags(mut self, flags: impl IntoIterator<Item = (String, String)>) -> Self {
        self.flags.extend(flags);
        self
    }

    /// The named file, the environment of this process, and those flags (see [`with_flags`](Self::with_flags)).
    ///
    /// A file that cannot be read is a fault like any other: it comes out of [`finish`](super::Settings::finish).
    pub fn from_process(config: Option<&Path>, flags: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut sources = Self::new().with_flags(flags).with_os_environment(std::env::vars_os());
        match config.map(read_file) {
            Some(Ok(file)) => sources.file = Some(file),
            Some(Err(fault)) => sources.faults.push(fault),
            None => {}
        }
        sources
    }

    pub(super) fn with_os_environment(mut self, variables: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let is_ours = |name: &OsStr| name.as_encoded_bytes().starts_with(PREFIX.as_bytes());
        for (name, value) in variables.filter(|(name, _)| is_ours(name)) {
            let variable = name.to_string_lossy().into_owned();
            match value.into_string() {
                Ok(value) if name.to_str().is_some() => self.environment.push((variable, value)),
                _ => self.faults.push(Fault::new(Origin::Environment { variable }, "not UTF-8")),
            }
        }
        self
    }
}

fn read_file(path: &Path) -> Result<SettingsFile, Fault> {
    let fault =
        |line, message| Fault::new(Origin::File(FilePlace { path: path.to_owned(), line, column: None }), message);
    let bytes = fs::read(path).map_err(|e| fault(None, format!("the settings file cannot be read: {e}")))?;
    let text = String::from_utf8(bytes).map_err(|e| {
        let before = &e.as_bytes()[..e.utf8_error().valid_up_to()];
        fault(Some(1 + before.iter().filter(|byte| **byte == b'\n').count()), "not UTF-8".to_owned())
    })?;
    Ok(SettingsFile { path: path.to_owned(), kind: FileKind::of(path, &text), text })
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |pairs: &[(String, String)]| pairs.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        f.debug_struct("Sources")
            .field("file", &self.file)
            .field("environment", &names(&self.environment))
            .field("flags", &names(&self.flags))
            .field("faults", &self.faults)
            .finish()
    }
}

impl fmt::Debug for SettingsFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SettingsFile").field("path", &self.path).field("kind", &self.kind).finish_non_exhaustive()
    }
}
