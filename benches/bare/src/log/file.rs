//! The file.

use std::{
    fs::File,
    io::{self, IoSlice, Write},
    os::unix::fs::FileExt,
    path::Path,
};

use rustix::fs::{FallocateFlags, fallocate};

/// How much is preallocated at a time: what a segment of the product is.
const STEP_BYTES: u64 = 64 << 20;

/// A position in the file, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position(pub(super) u64);

/// The file as its readers have it.
pub(super) struct LogFile(File);

/// The file as the one who appends to it has it.
pub(super) struct Appender {
    file: File,
    end: u64,
    allocated: u64,
}

impl LogFile {
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        Ok(Self(File::options().create_new(true).read(true).write(true).open(folder.join("0.log"))?))
    }

    pub(super) fn appender(&self) -> io::Result<Appender> {
        let mut appender = Appender { file: self.0.try_clone()?, end: 0, allocated: 0 };
        appender.make_room(1)?;
        appender.file.sync_all()?;
        Ok(appender)
    }

    pub(super) fn for_syncing(&self) -> io::Result<File> {
        self.0.try_clone()
    }

    pub(super) fn read(&self, position: Position, bytes: usize) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; bytes];
        self.0.read_exact_at(&mut buffer, position.0)?;
        Ok(buffer)
    }
}

impl Appender {
    /// Writes all parts at the end, in one call as a rule, and says where they begin.
    pub(super) fn append(&mut self, mut parts: &mut [IoSlice<'_>]) -> io::Result<Position> {
        let begin = self.end;
        let total: usize = parts.iter().map(|part| part.len()).sum();
        self.make_room(total as u64)?;
        while !parts.is_empty() {
            let written = self.file.write_vectored(parts)?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.end += written as u64;
            IoSlice::advance_slices(&mut parts, written);
        }
        Ok(Position(begin))
    }

    /// Preallocates the next step when `bytes` more would not fit: a write beyond what is allocated would make every
    /// sync write the file's metadata too.
    fn make_room(&mut self, bytes: u64) -> io::Result<()> {
        while self.allocated < self.end + bytes {
            fallocate(&self.file, FallocateFlags::empty(), self.allocated, STEP_BYTES)?;
            self.allocated += STEP_BYTES;
        }
        Ok(())
    }
}
