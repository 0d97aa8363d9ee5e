//! Rows as the outside sees them.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use linecook_log::{
    Error, ErrorKind, GroupName, Partition, PartitionRows, Result, Row, Rows, Scan, TableName, Ticket, TopicName,
    TopicPartition,
};

use crate::{
    native::admin::{End, Isolation},
    progress::{self, CaughtUp},
    shared::Shared,
    tables::{LocalTable, TableKey},
};

pub(crate) struct KafkaRows {
    pub(crate) shared: Arc<Shared>,
    pub(crate) service: GroupName,
    pub(crate) table: TableName,
}

impl KafkaRows {
    /// The rows of a partition: of one that was lost with the brokers, too, as what is known stays true.
    fn local(&self, partition: Partition) -> Result<Arc<LocalTable>> {
        self.shared.check_open()?;
        let key = TableKey { service: self.service.clone(), table: self.table.clone(), partition };
        let found = self.shared.tables.find(&key).filter(|table| table.is_restored());
        found.ok_or_else(|| {
            let text = format!(
                "the rows are not here, or not restored yet: service={} table={} partition={partition}",
                self.service, self.table
            );
            Error::new(ErrorKind::Unavailable, text)
        })
    }
}

impl Rows for KafkaRows {
    fn at_one_moment(
        &self,
        partition: Partition,
        read: &mut dyn FnMut(&dyn PartitionRows) -> Result<()>,
    ) -> Result<()> {
        self.local(partition)?.at_one_moment(|rows| read(rows))
    }

    fn caught_up(&self, input: &TopicPartition) -> Result<Ticket> {
        self.shared.check_open()?;
        let progress = &self.shared.progress;
        if !progress.is_here(&self.service, input) {
            return Err(progress::not_here(input));
        }
        Ok(Ticket::new(Arc::new(CaughtUp {
            target: self.shared.watcher.end_of(input),
            progress: Arc::clone(progress),
            group: self.service.clone(),
            at: input.clone(),
        })))
    }
}

/// How much of a changelog is read at a time.
const PAGE_BYTES: usize = 4 << 20;

/// Rows of a partition that may be anybody's, as their changelog has them up to what is stable now.
pub(crate) fn scan_changelog(
    shared: &Shared,
    changelog: &TopicName,
    partition: Partition,
    scan: Scan<'_>,
) -> Result<Vec<Row>> {
    let from = TopicPartition::new(changelog, partition);
    match shared.cluster.check_partition(&from) {
        Err(error) if error.kind() == ErrorKind::Invalid => return Ok(Vec::new()),
        outcome => outcome?,
    }
    let starts = shared.cluster.offsets_at(End::Start, std::slice::from_ref(&from), Isolation::Committed)?;
    let mut next = starts.get(&from).copied().unwrap_or_default();
    let mut rows = BTreeMap::new();
    loop {
        let batches = shared.reader.read(&shared.options, &from, next, PAGE_BYTES)?;
        let Some(last) = batches.last() else { break };
        for record in batches.iter().flat_map(|batch| batch.records_from(next)) {
            let key = record.key.unwrap_or_default();
            let is_wanted = key.starts_with(scan.prefix) && scan.after.is_none_or(|after| key > after);
            match record.value.filter(|_| is_wanted) {
                Some(value) => drop(rows.insert(Bytes::copy_from_slice(key), Bytes::copy_from_slice(value))),
                None => drop(rows.remove(key)),
            }
        }
        next = last.end();
    }
    Ok(rows.into_iter().take(scan.limit).collect())
}
