//! What is behind the commit lock.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
};

use super::{
    CommitNumber, Offset, PartitionId,
    file::{Appender, Position},
    frame::{Numbers, Prepared},
};

/// The batches that are kept in memory, of all partitions together.
const HOT_BYTES_MAX: usize = 64 << 20;

pub(super) struct Writer {
    file: Appender,
    number: CommitNumber,
    /// Where each partition ends.
    ends: Vec<Offset>,
    /// What is in memory, oldest first.
    hot: VecDeque<(PartitionId, usize)>,
    hot_bytes: usize,
    /// The head of a frame, kept so that it is not allocated anew each time.
    head: Vec<u8>,
}

/// What the lock has given to a commit.
pub(super) struct Written {
    pub(super) number: CommitNumber,
    pub(super) base: Offset,
    /// Where the stored bytes of its output lie.
    pub(super) output_at: Position,
}

impl Writer {
    pub(super) fn new(file: Appender, partition_count: u32) -> Self {
        Self {
            file,
            number: CommitNumber(0),
            ends: vec![Offset(0); partition_count as usize],
            hot: VecDeque::new(),
            hot_bytes: 0,
            head: Vec::new(),
        }
    }

    /// Gives a commit its number and offsets and writes its frame.
    pub(super) fn write(&mut self, prepared: &Prepared, synced: CommitNumber) -> io::Result<Written> {
        let number = CommitNumber(self.number.0 + 1);
        let partition = prepared.output.as_ref().map(|output| output.partition.0 as usize);
        let base = partition.map_or(Offset(0), |partition| self.ends[partition]);
        prepared.encode_head(&Numbers { number, synced, base }, &mut self.head);
        let stored = [&prepared.stored_output, &prepared.stored_rows];
        let [output, rows] = stored.map(|stored| stored.as_ref().map_or(&[][..], |stored| &stored.bytes));
        let frame_at = self.file.append(&mut [IoSlice::new(&self.head), IoSlice::new(output), IoSlice::new(rows)])?;
        self.number = number;
        if let Some(output) = &prepared.output {
            self.ends[output.partition.0 as usize].0 += u64::from(output.count);
        }
        Ok(Written { number, base, output_at: Position(frame_at.0 + self.head.len() as u64) })
    }

    /// Counts a batch as being in memory, and says of which partitions the oldest one has to go for it.
    pub(super) fn heat(&mut self, partition: PartitionId, bytes: usize) -> Vec<PartitionId> {
        self.hot.push_back((partition, bytes));
        self.hot_bytes += bytes;
        let mut cooled = Vec::new();
        while self.hot_bytes > HOT_BYTES_MAX
            && let Some((partition, bytes)) = self.hot.pop_front()
        {
            self.hot_bytes -= bytes;
            cooled.push(partition);
        }
        cooled
    }
}
