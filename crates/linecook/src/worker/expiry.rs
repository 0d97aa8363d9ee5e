//! Deleting rows that have been kept long enough, between the polls.

use std::time::Duration;

use linecook_log::{Commit, Error, ErrorKind, Partition, Result, TableName, TopicPartition};

use super::{Worker, joined};
use crate::{
    service::Role,
    table::{Place, expired},
};

/// When to look for expired rows next.
#[derive(Debug, Default)]
pub(super) struct ExpiryTimer {
    next: Duration,
}

impl Worker {
    /// Deletes some rows that are due, in a commit of its own. Returns whether there may be more.
    ///
    /// This stands before the poll, so what goes wrong here must not keep the worker from it: rows are only deleted
    /// later. Polling is also where a worker that is fenced learns what it has lost, and who does not poll for long
    /// enough is put out.
    ///
    /// # Errors
    /// Those after which this member does not poll either.
    pub(super) fn expire_some(&mut self) -> Result<bool> {
        let now = self.clock.monotonic();
        if now < self.expiry.next {
            return Ok(false);
        }
        // Set before it is tried: a failure is not tried again with each poll.
        self.expiry.next = now + self.limits.expiry_interval;
        let has_more = self.try_expiring().or_else(|error| self.put_off_expiry(error))?;
        if has_more {
            self.expiry.next = now;
        }
        Ok(has_more)
    }

    fn try_expiring(&mut self) -> Result<bool> {
        for (table, at) in self.tables_with_retention() {
            if self.expire_in(&table, at)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn put_off_expiry(&mut self, error: Error) -> Result<bool> {
        if matches!(error.kind(), ErrorKind::Unknown | ErrorKind::Corrupt | ErrorKind::Closed) {
            return Err(error);
        }
        self.metrics.failed(error.kind());
        // Being fenced is a rebalance, and in order.
        if error.kind() != ErrorKind::Fenced {
            tracing::warn!(service = %self.service.name(), "expired rows are kept for now: {}", error.chain());
        }
        Ok(false)
    }

    /// The commit speaks for `at`, a partition that the table is folded from, and leaves its offset as it is.
    fn expire_in(&mut self, table: &TableName, at: TopicPartition) -> Result<bool> {
        let joined = joined(&mut self.joined);
        let Some(offset) = joined.queue.committed_offset(&at) else { return Ok(false) };
        let place = Place { table, partition: at.partition };
        let rows = expired(&mut *joined.member, place, self.clock.timestamp(), self.limits.expiry_rows)?;
        if rows.is_empty() {
            return Ok(false);
        }
        let commit = Commit { rows, offsets: vec![(at, offset)], ..Commit::default() };
        joined.member.commit(commit).map(drop).inspect_err(|_| joined.queue.forget_polled())?;
        Ok(true)
    }

    /// Each with one partition that is owned, for each partition number.
    fn tables_with_retention(&mut self) -> Vec<(TableName, TopicPartition)> {
        let queue = &joined(&mut self.joined).queue;
        let mut found: Vec<(TableName, TopicPartition)> = Vec::new();
        for step in self.service.steps() {
            let Role::Table { table } = step.role else { continue };
            let table = self.service.table_at(table);
            let owned = queue.owned().filter(|at| at.topic == step.from);
            for at in owned.filter(|_| table.has_retention()) {
                let is_found = |partition: Partition| {
                    found.iter().any(|(name, found)| name == table.name() && found.partition == partition)
                };
                if !is_found(at.partition) {
                    found.push((table.name().clone(), at.clone()));
                }
            }
        }
        found
    }
}
