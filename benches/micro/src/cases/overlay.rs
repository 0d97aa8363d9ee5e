//! Rows that a member has committed and the store does not have yet.

use std::{hint::black_box, mem};

use bytes::Bytes;
use linecook_rows::{Number, Overlay};

use super::events::{encoded, order_of};
use crate::Work;

const ROWS_OF_A_COMMIT: usize = 1_000;
/// So many commits are in it until the store has the oldest.
const COMMITS_AHEAD: u64 = 8;

/// A row for each record, each read once. Commits are retired as the store gets them.
pub(super) fn record_and_get(records: u32) -> Work {
    let mut all: Vec<_> = (0..records)
        .map(|number| (Bytes::from(format!("{}/{number:08}", order_of(number))), Bytes::from(encoded(number))))
        .collect();
    Box::new(move || {
        let mut overlay = Overlay::default();
        for (number, rows) in (1..).zip(all.chunks_mut(ROWS_OF_A_COMMIT)) {
            for (key, value) in rows {
                let key = mem::take(key);
                overlay.record(Number(number), key.clone(), Some(mem::take(value)));
                black_box(overlay.get(&key));
            }
            overlay.retire(Number(number.saturating_sub(COMMITS_AHEAD)));
        }
        Box::new(overlay)
    })
}
