//! What can be set about an embedded log.

use std::time::Duration;

/// See the fields; [`Options::default`] suits one machine.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// How large a segment file is. 64 MiB; at most an eighth of `retention_bytes`.
    pub segment_bytes: u64,
    /// How much of the newest records is kept in memory, over all partitions. 32 MiB.
    pub hot_bytes: usize,
    /// How much of row changes may wait to become visible before commits wait for them. 32 MiB.
    pub pending_rows_bytes: usize,
    /// How much of appends may wait to be written before more are refused. 64 MiB.
    pub pending_appends_bytes: usize,
    /// The largest record, key and value and headers together. 1 MiB.
    pub max_record_bytes: usize,
    /// How long records are kept; `None` for ever. 7 days. Records that a known group has not read are kept longer.
    pub retention: Option<Duration>,
    /// How much the segments may take. When it is used up and a group has not read the oldest, appends are refused;
    /// `None`, the default, is no limit but the disk.
    pub retention_bytes: Option<u64>,
    /// Writes are refused while the disk has less free space than this. 256 MiB.
    pub reserve_bytes: u64,
    /// How much of the newest rows is kept in memory before it is written to a table file. 16 MiB.
    pub memtable_bytes: u64,
    /// How much of the older rows is cached. 16 MiB.
    pub row_cache_bytes: u64,
    /// How long it is waited for a directory that another process has, before that is an error. Not at all.
    pub directory_wait: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            hot_bytes: 32 << 20,
            pending_rows_bytes: 32 << 20,
            pending_appends_bytes: 64 << 20,
            max_record_bytes: 1 << 20,
            retention: Some(Duration::from_hours(7 * 24)),
            retention_bytes: None,
            reserve_bytes: 256 << 20,
            memtable_bytes: 16 << 20,
            row_cache_bytes: 16 << 20,
            directory_wait: Duration::ZERO,
        }
    }
}

impl Options {
    pub(crate) fn segment_bytes(&self) -> u64 {
        self.retention_bytes.map_or(self.segment_bytes, |limit| self.segment_bytes.min(limit / 8)).max(4096)
    }
}
