//! One process a directory.

use std::{
    fs::{File, TryLockError},
    io::{Read, Write},
    path::Path,
};

use linecook_log::{Error, ErrorKind, Result};

use crate::files::create_folder;

const NAME: &str = "lock";

/// The lock of a data directory; it is free when this is dropped or the process dies, however it dies.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// # Errors
    /// `Unavailable`: another process has it (it is named), or the directory cannot be written.
    pub(crate) fn take(folder: &Path) -> Result<Self> {
        let shown = folder.display();
        let unwritable = |error| {
            let text = format!("cannot write to the data directory: data_dir={shown}");
            Error::new(ErrorKind::Unavailable, text).with_source(error)
        };
        create_folder(folder).map_err(unwritable)?;
        let path = folder.join(NAME);
        let open = File::options().create(true).truncate(false).read(true).write(true).open(&path);
        let mut file = open.map_err(unwritable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let way_out = "stop it, or give this one a directory of its own with --data-dir";
                return Err(in_use(folder, &mut file, way_out));
            }
            Err(TryLockError::Error(error)) => return Err(unwritable(error)),
        }
        // A courtesy to the next one: a full disk must not keep the log from being opened and read.
        let noted = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
        if let Err(error) = noted {
            tracing::warn!(%error, "the lock does not say who has it");
        }
        Ok(Self { _file: file })
    }

    /// Takes it together with others who only read, and changes nothing. `None`: no log was ever opened here, so there
    /// is no lock.
    ///
    /// # Errors
    /// `Unavailable`: another process has it (it is named), or it cannot be read.
    pub(crate) fn take_to_read(folder: &Path) -> Result<Option<Self>> {
        let unreadable = |error| {
            let text = format!("cannot read the data directory: data_dir={}", folder.display());
            Error::new(ErrorKind::Unavailable, text).with_source(error)
        };
        let mut file = match File::open(folder.join(NAME)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            outcome => outcome.map_err(unreadable)?,
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => {
                Err(in_use(folder, &mut file, "stop it, or look at a copy of the directory"))
            }
            Err(TryLockError::Error(error)) => Err(unreadable(error)),
        }
    }
}

fn in_use(folder: &Path, file: &mut File, way_out: &str) -> Error {
    let mut owner = String::new();
    file.read_to_string(&mut owner).ok();
    let owner = if owner.is_empty() { "unknown".to_owned() } else { owner };
    let text = format!(
        "the data directory is in use by another process: {way_out}: data_dir={} process={owner}",
        folder.display()
    );
    Error::new(ErrorKind::Unavailable, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_one_is_told_who_has_it_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let first = DirectoryLock::take(folder.path()).unwrap();
        let text = DirectoryLock::take(folder.path()).unwrap_err().to_string();
        assert!(text.contains(&format!("process={}", std::process::id())) && text.contains("--data-dir"), "{text}");
        drop(first);
        DirectoryLock::take(folder.path()).unwrap();
    }
}
