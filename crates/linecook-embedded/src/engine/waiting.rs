//! Waiting for what was written to become visible, with an end to it.

use std::time::Duration;

use linecook_log::{Error, ErrorKind, Result};

use super::Engine;
use crate::{frame::CommitNumber, outside::Awaited, to_apply::Room};

/// How long a commit that finds no room waits before it looks again whether the log takes any.
const ROOM_WAIT: Duration = Duration::from_millis(100);
/// After how many of these waits in a row in which nothing became visible it is refused: five seconds.
const ROOM_WAITS_MAX: u32 = 50;
/// How long who defines something waits for it to become visible before it looks again whether anything does.
const SEEN_WAIT: Duration = Duration::from_secs(1);
/// After how many of these waits in a row in which nothing became visible it is told: ten seconds. A sync may take some.
const SEEN_WAITS_MAX: u32 = 10;

impl Engine {
    /// Blocks until the outside sees the commit.
    ///
    /// # Errors
    /// `Unknown`: nothing became visible for some seconds, or never will. It was written.
    pub(crate) fn wait_seen(&self, number: CommitNumber) -> Result<()> {
        let (mut seen, mut stuck_count) = (self.outside.number(), 0);
        while !self.outside.wait_for(number, SEEN_WAIT) {
            self.outside.check(Awaited::Commit(number))?;
            // It is over, and yet what is on disk may become visible in a moment: the outside says how it ends.
            let is_over = self.check();
            if self.published.number() < number {
                is_over?;
            }
            let before = std::mem::replace(&mut seen, self.outside.number());
            stuck_count = if seen > before { 0 } else { stuck_count + 1 };
            if stuck_count >= SEEN_WAITS_MAX {
                return Err(self.not_seen(number));
            }
        }
        Ok(())
    }

    fn not_seen(&self, number: CommitNumber) -> Error {
        // Not `Unavailable`, which says that nothing happened.
        let text = if self.published.number() >= number {
            "the commit is stored, but it is not visible yet, as rows cannot be written or not fast enough"
        } else {
            "the commit is written, but it is not on disk and not visible yet, as the disk does not sync, or not fast enough"
        };
        self.because_of_rows(Error::new(ErrorKind::Unknown, text))
    }

    fn because_of_rows(&self, error: Error) -> Error {
        match self.store.last_error() {
            Some(source) => error.with_source(source),
            None => error,
        }
    }

    /// Memory is bounded: who commits faster than the disk takes it waits. When nothing moves for some seconds, or
    /// nothing is taken any more, the commit is refused: a worker that waited for ever could not say what is wrong.
    pub(super) fn wait_for_room(&self) -> Result<()> {
        let mut stuck_count = 0;
        loop {
            match self.to_apply.wait_below(self.options.pending_rows_bytes, ROOM_WAIT) {
                Room::Enough => return Ok(()),
                Room::Draining => stuck_count = 0,
                Room::Stuck => stuck_count += 1,
            }
            self.check_writes()?;
            if stuck_count >= ROOM_WAITS_MAX {
                return Err(self.no_room());
            }
        }
    }

    fn no_room(&self) -> Error {
        let (bytes, limit) = (self.to_apply.bytes(), self.options.pending_rows_bytes);
        let text = format!(
            "rows cannot be written, or not fast enough: wait and try again: waiting_bytes={bytes} max_bytes={limit}"
        );
        self.because_of_rows(Error::new(ErrorKind::Unavailable, text))
    }

    /// Whether there is room for more, or a hope of it. What is appended waits to become visible, too.
    pub(super) fn check_room(&self) -> Result<()> {
        let is_full = self.to_apply.bytes() >= self.options.pending_rows_bytes;
        if is_full && self.store.last_error().is_some() { Err(self.no_room()) } else { Ok(()) }
    }
}
