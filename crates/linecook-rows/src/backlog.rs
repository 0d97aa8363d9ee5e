//! What waits to be persisted, and everyone who waits for it.

use crate::{Error, ErrorKind, Number};
use lsm_tree::Memtable;
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::{collections::VecDeque, sync::Arc, time::Duration};

/// How many sealed memtables may wait while more rows are taken. One is being flushed, the second covers a flush that
/// has to wait for a merge, which pauses for flushes as long as not too many of them wait to be merged. So at most
/// three full memtables wait (and what one commit has too much); the tree may hold one more that was flushed, until the
/// merge is done in which it was.
const SEALED_MAX: usize = 2;

const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(5);

/// A memtable that takes no more rows.
#[derive(Clone)]
pub(crate) struct Sealed {
    pub(crate) memtable: Arc<Memtable>,
    /// The number in its marker: its flush persists all commits up to here.
    pub(crate) until: Number,
    /// The first commit with rows in it.
    pub(crate) since: Option<Number>,
}

/// What the maintenance thread is to do next.
pub(crate) enum Job {
    Flush(Sealed),
    Compact,
}

/// The queue between the writer and the maintenance thread.
pub(crate) struct Backlog {
    state: Mutex<State>,
    /// Wakes the maintenance thread: there is something to do, or nothing ever again.
    work: Condvar,
    /// Wakes those who wait for room or for a flush: an attempt has ended, or there will be none.
    attempt_ended: Condvar,
}

struct State {
    sealed: VecDeque<Sealed>,
    /// The first commit with rows in the active memtable.
    active_since: Option<Number>,
    persisted: Number,
    is_compaction_due: bool,
    /// Failed flushes in all. A waiter compares it with what it was, to see one fail.
    failed_flushes: u64,
    /// Failed flushes since the last good one; the back-off grows with them.
    failed_in_row: u32,
    /// Whether the next attempt is made without waiting for the back-off.
    is_retry_due: bool,
    flush_error: Option<Error>,
    compaction_error: Option<Error>,
    /// Why nothing will be done any more.
    end: Option<Error>,
}

impl Backlog {
    pub(crate) fn new(persisted: Number) -> Self {
        Self {
            state: Mutex::new(State {
                sealed: VecDeque::new(),
                active_since: None,
                persisted,
                // A store that was not closed may have left work.
                is_compaction_due: true,
                failed_flushes: 0,
                failed_in_row: 0,
                is_retry_due: false,
                flush_error: None,
                compaction_error: None,
                end: None,
            }),
            work: Condvar::new(),
            attempt_ended: Condvar::new(),
        }
    }

    pub(crate) fn persisted(&self) -> Number {
        self.state.lock().persisted
    }

    pub(crate) fn oldest_unpersisted(&self) -> Option<Number> {
        let state = self.state.lock();
        let mut sealed = state.sealed.iter().filter_map(|sealed| sealed.since);
        sealed.next().or(state.active_since)
    }

    pub(crate) fn last_error(&self) -> Option<Error> {
        let state = self.state.lock();
        [&state.end, &state.flush_error, &state.compaction_error].into_iter().find_map(Clone::clone)
    }

    pub(crate) fn check_open(&self) -> Result<(), Error> {
        self.state.lock().check_open()
    }

    pub(crate) fn has_room(&self) -> bool {
        self.state.lock().has_room()
    }

    /// Waits until another memtable may be sealed, but not past a failed flush: see [`Backlog::wait_until`].
    pub(crate) fn wait_for_room(&self) -> Result<(), Error> {
        self.wait_until(self.state.lock(), State::has_room)
    }

    /// Waits until all commits up to `number` are persisted, but not past a failed flush.
    pub(crate) fn wait_for_persisted(&self, number: Number) -> Result<(), Error> {
        let mut state = self.state.lock();
        self.hurry(&mut state);
        self.wait_until(state, |state| state.persisted >= number)
    }

    /// Waits for `is_reached`, at most until a flush fails.
    ///
    /// A waiter that hung on while flushes fail would be a silent stall, and one that gave up at once would make its
    /// caller spin. Seeing one attempt end gives the caller an error that says why, and the pace of the back-off if it
    /// just calls again.
    fn wait_until(&self, mut state: MutexGuard<'_, State>, is_reached: impl Fn(&State) -> bool) -> Result<(), Error> {
        let failed_before = state.failed_flushes;
        loop {
            state.check_open()?;
            if is_reached(&state) {
                return Ok(());
            }
            if state.failed_flushes > failed_before {
                return Err(state.cannot_persist());
            }
            self.attempt_ended.wait(&mut state);
        }
    }

    /// Ends the back-off, because somebody is waiting who wants to know.
    pub(crate) fn retry_now(&self) {
        self.hurry(&mut self.state.lock());
    }

    fn hurry(&self, state: &mut State) {
        state.is_retry_due = true;
        self.work.notify_one();
    }

