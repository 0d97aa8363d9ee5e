//! A value in the hands of its operator.

use std::{
    env,
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, IsTerminal, Write, stdin},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    process::{self, Command},
};

use serde_json::Value;

use super::Stop;

/// What an operator made of a value, and the file that it is in.
pub(super) struct Edited {
    pub(super) value: Vec<u8>,
    path: PathBuf,
}

impl Edited {
    /// The value is stored, and the file is not needed any more. If it is not, the file stays: it may be an hour's work.
    ///
    /// # Errors
    /// Why it is not stored, and where the file is.
    pub(super) fn stored<T>(self, stored: Result<T, Stop>) -> Result<T, Stop> {
        if stored.is_ok() {
            drop(fs::remove_file(&self.path)); // one that is left does no harm
        }
        stored.map_err(|stop| stop.with(&format!("what was edited is in {}", self.path.display())))
    }
}

/// What an operator made of a value; `None` when it is as it was.
///
/// # Errors
/// There is no editor, or nobody before it; it has failed; the value is no text.
pub(super) fn edited(value: &Value) -> Result<Option<Edited>, Stop> {
    let text =
        value.as_str().ok_or_else(|| Stop::usage("the value is no text: give another with --value or --file"))?;
    let editor = ["VISUAL", "EDITOR"].iter().find_map(env::var_os).filter(|_| stdin().is_terminal());
    let asked = "what is the new value? --value, --file or --null; or set EDITOR, and ask from a terminal";
    let editor = editor.ok_or_else(|| Stop::usage(asked))?;
    let failed = |error: io::Error| Stop::failed(format!("the value cannot be edited: {error}"));
    // For nobody else to read: it may be a customer's.
    let (path, mut file) = draft().map_err(failed)?;
    let made = write!(file, "{text}").and_then(|()| {
        // It may be a command with arguments.
        let status = Command::new("sh").args(["-c", "$EDIT \"$1\"", "sh"]).arg(&path).env("EDIT", &editor).status()?;
        Ok((status.success(), fs::read(&path)?))
    });
    let forget = |why: Stop| {
        drop(fs::remove_file(&path));
        why
    };
    let (has_ended_well, mut value) = made.map_err(|error| forget(failed(error)))?;
    if !has_ended_well {
        return Err(forget(Stop::failed("the editor has failed; nothing was changed")));
    }
    // Editors end the last line, and the value may not have had such an end.
    if value.ends_with(b"\n") && !text.ends_with('\n') {
        value.pop();
    }
    if value == text.as_bytes() {
        drop(fs::remove_file(&path));
        return Ok(None);
    }
    Ok(Some(Edited { value, path }))
}

/// A file of a name that no other has: one may be left that was not stored.
fn draft() -> io::Result<(PathBuf, File)> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut number = 0;
    loop {
        let path = env::temp_dir().join(format!("dead-letter-{}-{number}.json", process::id()));
        match options.open(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            opened => return opened.map(|file| (path, file)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What had been edited was gone when it could not be stored.
    #[test]
    fn what_was_edited_is_kept_until_it_is_stored() {
        let folder = tempfile::tempdir().unwrap();
        let edited = || {
            let path = folder.path().join("dead-letter.json");
            fs::write(&path, "an hour's work").unwrap();
            Edited { value: b"an hour's work".to_vec(), path }
        };
        let stop = edited().stored::<()>(Err(Stop::usage("too large"))).unwrap_err();
        assert_eq!(stop.code(), 2);
        let (_, path) = stop.message().split_once("what was edited is in ").unwrap();
        assert_eq!(fs::read_to_string(path).unwrap(), "an hour's work");
        edited().stored(Ok(())).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
