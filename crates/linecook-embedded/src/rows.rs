//! Rows as the outside sees them.

use std::sync::Arc;

use bytes::Bytes;
use linecook_log::{GroupName, Partition, PartitionRows, Result, Row, Rows, Scan, TableName, Ticket, TopicPartition};
use linecook_rows::Snapshot;

use crate::{
    catalog::TableId,
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
    fn at_one_moment(
        &self,
        partition: Partition,
        read: &mut dyn FnMut(&dyn PartitionRows) -> Result<()>,
    ) -> Result<()> {
        let engine = self.log.engine()?;
        let Some(table) = engine.table_id(&self.service, &self.table) else { return read(&()) };
        engine.store.read(|snapshot| read(&SnapshotRows { snapshot, table, partition }))
    }

    fn caught_up(&self, input: &TopicPartition) -> Result<Ticket> {
        let engine = self.log.engine()?;
        let group = engine.group_id(&self.service)?;
        let partition = engine.partition_id(input)?;
        Ok(engine.seen(engine.consumed(group, partition)))
    }
}

struct SnapshotRows<'a> {
    snapshot: &'a Snapshot,
    table: TableId,
    partition: Partition,
}

impl PartitionRows for SnapshotRows<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.snapshot.get(payload::row_key(self.table, self.partition, key)).map_err(as_log_error)
    }

    fn scan(&self, scan: Scan<'_>) -> Result<Vec<Row>> {
        collect(self.snapshot.scan(range(self.table, self.partition, scan)), scan.limit)
    }
}
