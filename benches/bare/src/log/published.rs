//! What is on disk, and the thread that puts it there.

use std::{
    fs::File,
    io,
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    thread::{self, Thread},
    time::Duration,
};

use parking_lot::{Condvar, Mutex};

use super::CommitNumber;

#[derive(Default)]
pub(super) struct Published {
    /// The newest number that was written.
    newest: AtomicU64,
    state: Mutex<State>,
    changed: Condvar,
    /// The same number as in the state, for those who only want to know.
    published: AtomicU64,
    syncer: OnceLock<Thread>,
    /// Whether the thread that syncs has nothing to do. Who commits then wakes it; otherwise it sees the commit itself.
    is_idle: AtomicBool,
}

#[derive(Default)]
struct State {
    number: CommitNumber,
    has_ended: bool,
}

impl Published {
    /// A commit was written.
    pub(super) fn announce(&self, number: CommitNumber) {
        self.newest.fetch_max(number.0, SeqCst);
        if self.is_idle.load(SeqCst)
            && self.is_idle.swap(false, SeqCst)
            && let Some(syncer) = self.syncer.get()
        {
            syncer.unpark();
        }
    }

    pub(super) fn number(&self) -> CommitNumber {
        CommitNumber(self.published.load(SeqCst))
    }

    /// Waits until `number` is published or the log has ended.
    pub(super) fn wait_for(&self, number: CommitNumber) {
        let mut state = self.state.lock();
        while state.number < number && !state.has_ended {
            self.changed.wait(&mut state);
        }
    }

    /// Waits until more than `number` is published, and says how much; `None` when the log has ended.
    pub(super) fn wait_for_more_than(&self, number: CommitNumber) -> Option<CommitNumber> {
        let mut state = self.state.lock();
        while state.number <= number && !state.has_ended {
            self.changed.wait(&mut state);
        }
        (state.number > number).then_some(state.number)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.state.lock().has_ended
    }

    pub(super) fn end(&self) {
        self.state.lock().has_ended = true;
        self.changed.notify_all();
        if let Some(syncer) = self.syncer.get() {
            syncer.unpark();
        }
    }

    /// Syncs whatever is newest, over and over, until the log has ended.
    pub(super) fn sync(&self, file: &File) -> io::Result<()> {
        self.syncer.get_or_init(thread::current);
        loop {
            let newest = CommitNumber(self.newest.load(SeqCst));
            if newest > self.number() {
                file.sync_data()?;
                self.publish(newest);
            } else if self.has_ended() {
                return Ok(());
            } else {
                self.wait_for_a_commit(newest);
            }
        }
    }

    fn publish(&self, number: CommitNumber) {
        self.published.store(number.0, SeqCst);
        self.state.lock().number = number;
        self.changed.notify_all();
    }

    /// The flag is raised before the look at the newest number: a commit in between sees the flag, one before it is
    /// seen. The time limit is for the end of the log only.
    fn wait_for_a_commit(&self, synced: CommitNumber) {
        self.is_idle.store(true, SeqCst);
        if self.newest.load(SeqCst) == synced.0 {
            thread::park_timeout(Duration::from_millis(100));
        }
        self.is_idle.store(false, SeqCst);
    }
}
