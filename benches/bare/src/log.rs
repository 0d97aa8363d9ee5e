//! A log of one file: a frame a commit, and tails in memory for the readers that keep up.
//!
//! The same rules as the product's: payloads are compressed and checksummed before the commit lock is taken, one
//! vectored write is made under it, nothing is synced under it, and readers never take it.

mod file;
mod frame;
mod payload;
mod published;
mod tails;
mod writer;

use std::{io, path::Path, sync::Arc, thread::JoinHandle, time::Duration};

use bytes::Bytes;
use parking_lot::Mutex;

use self::{
    file::LogFile,
    frame::Prepared,
    published::Published,
    tails::{Stub, Tails},
    writer::Writer,
};
use crate::rows::{Backlog, Row};

/// The position of a commit, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct CommitNumber(pub(crate) u64);

/// The position of a record in its partition, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Offset(pub(crate) u64);

/// A partition of a topic, counted through all topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PartitionId(pub(crate) u32);

/// What a commit does. All of it happens or nothing.
#[derive(Default)]
pub(crate) struct Commit {
    pub(crate) output: Option<Output>,
    pub(crate) consumed: Option<(PartitionId, Offset)>,
    pub(crate) rows: Vec<Row>,
}

/// Records for one partition.
pub(crate) struct Output {
    pub(crate) partition: PartitionId,
    pub(crate) count: u32,
    pub(crate) records: Bytes,
}

/// Records of one partition, as they were committed.
pub(crate) struct Batch {
    pub(crate) base: Offset,
    pub(crate) records: Bytes,
}

/// See the module.
pub(crate) struct Log {
    writer: Mutex<Writer>,
    tails: Tails,
    file: LogFile,
    published: Published,
    /// Rows that wait until their commit is on disk.
    backlog: Arc<Backlog>,
}

impl Log {
    pub(crate) fn create(folder: &Path, partition_count: u32, backlog: Arc<Backlog>) -> io::Result<Self> {
        let file = LogFile::create(folder)?;
        Ok(Self {
            writer: Mutex::new(Writer::new(file.appender()?, partition_count)),
            tails: Tails::new(partition_count),
            file,
            published: Published::default(),
            backlog,
        })
    }

    /// Commits. Readers of this process see it at once, the outside when it is [published](Self::wait_until_published).
    pub(crate) fn commit(&self, commit: Commit) -> io::Result<CommitNumber> {
        let mut prepared = Prepared::new(commit);
        let rows = std::mem::take(&mut prepared.rows);
        let mut writer = self.writer.lock();
        let written = writer.write(&prepared, self.published.number())?;
        if !rows.is_empty() {
            self.backlog.push(written.number, rows);
        }
        if let Some((output, stored)) = prepared.output.zip(prepared.stored_output) {
            let cooled = writer.heat(output.partition, output.records.len());
            self.tails.push(output, Stub { base: written.base, position: written.output_at, seal: stored.seal });
            self.tails.cool(&cooled);
        }
        drop(writer);
        self.published.announce(written.number);
        Ok(written.number)
    }

    /// The next batch of a partition for its one reader; `None` when there was none for as long as `wait`.
    pub(crate) fn read(&self, partition: PartitionId, wait: Duration) -> io::Result<Option<Batch>> {
        self.tails.next(partition, wait, &self.file)
    }

    /// Waits until a commit is on disk, or the log has ended.
    pub(crate) fn wait_until_published(&self, number: CommitNumber) {
        self.published.wait_for(number);
    }

    /// Waits until more than `number` is on disk, and says how much; `None` when the log has ended.
    pub(crate) fn wait_for_more_than(&self, number: CommitNumber) -> Option<CommitNumber> {
        self.published.wait_for_more_than(number)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.published.has_ended()
    }

    /// Wakes all that wait on the log, for ever.
    pub(crate) fn end(&self) {
        self.published.end();
        self.tails.end();
    }

    /// Starts the thread that syncs.
    pub(crate) fn start_syncing(self: &Arc<Self>) -> io::Result<JoinHandle<io::Result<()>>> {
        let (log, file) = (self.clone(), self.file.for_syncing()?);
        std::thread::Builder::new().name("sync".to_owned()).spawn(move || log.published.sync(&file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTITION: PartitionId = PartitionId(0);

    fn records(index: u32) -> Bytes {
        let mut text = index.to_string().into_bytes();
        text.resize(1 << 20, b'.');
        text.into()
    }

    fn commit(log: &Log, index: u32) -> CommitNumber {
        let output = Output { partition: PARTITION, count: 10, records: records(index) };
        log.commit(Commit { output: Some(output), ..Commit::default() }).unwrap()
    }

    /// The tail holds 64 MiB. A reader that has slept for longer finds the rest in the file.
    #[test]
    fn a_reader_that_falls_behind_the_tail_misses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::create(folder.path(), 1, Arc::default()).unwrap();
        for index in 0..100 {
            commit(&log, index);
        }
        for index in 0..100 {
            let batch = log.read(PARTITION, Duration::ZERO).unwrap().unwrap();
            assert_eq!((batch.base, batch.records), (Offset(u64::from(index) * 10), records(index)));
        }
        assert!(log.read(PARTITION, Duration::ZERO).unwrap().is_none());
    }

    #[test]
    fn a_commit_is_published_once_it_is_synced() {
        let folder = tempfile::tempdir().unwrap();
        let log = Arc::new(Log::create(folder.path(), 1, Arc::default()).unwrap());
        let number = commit(&log, 0);
        assert_eq!(log.published.number(), CommitNumber(0));
        let syncing = log.start_syncing().unwrap();
        log.wait_until_published(number);
        assert_eq!(log.published.number(), number);
        log.end();
        syncing.join().unwrap().unwrap();
    }
}
