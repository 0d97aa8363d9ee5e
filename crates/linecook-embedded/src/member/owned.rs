//! A partition that a member owns.

use std::sync::Arc;

use linecook_log::{Fetch, Offset, Result, TopicPartition};

use crate::{
    catalog::PartitionId,
    engine::Engine,
    frame::CommitNumber,
    segments::Cursor,
    tail::{HotRead, Tail},
};

pub(super) struct Owned {
    pub(super) at: TopicPartition,
    pub(super) rank: usize,
    pub(super) partition: PartitionId,
    pub(super) epoch: u64,
    pub(super) position: Offset,
    /// Nothing of it is handed out.
    pub(super) is_paused: bool,
    pub(super) cursor: Option<Cursor>,
    pub(super) tail: Arc<Tail>,
}

impl Owned {
    /// Adds what comes next, about `max_bytes` of it; returns how much that was. After an error it stands where it did.
    pub(super) fn fetch(&mut self, engine: &Engine, max_bytes: usize, found: &mut Vec<Fetch>) -> Result<usize> {
        // Members run ahead of the disk: what a service makes of it is on disk after it, in the same order.
        let everything = CommitNumber(u64::MAX);
        let batches = match self.tail.read(self.position, everything, max_bytes) {
            HotRead::End => return Ok(0),
            HotRead::Batches(batches) => batches,
            HotRead::Older => {
                engine.segments.read((self.partition, self.position), everything, max_bytes, &mut self.cursor)?
            }
        };
        let mut bytes = 0;
        for batch in batches {
            bytes += batch.bytes().len();
            let fetch = Fetch::new(self.at.clone(), self.position, batch);
            self.position = fetch.next;
            found.push(fetch);
        }
        Ok(bytes)
    }
}
