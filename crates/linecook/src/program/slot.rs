//! Who this process is among those of its services, and where it alone keeps rows.
//!
//! On a cluster, a process that comes back under its name takes its partitions back at once; under another name it
//! waits until the others notice that it is gone. So the name outlives the process, and no two processes have it.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use linecook_log::InstanceName;

use super::Stop;

/// A name with a folder, held for as long as this is. The kernel lets go of it when the process dies, however it dies.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) instance: InstanceName,
    /// Where the rows of this process are: below the data directory, and nobody else's.
    pub(crate) rows_folder: PathBuf,
    _lock: File,
}

/// More processes than this with one data directory are a mistake.
const SLOT_COUNT: u32 = 1_000;

impl Slot {
    /// The host's name with the first number that no other process with this data directory has.
    ///
    /// # Errors
    /// The data directory cannot be written.
    pub(crate) fn of_host(data_dir: &Path) -> Result<Self, Stop> {
        Self::first_free(data_dir, host_instance, host_instance)
    }

    /// That name, whoever else has it: the older of two processes is put out by the log. Until it has ended its rows are
    /// in use, and this one has others.
    ///
    /// # Errors
    /// The data directory cannot be written.
    pub(crate) fn named(data_dir: &Path, instance: &InstanceName) -> Result<Self, Stop> {
        let folder_of = |number| match number {
            1 => instance.clone(),
            _ => InstanceName::new(format!("{instance}.{number}")).unwrap_or_else(|_| instance.clone()),
        };
        Self::first_free(data_dir, |_| instance.clone(), folder_of)
    }

    fn first_free(
        data_dir: &Path,
        name_of: impl Fn(u32) -> InstanceName,
        folder_of: impl Fn(u32) -> InstanceName,
    ) -> Result<Self, Stop> {
        let shown = data_dir.display();
        let unwritable = |error| Stop::usage(format!("cannot write to the data directory: data_dir={shown}: {error}"));
        fs::create_dir_all(data_dir).map_err(unwritable)?;
        for number in 1..=SLOT_COUNT {
            let folder = folder_of(number);
            let path = data_dir.join(format!("{folder}.lock"));
            let lock = File::options().create(true).truncate(false).write(true).open(path).map_err(unwritable)?;
            match lock.try_lock() {
                Ok(()) => {
                    let rows_folder = data_dir.join(folder.as_str());
                    return Ok(Self { instance: name_of(number), rows_folder, _lock: lock });
                }
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(unwritable(error)),
            }
        }
        Err(Stop::usage(format!("the data directory has {SLOT_COUNT} processes already: data_dir={shown}")))
    }
}

/// The host's name and a number.
pub(crate) fn host_instance(number: u32) -> InstanceName {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let name = InstanceName::new(format!("{host}-{number}"));
    name.unwrap_or_else(|_| InstanceName::new(format!("localhost-{number}")).expect("this is a name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_name(slot: &Slot) -> &str {
        slot.rows_folder.file_name().unwrap().to_str().unwrap()
    }

    #[test]
    fn each_process_gets_the_first_number_that_is_free_and_gets_it_again() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        let first = Slot::of_host(&data_dir).unwrap();
        let second = Slot::of_host(&data_dir).unwrap();
        assert_eq!((&first.instance, &second.instance), (&host_instance(1), &host_instance(2)));
        assert_eq!(folder_name(&second), second.instance.as_str());
        drop(first);
        assert_eq!(Slot::of_host(&data_dir).unwrap().instance, host_instance(1));
        assert_eq!(Slot::of_host(&folder.path().join("other")).unwrap().instance, host_instance(1));
    }

    /// The older of the two has not heard yet that it was put out, and still writes its rows.
    #[test]
    fn a_name_that_was_given_is_kept_but_its_rows_are_not_shared() {
        let folder = tempfile::tempdir().unwrap();
        let instance = InstanceName::new("kitchen").unwrap();
        let named = || Slot::named(folder.path(), &instance).unwrap();
        let (first, second) = (named(), named());
        assert_eq!((&first.instance, &second.instance), (&instance, &instance));
        assert_eq!((folder_name(&first), folder_name(&second)), ("kitchen", "kitchen.2"));
        drop((first, second));
        assert_eq!(folder_name(&named()), "kitchen");
    }

    #[test]
    fn a_data_directory_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a-file");
        fs::write(&file, "").unwrap();
        let stop = Slot::of_host(&file).unwrap_err();
        assert_eq!(stop.code(), 2);
        assert!(stop.message().contains(&format!("data_dir={}", file.display())), "{}", stop.message());
    }
}
