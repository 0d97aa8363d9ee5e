//! One atomic step of a member.

use std::{collections::BTreeMap, sync::Arc, thread, time::Duration};

use linecook_log::{
    Batch, Commit, Error, ErrorKind, GroupName, Offset, Output, Partition, Result, RowChange, TableName, Ticket,
    TopicName, TopicPartition,
};
use rdkafka::{consumer::Consumer as _, error::RDKafkaErrorCode};

use super::{KafkaMember, Open, Over, keep};
use crate::{
    client, outgoing, tables,
    transaction::{Consumed, Ended, Outputs, Transactions},
    watcher,
};

/// A commit that may be tried.
#[derive(Default)]
pub(super) struct Prepared {
    outputs: Vec<(TopicPartition, Batch)>,
    /// By table and partition, in the order of the changes.
    rows: BTreeMap<(TableName, Partition), Vec<RowChange>>,
    pub(super) offsets: Vec<(TopicPartition, Offset)>,
}

impl Prepared {
    /// Those that its outputs and its rows go to.
    pub(super) fn topics(&self, group: &GroupName) -> Vec<TopicName> {
        let changelogs = self.rows.keys().filter_map(|(table, _)| tables::changelog_of(group, table).ok());
        self.outputs.iter().map(|(to, _)| to.topic.clone()).chain(changelogs).collect()
    }

    /// Nothing but offsets.
    pub(super) fn of(offsets: Vec<(TopicPartition, Offset)>) -> Self {
        Self { offsets, ..Self::default() }
    }
}

impl KafkaMember {
    pub(super) fn commit_checked(&mut self, commit: Commit) -> Result<Ticket> {
        let mut prepared = self.prepare(commit).inspect_err(|_| self.must_rewind = true)?;
        let kept = self.take_offsets_to_keep(&prepared.offsets);
        prepared.offsets.extend(kept);
        let clients = Arc::clone(&self.clients);
        let mut open = clients.open.lock();
        let open = open.as_mut().ok_or_else(|| self.shared.ended())?;
        let began = self.shared.clock.monotonic();
        let ended = self.transact(open, &prepared);
        match ended.inspect_err(|_| self.must_rewind = true)? {
            Ended::Committed(ends) => {
                self.shared.figures.committed(self.shared.clock.monotonic().saturating_sub(began));
                self.committed(prepared, &ends)
            }
            Ended::Refused(error) => {
                self.must_rewind = true;
                Err(self.commit_error(error, &prepared))
            }
            Ended::RefusedAndOver(error) => {
                self.over = Some(Over::Unknown);
                Err(self.commit_error(error, &prepared))
            }
            Ended::Lost(error) => {
                let error = self.lost(open, error);
                Err(self.commit_error(error, &prepared))
            }
        }
    }

    fn prepare(&self, commit: Commit) -> Result<Prepared> {
        self.check_offsets(&commit.offsets)?;
        let mut rows: BTreeMap<_, Vec<RowChange>> = BTreeMap::new();
        for row in commit.rows {
            self.check_row(&row, &commit.offsets)?;
            rows.entry((row.table.clone(), row.partition)).or_default().push(row);
        }
        let now = self.shared.clock.timestamp();
        let mut outputs = Vec::with_capacity(commit.outputs.len());
        for Output { to, batch } in commit.outputs {
            self.shared.cluster.check_partition(&to)?;
            if batch.is_empty() {
                continue;
            }
            let batch = batch.finish(Offset(0), now);
            outgoing::check_size(&batch, self.shared.options.max_record_bytes)?;
            outputs.push((to, batch));
        }
        Ok(Prepared { outputs, rows, offsets: commit.offsets })
    }

    fn check_offsets(&self, offsets: &[(TopicPartition, Offset)]) -> Result<()> {
        if offsets.is_empty() {
            return Err(Error::invalid("a commit without an offset speaks for no partition"));
        }
        for (at, offset) in offsets {
            let owned =
                self.owned.iter().find(|owned| owned.at == *at).ok_or_else(|| {
                    Error::new(ErrorKind::Fenced, format!("the partition is not owned: partition={at}"))
                })?;
            if *offset < owned.committed || *offset > owned.seen {
                let (committed, seen) = (owned.committed, owned.seen);
                let text = format!(
                    "an offset that goes back, or beyond what was polled: partition={at} offset={offset} \
                     committed={committed} polled_up_to={seen}"
                );
                return Err(Error::invalid(text));
            }
        }
        Ok(())
    }

