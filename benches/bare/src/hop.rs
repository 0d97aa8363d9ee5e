//! The loop of one hop: read, work, commit.

use std::{io, sync::Arc, time::Duration};

use crate::{
    log::{Commit, Log, Offset, PartitionId},
    rows::{Backlog, Row},
};

/// So many records go into one commit at most.
const RECORDS_MAX: u32 = 2000;
/// How long a hop sleeps at most when there is nothing to do; it is woken when there is.
const IDLE: Duration = Duration::from_millis(100);

/// What is done with the records of a partition.
pub(crate) trait Hop: Send {
    /// Works on one record.
    fn take(&mut self, key: &[u8], value: &[u8], offset: Offset) -> io::Result<()>;
    /// How many records it has made since the last commit.
    fn made(&self) -> u32;
    /// What is to be committed, besides the offset.
    fn give(&mut self) -> Commit;
    /// It was committed.
    fn committed(&mut self, number: crate::log::CommitNumber);
}

/// A hop on one partition.
pub(crate) struct Station<H> {
    pub(crate) log: Arc<Log>,
    pub(crate) backlog: Arc<Backlog>,
    pub(crate) source: PartitionId,
    pub(crate) hop: H,
}

impl<H: Hop> Station<H> {
    /// Runs until the log has ended.
    pub(crate) fn run(mut self) -> io::Result<()> {
        while !self.log.has_ended() {
            if let Some(next) = self.gather()? {
                self.commit(next)?;
            }
        }
        Ok(())
    }

    /// Works on what is waiting, and says where to go on.
    fn gather(&mut self) -> io::Result<Option<Offset>> {
        let (mut next, mut wait) = (None, IDLE);
        while self.hop.made() < RECORDS_MAX
            && let Some(batch) = self.log.read(self.source, wait)?
        {
            let mut offset = batch.base;
            for (key, value) in crate::record::iter(&batch.records) {
                self.hop.take(key, value, offset)?;
                offset.0 += 1;
            }
            (next, wait) = (Some(offset), Duration::ZERO);
        }
        Ok(next)
    }

    fn commit(&mut self, next: Offset) -> io::Result<()> {
        let commit = self.hop.give();
        if !commit.rows.is_empty() {
            self.backlog.wait_for_room();
        }
        let number = self.log.commit(Commit { consumed: Some((self.source, next)), ..commit })?;
        self.hop.committed(number);
        Ok(())
    }
}

/// Records on their way into one partition.
pub(crate) struct Outbox {
    partition: PartitionId,
    records: Vec<u8>,
    count: u32,
}

impl Outbox {
    pub(crate) fn to(partition: PartitionId) -> Self {
        Self { partition, records: Vec::new(), count: 0 }
    }

    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Adds a record whose value is JSON.
    pub(crate) fn add(&mut self, key: &[u8], value: &impl serde::Serialize) -> io::Result<()> {
        let mut outcome = Ok(());
        crate::record::put(&mut self.records, key, |out| outcome = serde_json::to_writer(out, value));
        self.count += 1;
        outcome.map_err(io::Error::from)
    }

    /// Takes all of it, together with rows.
    pub(crate) fn commit(&mut self, rows: Vec<Row>) -> Commit {
        // The next commit is likely to be about as large. With no more room than that, it would often be doubled for a
        // few bytes, and stay so in the tail.
        let room = Vec::with_capacity(self.records.len() / 8 * 9);
        let records = std::mem::replace(&mut self.records, room).into();
        let count = std::mem::take(&mut self.count);
        let output = (count > 0).then_some(crate::log::Output { partition: self.partition, count, records });
        Commit { output, consumed: None, rows }
    }
}
