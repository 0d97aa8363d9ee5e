//! The file layer: all that the log asks of a disk. It is a trait so that tests can decide what survives a power cut,
//! how long a sync takes and when a write fails.

use std::{
    fs::{self, File},
    io::{self, IoSlice},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::RwLock;
use rustix::fs::{FallocateFlags, fallocate, fstatvfs};

/// A folder of segment files.
pub trait Files: Send + Sync {
    /// The names of the files in it, in no order.
    ///
    /// # Errors
    /// What the system says; so with all methods.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    fn open(&self, name: &str) -> io::Result<Arc<dyn SegmentFile>>;

    /// Creates an empty file, in place of one of that name.
    ///
    /// # Errors
    /// What the system says.
    fn create(&self, name: &str) -> io::Result<Arc<dyn SegmentFile>>;

    /// Removes a file. Who has it open can go on reading it.
    ///
    /// # Errors
    /// What the system says.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes creations and removals durable.
    ///
    /// # Errors
    /// What the system says.
    fn sync_folder(&self) -> io::Result<()>;

    /// How many bytes can still be written on this file system.
    ///
    /// # Errors
    /// What the system says.
    fn free_bytes(&self) -> io::Result<u64>;
}

/// An open segment file.
pub trait SegmentFile: Send + Sync {
    /// Writes all of `parts`, one behind the other, at `position`. After an error any of it may have been written.
    ///
    /// # Errors
    /// What the system says; `StorageFull` when there is no room.
    fn write(&self, position: u64, parts: &mut [IoSlice<'_>]) -> io::Result<()>;

    /// Reads at `position` until `buffer` is full or the file ends; returns how much.
    ///
    /// # Errors
    /// What the system says.
    fn read(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Makes what was written durable.
    ///
    /// # Errors
    /// What the system says. Never retried: the page cache may hold as clean what the disk does not have.
    fn sync(&self) -> io::Result<()>;

    /// Ends the file at `length_bytes`; then makes it `allocated_bytes` long, the rest zeros.
    ///
    /// # Errors
    /// What the system says; `StorageFull` when there is no room for `allocated_bytes`.
    fn cut(&self, length_bytes: u64, allocated_bytes: u64) -> io::Result<()>;

    /// How long it is, allocated space included.
    ///
    /// # Errors
    /// What the system says.
    fn length_bytes(&self) -> io::Result<u64>;

    /// It will not be used for a while: it may give back what an open file takes, until it is used again.
    fn rest(&self) {}
}

/// Creates a folder and those above it that are not there. Their names must survive a power cut as what is in them does;
/// that of the folder itself is made durable again, for the sake of who created it and was killed.
pub(crate) fn create_folder(folder: &Path) -> io::Result<()> {
    create_folder_by(folder, |folder| File::open(folder)?.sync_all())
}

fn create_folder_by(folder: &Path, mut sync: impl FnMut(&Path) -> io::Result<()>) -> io::Result<()> {
    let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
    let missing: Vec<_> = folder.ancestors().skip(1).take_while(is_missing).collect();
    fs::create_dir_all(folder)?;
    for named in missing.into_iter().rev().chain([folder]) {
        match named.parent() {
            Some(parent) if parent.as_os_str().is_empty() => sync(Path::new("."))?,
            Some(parent) => sync(parent)?,
            None => {}
        }
    }
    Ok(())
}

/// The file layer on a folder of a real file system.
#[derive(Debug)]
pub struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// Files in `folder`, which exists.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

impl Files for Disk {
    fn list(&self) -> io::Result<Vec<String>> {
        fs::read_dir(&self.folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn SegmentFile>> {
        Ok(Arc::new(DiskFile::open(self.path(name))?))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn SegmentFile>> {
        File::create(self.path(name))?;
        self.open(name)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn sync_folder(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let status = fstatvfs(File::open(&self.folder)?)?;
        Ok(status.f_bavail.saturating_mul(status.f_frsize))
    }
}

struct DiskFile {
    path: PathBuf,
    /// `None` while it rests: a log has thousands of segments, a process may have a thousand files.
    handle: RwLock<Option<Arc<Handle>>>,
}

struct Handle {
    file: File,
    /// A description of its own: a sync holds no lock that a write needs, and reports what failed since it was opened.
    for_sync: File,
}

impl Handle {
    fn open(path: &Path) -> io::Result<Arc<Self>> {
        let open = || File::options().read(true).write(true).open(path);
        Ok(Arc::new(Self { file: open()?, for_sync: open()? }))
    }
}

impl DiskFile {
    fn open(path: PathBuf) -> io::Result<Self> {
        Ok(Self { handle: RwLock::new(Some(Handle::open(&path)?)), path })
    }

    fn handle(&self) -> io::Result<Arc<Handle>> {
        if let Some(handle) = &*self.handle.read() {
            return Ok(Arc::clone(handle));
        }
        let mut resting = self.handle.write();
        let handle = match &*resting {
            Some(handle) => Arc::clone(handle),
            None => Handle::open(&self.path)?,
        };
        *resting = Some(Arc::clone(&handle));
        Ok(handle)
    }
}

impl SegmentFile for DiskFile {
    fn write(&self, mut position: u64, mut parts: &mut [IoSlice<'_>]) -> io::Result<()> {
        let handle = self.handle()?;
        IoSlice::advance_slices(&mut parts, 0); // drops empty slices at the front
        while !parts.is_empty() {
            let written = match rustix::io::pwritev(&handle.file, parts, position) {
                Err(rustix::io::Errno::INTR) => continue,
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                outcome => outcome?,
            };
            position += written as u64;
            IoSlice::advance_slices(&mut parts, written);
        }
        Ok(())
    }

    fn read(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let handle = self.handle()?;
        let mut filled = 0;
        while filled < buffer.len() {
            match handle.file.read_at(&mut buffer[filled..], position + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn sync(&self) -> io::Result<()> {
        self.handle()?.for_sync.sync_data()
    }

    fn cut(&self, length_bytes: u64, allocated_bytes: u64) -> io::Result<()> {
        let file = &self.handle()?.file;
        file.set_len(length_bytes)?;
        if allocated_bytes > length_bytes {
            let missing = allocated_bytes - length_bytes;
            match fallocate(file, FallocateFlags::empty(), length_bytes, missing) {
                // Some file systems cannot reserve; a longer file of holes does the same but for the reservation.
                Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => file.set_len(allocated_bytes)?,
                outcome => outcome?,
            }
        }
        Ok(())
    }

    fn length_bytes(&self) -> io::Result<u64> {
        Ok(self.handle()?.file.metadata()?.len())
    }

    fn rest(&self) {
        *self.handle.write() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a data directory of several new folders only the last was sure to survive a power cut, and the log in it was
    /// lost with those above.
    #[test]
    fn the_name_of_each_folder_that_was_created_is_synced() {
        let place = tempfile::tempdir().unwrap();
        let place = place.path();
        let create = |folder: &Path| {
            let mut synced = Vec::new();
            create_folder_by(folder, |folder| {
                synced.push(folder.to_owned());
                Ok(())
            })
            .unwrap();
            assert!(folder.is_dir());
            synced
        };
        assert_eq!(create(&place.join("a/b/c")), [place.to_owned(), place.join("a"), place.join("a/b")]);
        assert_eq!(create(&place.join("a/b/c")), [place.join("a/b")]);
        assert_eq!(create(&place.join("a/b/d/e")), [place.join("a/b"), place.join("a/b/d")]);
    }
}
