//! What waits, as its rows say: for who owns nothing of it.

use std::collections::BTreeMap;

use bytes::Bytes;
use linecook_log::{Result, Row, Scan, Timestamp};

use super::{Kept, LaneName, layout};

/// Records of one key that wait, or one alone that has none.
#[derive(Debug)]
pub(crate) struct WaitingKey {
    /// When the first of them is tried; `None`: it is parked.
    pub(crate) due: Option<Timestamp>,
    /// In order, each with its number; those that were discarded are left out.
    pub(crate) records: Vec<(u64, Kept)>,
    /// How many there are, of which as many may have been read as were wanted.
    pub(crate) count: usize,
}

/// How many rows are read at a time: on a log that reads all there is for that, better many.
const PAGE_ROWS: usize = 5_000;

/// Reads what waits in a partition, of each key so many records at most. What comes meanwhile may be seen in part.
///
/// # Errors
/// `Corrupt`; those of `scan`.
pub(crate) fn read_waiting(
    most_of_a_key: usize,
    scan: impl Fn(Scan<'_>) -> Result<Vec<Row>>,
) -> Result<Vec<WaitingKey>> {
    let mut keys = BTreeMap::new();
    let mut after = Bytes::new();
    loop {
        let page = scan(Scan { after: Some(&after), limit: PAGE_ROWS, ..Scan::prefix(b"") })?;
        let is_last = page.len() < PAGE_ROWS;
        for (key, value) in page {
            add(&mut keys, &key, &value, most_of_a_key)?;
            after = key;
        }
        if is_last {
            return Ok(keys.into_values().filter(|key| key.count > 0).collect());
        }
    }
}

fn add(keys: &mut BTreeMap<LaneName, WaitingKey>, key: &Bytes, value: &Bytes, most_of_a_key: usize) -> Result<()> {
    match layout::read_record_key(key)? {
        // The rows of lanes come first. Others are not of what waits, but of what is begun.
        None if key.starts_with(layout::LANES) => {
            let due = layout::read_lane(value)?.due;
            keys.insert(layout::lane_of(key), WaitingKey { due, records: Vec::new(), count: 0 });
        }
        None => {}
        Some((lane, number)) => {
            let Some(waiting) = keys.get_mut(&lane) else { return Ok(()) };
            let Some(kept) = layout::read_record(value)? else { return Ok(()) };
            waiting.count += 1;
            if waiting.records.len() < most_of_a_key {
                waiting.records.push((number, kept));
            }
        }
    }
    Ok(())
}
