//! Rows as the outside sees them.

use std::sync::Arc;

use bytes::Bytes;
use linecook_log::{GroupName, Partition, Result, Row, Rows, Scan, TableName, Ticket, TopicPartition};

use crate::{
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
            linecook_log::Error::new(linecook_log::ErrorKind::Unavailable, text)
        })
    }
}

impl Rows for KafkaRows {
    fn get(&self, partition: Partition, key: &[u8]) -> Result<Option<Bytes>> {
        self.local(partition)?.get(key)
    }

    fn scan(&self, partition: Partition, scan: Scan<'_>) -> Result<Vec<Row>> {
        self.local(partition)?.scan(scan)
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
