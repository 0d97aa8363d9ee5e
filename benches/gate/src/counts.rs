//! What a case takes for a record.

use micro::Case;
use serde::{Deserialize, Serialize};

use crate::{Result, callgrind};

/// Of so many records: enough that what is done once, or once a batch of the log, does not count.
const RECORDS: u32 = 20_000;

/// For each record.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) instructions: f64,
    pub(crate) allocations: f64,
}

impl Counts {
    pub(crate) fn of(case: Case) -> Result<Self> {
        let work = case.prepare(RECORDS);
        let mut left = None;
        let allocations = allocation_counter::measure(|| left = Some(work())).count_total;
        drop(left);
        let instructions = callgrind::instructions(case, RECORDS)?;
        Ok(Self { instructions: for_each(instructions), allocations: for_each(allocations) })
    }
}

/// With three digits behind the point: more are noise.
#[expect(clippy::cast_precision_loss, reason = "counts of a run are far below what a float counts exactly")]
fn for_each(count: u64) -> f64 {
    (count as f64 / f64::from(RECORDS) * 1e3).round() / 1e3
}
