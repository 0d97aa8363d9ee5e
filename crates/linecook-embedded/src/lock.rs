//! One process a directory.

use std::{
    fs::{File, TryLockError},
    io::{Read, Seek, Write},
    path::Path,
    thread,
    time::Duration,
};

use linecook_log::{Clock, Error, ErrorKind, Result};

use crate::files::create_folder;

const NAME: &str = "lock";
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// The lock of a data directory; it is free when this is dropped or the process dies, however it dies.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    /// Takes it, or waits so long for another process to give it back.
    ///
    /// # Errors
    /// `Unavailable`: another process has it (it is named), or the directory cannot be written.
    pub(crate) fn take(folder: &Path, patience: Duration, clock: &dyn Clock) -> Result<Self> {
        let shown = folder.display();
        let unwritable = |error| {
            let text = format!("cannot write to the data directory: data_dir={shown}");
            Error::new(ErrorKind::Unavailable, text).with_source(error)
        };
        create_folder(folder).map_err(unwritable)?;
        let path = folder.join(NAME);
        let open = File::options().create(true).truncate(false).read(true).write(true).open(&path);
        let mut file = open.map_err(unwritable)?;
        let (mut is_told, deadline) = (false, clock.monotonic() + patience);
        // Looking whether it is free and taking it are one: others look, too.
        while let Err(error) = file.try_lock() {
            if let TryLockError::Error(error) = error {
                return Err(unwritable(error));
            }
            if clock.monotonic() >= deadline {
                let way_out = "stop it, or give this one a directory of its own with --data-dir";
                return Err(in_use(folder, &mut file, way_out));
            }
            if !std::mem::replace(&mut is_told, true) {
                tracing::warn!(data_dir = %shown, "another process has the data directory: waiting for it");
            }
            thread::sleep(LOOK_AGAIN_AFTER);
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

/// Whether a process has the directory: one that has opened the log there, or reads its files.
pub fn is_in_use(folder: &Path) -> bool {
    let lock = File::open(folder.join(NAME));
    // Shared: who looks is in nobody's way who looks as well.
    lock.is_ok_and(|lock| matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

fn in_use(folder: &Path, file: &mut File, way_out: &str) -> Error {
    let mut owner = String::new();
    file.rewind().and_then(|()| file.read_to_string(&mut owner)).ok();
    let owner = if owner.is_empty() { "unknown".to_owned() } else { owner };
    let text = format!(
        "the data directory is in use by another process: {way_out}: data_dir={} process={owner}",
        folder.display()
    );
    Error::new(ErrorKind::Unavailable, text)
}

#[cfg(test)]
mod tests {
    use linecook_log::SystemClock;

    use super::*;

    fn take(folder: &Path, patience: Duration) -> Result<DirectoryLock> {
        DirectoryLock::take(folder, patience, &SystemClock::new())
    }

    #[test]
    fn a_second_one_is_told_who_has_it_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let first = take(folder.path(), Duration::ZERO).unwrap();
        let text = take(folder.path(), Duration::from_millis(30)).unwrap_err().to_string();
        assert!(text.contains(&format!("process={}", std::process::id())) && text.contains("--data-dir"), "{text}");
        drop(first);
        take(folder.path(), Duration::ZERO).unwrap();
    }

    /// A pizzeria looked whether the directory was free, which it was, and then took it, which an operator's command had
    /// done in between: it ended.
    #[test]
    fn who_waits_gets_it_though_others_take_it_in_between() {
        let folder = tempfile::tempdir().unwrap();
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let lock = take(folder.path(), Duration::from_secs(60)).unwrap();
                        thread::sleep(Duration::from_millis(1)); // what it is wanted for
                        drop(lock);
                    }
                });
            }
        });
    }

    #[test]
    fn a_directory_is_in_use_while_a_process_has_it() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_in_use(folder.path()), "nobody ever had it");
        let lock = take(folder.path(), Duration::ZERO).unwrap();
        assert!(is_in_use(folder.path()));
        drop(lock);
        assert!(!is_in_use(folder.path()));
    }
}
