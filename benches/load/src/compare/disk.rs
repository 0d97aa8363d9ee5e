//! What the machine's own disk takes.

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
    time::Duration,
};

use rustix::fs::{FallocateFlags, fallocate};

use crate::clock;

const SYNCS: usize = 500;
const BLOCK: [u8; 4096] = [7; 4096];

/// The median time in which 4 KiB are appended to a preallocated file and synced: the log does the same. (A file that
/// grows is slower, as its new length is synced too.)
pub(super) fn sync_p50(folder: &Path) -> io::Result<Duration> {
    let mut file = File::create(folder.join("disk"))?;
    fallocate(&file, FallocateFlags::empty(), 0, (SYNCS * BLOCK.len()) as u64)?;
    file.sync_all()?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let begin = clock::now();
        file.write_all(&BLOCK)?;
        file.sync_data()?;
        times.push(begin.elapsed());
    }
    times.sort();
    Ok(times[SYNCS / 2])
}
