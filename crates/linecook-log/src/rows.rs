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
/// A row belongs to the partition of the record that made its owner write it.
pub trait Rows: Send + Sync {
    /// Calls `read` once with the rows of a partition as they are now, for several reads that agree with each other: what
    /// is committed meanwhile is not seen in there.
    ///
    /// The log keeps what may be asked for until that returns, and cannot let go of the rows. So it is for a request, not for
    /// longer; and rows are read in no other way in there: that may wait for somebody who waits for these to be let go.
    ///
    /// # Errors
    /// `Unavailable` when the partition is not here or not restored yet; `Closed`; and what `read` returns.
    fn at_one_moment(&self, partition: Partition, read: &mut dyn FnMut(&dyn PartitionRows) -> Result<()>)
    -> Result<()>;

    /// A ticket that is done when what is visible here has every record in it that was acknowledged in `input` before
    /// this call. `input` is a partition of a topic that the table's service reads.
    ///
    /// # Errors
    /// `Unavailable` when the partition is not here or not restored yet.
    fn caught_up(&self, input: &TopicPartition) -> Result<Ticket>;

    /// The value of a row, if there is such a row.
    ///
    /// # Errors
    /// As [`at_one_moment`](Self::at_one_moment).
    fn get(&self, partition: Partition, key: &[u8]) -> Result<Option<Bytes>> {
        let mut value = None;
        self.at_one_moment(partition, &mut |rows| {
            value = rows.get(key)?;
            Ok(())
        })?;
        Ok(value)
    }

    /// Rows in the order of their keys.
    ///
    /// # Errors
    /// As [`at_one_moment`](Self::at_one_moment).
    fn scan(&self, partition: Partition, scan: Scan<'_>) -> Result<Vec<Row>> {
        let mut found = Vec::new();
        self.at_one_moment(partition, &mut |rows| {
            found = rows.scan(scan)?;
            Ok(())
        })?;
        Ok(found)
    }
}

/// The rows of a table in one partition, as they were at one moment.
pub trait PartitionRows {
    /// The value of a row, if there is such a row. It costs less than to [scan](Self::scan) for it.
    ///
    /// # Errors
    /// `Corrupt`, `Unavailable`.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>>;

    /// Rows in the order of their keys.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    fn scan(&self, scan: Scan<'_>) -> Result<Vec<Row>>;
}

/// What a partition has that nobody has written to.
impl PartitionRows for () {
    fn get(&self, _key: &[u8]) -> Result<Option<Bytes>> {
        Ok(None)
    }

    fn scan(&self, _scan: Scan<'_>) -> Result<Vec<Row>> {
        Ok(Vec::new())
    }
}
