//! Rows as the outside sees them.

use std::sync::Arc;

use bytes::Bytes;
use linecook_log::{GroupName, Partition, Result, Row, Rows, Scan, TableName, Ticket, TopicPartition};

use crate::{
    open::Shared,
    payload,
    row_store::{as_log_error, collect, range},
};

/// A reader of one table. It asks for the open log each time, which may be another one after a failure.
pub(crate) struct EmbeddedRows {
    pub(crate) log: Arc<Shared>,
    pub(crate) service: GroupName,
    pub(crate) table: TableName,
}

impl Rows for EmbeddedRows {
    fn get(&self, partition: Partition, key: &[u8]) -> Result<Option<Bytes>> {
        let engine = self.log.engine()?;
        let Some(table) = engine.table_id(&self.service, &self.table) else { return Ok(None) };
        let key = payload::row_key(table, partition, key);
        engine.store.read(|rows| rows.get(&key).map_err(as_log_error))
    }

    fn scan(&self, partition: Partition, scan: Scan<'_>) -> Result<Vec<Row>> {
        let engine = self.log.engine()?;
        let Some(table) = engine.table_id(&self.service, &self.table) else { return Ok(Vec::new()) };
        engine.store.read(|rows| collect(rows.scan(range(table, partition, scan)), scan.limit))
    }

    fn caught_up(&self, input: &TopicPartition) -> Result<Ticket> {
        let engine = self.log.engine()?;
        let group = engine.group_id(&self.service)?;
        let partition = engine.partition_id(input)?;
        Ok(engine.seen(engine.consumed(group, partition)))
    }
}
