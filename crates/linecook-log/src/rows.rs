//! Rows of a table, seen from outside.

use bytes::Bytes;

use crate::{Partition, Result, Ticket, TopicPartition};

/// A row: its key within its table and partition, and its value.
pub type Row = (Bytes, Bytes);

/// Which rows to scan: those whose key begins with `prefix`, in order of their keys.
#[derive(Debug, Clone, Copy)]
pub struct Scan<'a> {
    /// What the keys begin with; empty for all.
    pub prefix: &'a [u8],
    /// Only keys greater than this one: to go on where a scan before ended.
    pub after: Option<&'a [u8]>,
    /// The most rows to return.
    pub limit: usize,
}

impl<'a> Scan<'a> {
    /// All rows whose key begins with `prefix`.
    pub fn prefix(prefix: &'a [u8]) -> Self {
        Self { prefix, after: None, limit: usize::MAX }
    }
}

/// The rows of one table as the outside may see them: what is durable, of finished commits only.
///
/// A row belongs to the partition of the record that made its owner write it. What one call returns is of one moment.
pub trait Rows: Send + Sync {
    /// The value of a row, if there is such a row.
    ///
    /// # Errors
    /// `Unavailable` when the partition is not here or not restored yet; `Closed`.
    fn get(&self, partition: Partition, key: &[u8]) -> Result<Option<Bytes>>;

    /// Rows in the order of their keys.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    fn scan(&self, partition: Partition, scan: Scan<'_>) -> Result<Vec<Row>>;

    /// A ticket that is done when what is visible here has every record in it that was acknowledged in `input` before
    /// this call. `input` is a partition of a topic that the table's service reads.
    ///
    /// # Errors
    /// `Unavailable` when the partition is not here or not restored yet.
    fn caught_up(&self, input: &TopicPartition) -> Result<Ticket>;
}
