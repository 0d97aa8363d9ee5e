//! The thread that flushes memtables and merges tables: the only one that changes the files of a store.

use crate::{
    Error, ErrorKind,
    backlog::{Job, Sealed},
    folder,
    store::Shared,
    tree::{Compacted, message_of},
};
use std::{
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::{Builder, JoinHandle},
};

/// Starts the thread. It runs until the backlog ends.
pub(crate) fn start(shared: Arc<Shared>) -> Result<JoinHandle<()>, Error> {
    Builder::new().name("rows".to_owned()).spawn(move || run(&shared)).map_err(|error| {
        let message = "start the maintenance thread";
        Error::new(ErrorKind::Unavailable, message).caused_by(error)
    })
}

fn run(shared: &Shared) {
    while let Some(job) = shared.backlog.next_job() {
        // A panic poisons the tree's locks, so that every later call would panic, or leaves waiters without an end.
        // The store says what happened instead, and its log rebuilds it.
        let outcome = catch_unwind(AssertUnwindSafe(|| shared.perform(job)));
        let end = match outcome {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => error,
            Err(panic) => {
                let message = format!("maintenance panicked: panic={:?}", message_of(&*panic));
                Error::new(ErrorKind::Unknown, message)
            }
        };
        shared.end(end);
    }
}

impl Shared {
    /// Does a job. An error is one that the store does not survive; others are kept in the backlog and tried again.
    fn perform(&self, job: Job) -> Result<(), Error> {
        match job {
            Job::Flush(sealed) => self.flush(&sealed),
            Job::Compact => self.compact(),
        }
    }

    fn flush(&self, sealed: &Sealed) -> Result<(), Error> {
        let retain = self.readers.retain(sealed.until);
        match self.tree.flush(&sealed.memtable, retain) {
            Ok(()) => {
                folder::note_persisted(&self.folder, sealed.until);
                self.report_installed();
                self.backlog.flushed();
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::Unknown => Err(error),
            Err(error) => {
                self.backlog.flush_failed(error);
                Ok(())
            }
        }
    }

    /// What is done in a pause of a merge: the memtables that are due are flushed. When the store is over, the merge ends.
    pub(crate) fn flush_due(&self) -> ControlFlow<()> {
        while let Some(sealed) = self.backlog.due_flush().filter(|_| self.tree.has_room()) {
            if let Err(error) = self.flush(&sealed) {
                self.end(error);
            }
        }
        if self.backlog.check_open().is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    fn compact(&self) -> Result<(), Error> {
        let retain = self.readers.retain(self.tree.highest_in_tables());
        match self.tree.compact(retain) {
            Ok(Compacted::Some) => {
                self.report_installed();
                self.backlog.compacted(true);
                Ok(())
            }
            Ok(Compacted::Nothing) => {
                self.backlog.compacted(false);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::Unknown => Err(error),
            Err(error) => {
                self.backlog.compaction_failed(error);
                Ok(())
            }
        }
    }

    fn report_installed(&self) {
        if let Some(installed) = &self.installed {
            installed(&self.folder);
        }
    }
}
