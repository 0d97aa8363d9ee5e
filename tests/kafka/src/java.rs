//! Java's programs.

use std::{
    ffi::{OsStr, OsString},
    io::ErrorKind,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use crate::{Error, Result};

/// The oldest that Kafka's broker runs on.
const OLDEST: u32 = 17;

/// `java` or `keytool`: that of `JAVA_HOME` if it is set.
pub(crate) fn tool(name: &str) -> OsString {
    match std::env::var_os("JAVA_HOME") {
        Some(home) if !home.is_empty() => Path::new(&home).join("bin").join(name).into(),
        _ => name.into(),
    }
}

/// The same as a path, for who does not look it up.
pub(crate) fn path_of(name: &str) -> Result<PathBuf> {
    let tool = PathBuf::from(tool(name));
    if tool.components().count() > 1 {
        return Ok(tool);
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&folders).map(|folder| folder.join(&tool)).find(|path| path.is_file());
    found.ok_or_else(|| Error::setup(format!("Java {OLDEST} or newer is missing: command={name}")))
}

/// The version of the Java that is here, as `17.0.15`; an error when there is none or it is too old.
pub(crate) fn version() -> Result<&'static str> {
    static VERSION: OnceLock<Result<String>> = OnceLock::new();
    let found = VERSION.get_or_init(|| {
        let said = run(Command::new(tool("java")).arg("-version"), "Java 17 or newer")?;
        version_in(&said)
    });
    found.as_deref().map_err(Clone::clone)
}

/// The version in what `java -version` prints: `openjdk version "17.0.15" 2025-04-15`.
fn version_in(said: &str) -> Result<String> {
    let version = said.split('"').nth(1).unwrap_or_default();
    let major: u32 = version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or_default();
    if major < OLDEST {
        let first = said.lines().next().unwrap_or_default();
        return Err(Error::setup(format!("Kafka needs Java {OLDEST} or newer: java says={first}")));
    }
    Ok(version.to_owned())
}

/// Runs a program to its end and returns what it printed. `what` says what to install when it is not there.
pub(crate) fn run(command: &mut Command, what: &str) -> Result<String> {
    let name = command.get_program().to_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::setup(format!("{what} is missing: command={}", shown(&name))),
        _ => Error::setup(format!("cannot run {}: {error}", shown(&name))),
    })?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    if !output.status.success() {
        return Err(Error::failed(format!("{} ended with {}: {said}", shown(&name), output.status)));
    }
    Ok(said)
}

fn shown(name: &OsStr) -> String {
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_java_that_is_too_old_is_refused() {
        assert_eq!(version_in("openjdk version \"17.0.15\" 2025-04-15\n").unwrap(), "17.0.15");
        assert_eq!(version_in("openjdk version \"21\" 2023-09-19\n").unwrap(), "21");
        for old in ["java version \"1.8.0_402\"", "openjdk version \"11.0.2\" 2019", "what is this"] {
            let error = version_in(old).unwrap_err();
            assert_eq!(error.to_string(), format!("Kafka needs Java 17 or newer: java says={old}"));
        }
    }

    #[test]
    fn a_program_that_is_missing_is_named() {
        let error = run(&mut Command::new("no-such-program"), "Maven").unwrap_err();
        assert_eq!(error.to_string(), "Maven is missing: command=no-such-program");
        let error = run(Command::new("sh").args(["-c", "echo no such artifact >&2; exit 7"]), "a shell").unwrap_err();
        assert_eq!(error.to_string(), "sh ended with exit status: 7: no such artifact");
    }
}