    fn check_row(&self, row: &RowChange, offsets: &[(TopicPartition, Offset)]) -> Result<()> {
        let (table, partition) = (&row.table, row.partition);
        let Some(input) = self.spec.inputs.iter().find(|input| input.tables.contains(table)) else {
            return Err(Error::invalid(format!("the member did not join with this table: table={table}")));
        };
        if !offsets.iter().any(|(at, _)| at.partition == partition && input.topics.contains(&at.topic)) {
            let text =
                format!("a row of a partition that the commit has no offset of: table={table} partition={partition}");
            return Err(Error::invalid(text));
        }
        let bytes = row.size_bytes();
        let max_bytes = self.shared.options.max_record_bytes;
        if bytes > max_bytes {
            let text = format!("a row larger than the log takes: table={table} bytes={bytes} max_bytes={max_bytes}");
            return Err(Error::invalid(text));
        }
        Ok(())
    }

    pub(super) fn transact(&mut self, open: &mut Open, prepared: &Prepared) -> Result<Ended> {
        let out = || Error::new(ErrorKind::Fenced, "the member is not in its group any more");
        // In this order: what is taken while it is in its group says that it was.
        let metadata = open.consumer.group_metadata().ok_or_else(out)?;
        if !self.is_in_group(open) {
            return Err(out());
        }
        let mut rows = Vec::with_capacity(prepared.rows.len());
        for ((table, partition), changes) in &prepared.rows {
            let topic = tables::changelog_of(&self.spec.group, table)?;
            rows.push((TopicPartition { topic, partition: *partition }, changes));
        }
        let consumed = Consumed { metadata: &metadata, offsets: &prepared.offsets };
        let transactions = open.transactions.as_mut().ok_or_else(out)?;
        let outputs = Outputs { batches: &prepared.outputs, rows: &rows };
        Ok(transactions.run(&outputs, Some(&consumed)))
    }

    /// It is durable: what is kept here follows.
    fn committed(&mut self, prepared: Prepared, ends: &[Offset]) -> Result<Ticket> {
        let now = self.shared.clock.timestamp();
        let (of_outputs, of_rows) = ends.split_at(prepared.outputs.len());
        for (((table, partition), changes), end) in prepared.rows.iter().zip(of_rows) {
            let rows = changes.iter().map(|row| (&row.key[..], row.value.as_deref()));
            let applied = match self.tables.get(&(table.clone(), *partition)) {
                Some(local) if local.next().is_ok_and(|next| next >= *end) => Err(Error::new(
                    ErrorKind::Unavailable,
                    "the changelog is another by now: it ends before these rows",
                )),
                Some(local) => local.apply(*end, rows, now),
                None => Err(Error::new(ErrorKind::Unavailable, "the rows were let go")),
            };
            if let Err(error) = applied {
                // They are in the changelog, and come from there when this member has joined again.
                self.over = Some(Over::Unknown);
                let text = format!("a commit has happened, but its rows could not be written here: table={table}");
                return Err(Error::new(ErrorKind::Unknown, text).with_source(error));
            }
        }
        let keep_at = self.shared.clock.monotonic() + keep::EVERY;
        for (at, offset) in &prepared.offsets {
            if let Some(owned) = self.owned.iter_mut().find(|owned| owned.at == *at) {
                (owned.committed, owned.keep_at) = (*offset, keep_at);
                self.shared.progress.reach(&self.spec.group, at, owned.reached());
            }
        }
        let mut ends: BTreeMap<TopicPartition, Offset> = BTreeMap::new();
        for ((to, _), end) in prepared.outputs.iter().zip(of_outputs) {
            let known = ends.entry(to.clone()).or_default();
            *known = (*known).max(*end);
        }
        let partitions = prepared.offsets.into_iter().map(|(at, _)| at).collect();
        let consumed = watcher::Consumed { group: self.spec.group.clone(), partitions };
        Ok(Ticket::new(Arc::new(self.shared.watcher.seen(ends.into_iter().collect(), Some(consumed)))))
    }

    /// The producer is over. If that is because another process has this one's name, joining again would only put it out
    /// in turn, so the group is given the time to say so.
    pub(super) fn lost(&mut self, open: &Open, error: Error) -> Error {
        let clock = Arc::clone(&self.shared.clock);
        let is_fenced = open.transactions.as_ref().is_some_and(Transactions::is_fenced);
        let patience = if is_fenced { self.shared.options.session_timeout / 4 } else { Duration::ZERO };
        let deadline = clock.monotonic() + patience;
        loop {
            drop(open.consumer.poll(Duration::ZERO));
            let fault = client::fatal_error(open.consumer.client());
            if fault.is_some_and(|fault| fault.code == RDKafkaErrorCode::FencedInstanceId) {
                return self.fenced();
            }
            if clock.monotonic() >= deadline {
                self.over = Some(Over::Unknown);
                return error;
            }
            thread::park_timeout(Duration::from_millis(10));
        }
    }
}
