//! Deleting rows that have been kept long enough, between the polls.

use std::time::Duration;

use linecook_log::{Commit, Error, ErrorKind, Result, TopicPartition};

use super::{Joined, Worker, joined};
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
        let Joined { member, hand, .. } = joined(&mut self.joined);
        hand.read_parked(&mut **member)?;
        for (table, at) in self.tables_with_retention() {
            if self.expire_in(table, at)? {
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
    fn expire_in(&mut self, table: usize, at: TopicPartition) -> Result<bool> {
        let Joined { member, hand, queue, .. } = joined(&mut self.joined);
        let Some(offset) = queue.committed_offset(&at) else { return Ok(false) };
        let place = Place { table: self.service.table_at(table).name(), partition: at.partition };
        let station = self.service.station_of_table(table);
        let (now, limit) = (self.clock.timestamp(), self.limits.expiry_rows);
        let rows = expired(&mut **member, place, now, limit, |key| hand.keeps_waiting(station, at.partition, key))?;
        if rows.is_empty() {
            return Ok(false);
        }
        let commit = Commit { rows, offsets: vec![(at, offset)], ..Commit::default() };
        member.commit(commit).map(drop).inspect_err(|_| queue.forget_polled())?;
        Ok(true)
    }

    /// Each with one partition that is owned, for each partition number.
    fn tables_with_retention(&mut self) -> Vec<(usize, TopicPartition)> {
        let queue = &joined(&mut self.joined).queue;
        let mut found: Vec<(usize, TopicPartition)> = Vec::new();
        for step in self.service.steps() {
            let Role::Table { table } = step.role else { continue };
            let owned = queue.owned().filter(|at| at.topic == step.from);
            for at in owned.filter(|_| self.service.table_at(table).has_retention()) {
                if !found.iter().any(|(of, found)| *of == table && found.partition == at.partition) {
                    found.push((table, at.clone()));
                }
            }
        }
        found
    }
}
