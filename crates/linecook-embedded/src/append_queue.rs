//! Appends on their way into a frame.

use std::{collections::VecDeque, sync::Arc};

use crate::{
    published::AppendAck,
    writer::{HOT_BATCH_BYTES, PreparedOutput},
};

/// How many appends share a frame at most.
const APPENDS_A_FRAME: usize = 256;
/// How many bytes of appends a frame takes before it takes no more: the commit lock is held while it is written.
const APPENDS_A_FRAME_BYTES: usize = 4 << 20;

/// Appends that wait for somebody to write them.
#[derive(Default)]
pub(crate) struct AppendQueue {
    pub(crate) pending: VecDeque<PendingAppend>,
    pub(crate) bytes: usize,
}

pub(crate) struct PendingAppend {
    pub(crate) output: PreparedOutput,
    pub(crate) ack: Arc<AppendAck>,
}

impl PendingAppend {
    pub(crate) fn size_bytes(&self) -> usize {
        self.output.batch.bytes().len() + HOT_BATCH_BYTES
    }
}

impl AppendQueue {
    /// The oldest, as many as share a frame.
    pub(crate) fn take_a_frame(&mut self) -> Vec<PendingAppend> {
        let (mut count, mut bytes) = (0, 0);
        for append in self.pending.iter().take(APPENDS_A_FRAME) {
            if bytes >= APPENDS_A_FRAME_BYTES {
                break;
            }
            count += 1;
            bytes += append.size_bytes();
        }
        self.bytes -= bytes;
        self.pending.drain(..count).collect()
    }
}
