//! What may befall a call of the log.
//!
//! | call | accident |
//! |---|---|
//! | the same | the process ends in the middle of it; a commit was done, or was not |
//! | those below, `get`, `scan`, `join` | the log does not answer, and did nothing (`Unavailable`) |
//! | `append`, `commit` | the disk is full for a while (`Full`) |
//! | `commit` | the answer is lost: it was done, or was not (`Unknown`) |
//! | `commit` | the group has given the partitions to others (`Fenced`, then `Lost`) |
//! | `poll` | the connection is lost, and the member with it (`Unknown`); it brings less than it could |

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use linecook::Random;
use linecook_log::{Error, ErrorKind, Result};
use parking_lot::Mutex;

/// A call that something may befall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Append,
    Join,
    Poll,
    Read,
    Commit,
}

/// How often something does, in a thousand calls, and what.
pub(crate) struct Accidents {
    random: Mutex<Random>,
    permille: AtomicU64,
    /// How often a process ends, in a hundred thousand calls.
    ends: AtomicU64,
    is_full: AtomicBool,
}

impl Accidents {
    /// None yet.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: Mutex::new(Random::seeded(seed)),
            permille: AtomicU64::new(0),
            ends: AtomicU64::new(0),
            is_full: AtomicBool::new(false),
        }
    }

    /// From here on so many of a thousand calls, and of a hundred thousand the end of a process.
    pub(crate) fn happen(&self, permille: u64, ends: u64) {
        self.permille.store(permille, Ordering::SeqCst);
        self.ends.store(ends, Ordering::SeqCst);
    }

    /// Whether the process that calls ends in the middle of it.
    pub(crate) fn is_end(&self) -> bool {
        self.random.lock().below(100_000) < self.ends.load(Ordering::SeqCst)
    }

    /// Whether the disk is full from here on.
    pub(crate) fn fill_disk(&self, is_full: bool) {
        self.is_full.store(is_full, Ordering::SeqCst);
    }

    pub(crate) fn at(&self, call: Call) -> Result<()> {
        if self.is_full.load(Ordering::SeqCst) && matches!(call, Call::Append | Call::Commit) {
            return Err(Error::new(ErrorKind::Full, "the disk is full"));
        }
        let random = self.random.lock();
        if random.below(1_000) >= self.permille.load(Ordering::SeqCst) {
            return Ok(());
        }
        let kinds: &[ErrorKind] = match call {
            Call::Append | Call::Join | Call::Read => &[ErrorKind::Unavailable],
            Call::Poll => &[ErrorKind::Unavailable, ErrorKind::Unknown],
            Call::Commit => &[ErrorKind::Unavailable, ErrorKind::Unknown, ErrorKind::Unknown, ErrorKind::Fenced],
        };
        Err(Error::new(*random.choose(kinds), "an accident"))
    }

    /// Whether a commit was done of which nobody hears.
    pub(crate) fn is_done(&self) -> bool {
        self.random.lock().below(2) == 0
    }

    /// How much a poll brings.
    pub(crate) fn poll_bytes(&self, most: usize) -> usize {
        let random = self.random.lock();
        if random.below(4) == 0 { 1 } else { most }
    }
}
