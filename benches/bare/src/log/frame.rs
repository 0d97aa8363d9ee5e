//! A frame: what one commit is on disk.
//!
//! ```text
//!  crc u32 of the head behind it │ length of the head u32
//!  commit number u64 │ highest number known to be synced u64
//!  entries, each with a tag byte: output, consumed, rows
//!  the stored bytes of the output, then those of the rows
//! ```

use bytes::Bytes;

use super::{
    Commit, CommitNumber, Offset, Output, PartitionId,
    payload::{Seal, Stored, store},
};
use crate::{
    record::{self, length},
    rows::Row,
};

const TAG_OUTPUT: u8 = 1;
const TAG_CONSUMED: u8 = 2;
const TAG_ROWS: u8 = 3;

/// A commit of which all is ready that needs neither its number nor its offsets.
pub(super) struct Prepared {
    pub(super) output: Option<Output>,
    pub(super) stored_output: Option<Stored>,
    pub(super) consumed: Option<(PartitionId, Offset)>,
    pub(super) rows: Vec<Row>,
    pub(super) stored_rows: Option<Stored>,
}

/// What is known of a commit only under the lock.
pub(super) struct Numbers {
    pub(super) number: CommitNumber,
    pub(super) synced: CommitNumber,
    pub(super) base: Offset,
}

impl Prepared {
    pub(super) fn new(commit: Commit) -> Self {
        let Commit { output, consumed, rows } = commit;
        let stored_output = output.as_ref().map(|output| store(output.records.clone()));
        let stored_rows = (!rows.is_empty()).then(|| store(encode_rows(&rows)));
        Self { output, stored_output, consumed, rows, stored_rows }
    }

    /// Writes the head of the frame into `out`, which is emptied first.
    pub(super) fn encode_head(&self, numbers: &Numbers, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&numbers.number.0.to_le_bytes());
        out.extend_from_slice(&numbers.synced.0.to_le_bytes());
        self.encode_entries(numbers.base, out);
        let head_bytes = length(out.len());
        out[4..8].copy_from_slice(&head_bytes.to_le_bytes());
        let crc = crc32c::crc32c(&out[4..]);
        out[..4].copy_from_slice(&crc.to_le_bytes());
    }

    fn encode_entries(&self, base: Offset, out: &mut Vec<u8>) {
        if let Some((output, stored)) = self.output.as_ref().zip(self.stored_output.as_ref()) {
            out.push(TAG_OUTPUT);
            out.extend_from_slice(&output.partition.0.to_le_bytes());
            out.extend_from_slice(&base.0.to_le_bytes());
            out.extend_from_slice(&output.count.to_le_bytes());
            encode_seal(stored.seal, out);
        }
        if let Some((partition, offset)) = self.consumed {
            out.push(TAG_CONSUMED);
            out.extend_from_slice(&partition.0.to_le_bytes());
            out.extend_from_slice(&offset.0.to_le_bytes());
        }
        if let Some(stored) = &self.stored_rows {
            out.push(TAG_ROWS);
            encode_seal(stored.seal, out);
        }
    }
}

fn encode_seal(seal: Seal, out: &mut Vec<u8>) {
    for part in [seal.stored_bytes, seal.raw_bytes, seal.crc] {
        out.extend_from_slice(&part.to_le_bytes());
    }
}

fn encode_rows(rows: &[Row]) -> Bytes {
    let mut out = Vec::with_capacity(rows.iter().map(|row| 8 + row.bytes()).sum());
    for row in rows {
        record::put(&mut out, &row.key, |out| out.extend_from_slice(&row.value));
    }
    out.into()
}
