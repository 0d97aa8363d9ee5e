//! Rows as the outside sees them.

use std::sync::Arc;

use bytes::Bytes;
use linecook_log::{
    Error, ErrorKind, GroupName, Partition, Result, Row, Rows, Scan, TableName, Ticket, TopicPartition,
};
use linecook_rows::KeyRange;

use crate::{catalog::TableId, open::Shared, payload};

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
        engine.store.read(|rows| rows.get(&key).map_err(error))
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

/// The full keys that a scan asks for.
pub(crate) fn range(table: TableId, partition: Partition, scan: Scan<'_>) -> KeyRange {
    let range = KeyRange::prefix(payload::row_key(table, partition, scan.prefix));
    match scan.after {
        None => range,
        Some(after) => range.after(payload::row_key(table, partition, after)),
    }
}

/// At most `limit` rows with their own keys.
pub(crate) fn collect(
    rows: impl Iterator<Item = Result<(Bytes, Bytes), linecook_rows::Error>>,
    limit: usize,
) -> Result<Vec<Row>> {
    let own = |(key, value): (Bytes, Bytes)| (key.slice(payload::ROW_PREFIX_BYTES..), value);
    rows.take(limit).map(|row| row.map(own).map_err(error)).collect()
}

/// What the contract calls an error of the store.
pub(crate) fn error(error: linecook_rows::Error) -> Error {
    let kind = match error.kind() {
        // Both are for a person to look at; what it says names the versions.
        linecook_rows::ErrorKind::Corrupt | linecook_rows::ErrorKind::Unsupported => ErrorKind::Corrupt,
        linecook_rows::ErrorKind::Closed => ErrorKind::Closed,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, "the rows cannot be read or written").with_source(error)
}