    /// Notes that rows of `number` go into the active memtable.
    ///
    /// Before the first of them does: otherwise the log could ask in between, hear that nothing is unpersisted, and
    /// drop the only copy.
    pub(crate) fn note_rows(&self, number: Number) {
        self.state.lock().active_since.get_or_insert(number);
    }

    /// Queues a memtable that was sealed. Its successor is empty.
    pub(crate) fn push(&self, memtable: Arc<Memtable>, until: Number) {
        let mut state = self.state.lock();
        let since = state.active_since.take();
        state.sealed.push_back(Sealed { memtable, until, since });
        self.work.notify_one();
    }

    /// Waits for something to do; `None` is the end. A flush comes before a compaction: writers may be waiting for it.
    pub(crate) fn next_job(&self) -> Option<Job> {
        let mut state = self.state.lock();
        loop {
            if state.end.is_some() {
                return None;
            }
            match state.sealed.front().cloned() {
                Some(sealed) if state.is_flush_due() => return Some(Job::Flush(sealed)),
                Some(_) => self.back_off(&mut state),
                None if state.is_compaction_due => return Some(Job::Compact),
                None => self.work.wait(&mut state),
            }
        }
    }

    /// The oldest sealed memtable, if it is time to flush it.
    pub(crate) fn due_flush(&self) -> Option<Sealed> {
        let state = self.state.lock();
        state.sealed.front().filter(|_| state.end.is_none() && state.is_flush_due()).cloned()
    }

    /// Waits for the time of the next attempt, or for somebody in a hurry.
    fn back_off(&self, state: &mut MutexGuard<'_, State>) {
        let delay = retry_delay(state.failed_in_row);
        if self.work.wait_for(state, delay).timed_out() {
            state.is_retry_due = true;
        }
    }

    /// The oldest sealed memtable is persisted.
    pub(crate) fn flushed(&self) {
        let mut state = self.state.lock();
        if let Some(sealed) = state.sealed.pop_front() {
            state.persisted = sealed.until;
        }
        state.failed_in_row = 0;
        state.flush_error = None;
        state.is_compaction_due = true;
        self.attempt_ended.notify_all();
    }

    /// It is not, and stays where it is. The log has all of it too; nothing is lost.
    pub(crate) fn flush_failed(&self, error: Error) {
        let mut state = self.state.lock();
        state.failed_flushes += 1;
        state.failed_in_row = state.failed_in_row.saturating_add(1);
        state.is_retry_due = false;
        state.flush_error = Some(error);
        self.attempt_ended.notify_all();
    }

    pub(crate) fn compacted(&self, is_more_due: bool) {
        let mut state = self.state.lock();
        state.is_compaction_due = is_more_due;
        state.compaction_error = None;
    }

    /// A failed compaction is tried again after the next flush. Only speed and space depend on it.
    pub(crate) fn compaction_failed(&self, error: Error) {
        let mut state = self.state.lock();
        state.is_compaction_due = false;
        state.compaction_error = Some(error);
    }

    /// Ends all work, and all waiting with `reason`. The first reason stays.
    pub(crate) fn end(&self, reason: Error) {
        self.state.lock().end.get_or_insert(reason);
        self.work.notify_all();
        self.attempt_ended.notify_all();
    }
}

impl State {
    fn check_open(&self) -> Result<(), Error> {
        match &self.end {
            Some(reason) => Err(reason.clone()),
            None => Ok(()),
        }
    }

    fn has_room(&self) -> bool {
        self.sealed.len() <= SEALED_MAX
    }

    fn is_flush_due(&self) -> bool {
        self.flush_error.is_none() || self.is_retry_due
    }

    fn cannot_persist(&self) -> Error {
        let message = format!("rows cannot be written to disk for now: persisted={}", self.persisted);
        let error = Error::new(ErrorKind::Unavailable, message);
        match self.flush_error.clone() {
            Some(source) => error.caused_by(source),
            None => error,
        }
    }
}

fn retry_delay(failed_in_row: u32) -> Duration {
    let doublings = failed_in_row.saturating_sub(1).min(16);
    (FIRST_RETRY * 2_u32.pow(doublings)).min(LAST_RETRY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_before_a_retry_doubles_up_to_its_bound() {
        assert_eq!(retry_delay(1), Duration::from_millis(100));
        assert_eq!(retry_delay(2), Duration::from_millis(200));
        assert_eq!(retry_delay(u32::MAX), LAST_RETRY);
    }

    #[test]
    fn a_reason_to_end_is_not_replaced_by_a_later_one() {
        let backlog = Backlog::new(Number(0));
        backlog.end(Error::new(ErrorKind::Unknown, "first"));
        backlog.end(Error::closed());
        assert_eq!(backlog.wait_for_room().unwrap_err().kind(), ErrorKind::Unknown);
        assert!(backlog.next_job().is_none());
    }
}
