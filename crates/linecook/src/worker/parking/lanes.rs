//! When what waits is due, as far as it is kept in memory.

use std::collections::{BTreeSet, HashMap};

use linecook_log::Timestamp;

use super::LaneName;

/// Records of one key that wait, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lane {
    /// When its first record is tried again. `None`: the lane is *parked*, and nothing of it is tried until somebody redrives
    /// it.
    pub(super) due: Option<Timestamp>,
    /// Somebody has redriven it: its first record is tried once, whatever its policy lets a new one have.
    pub(super) is_redriven: bool,
    /// The number of its first record, and the next to be given.
    pub(super) first: u64,
    pub(super) next: u64,
}

impl Lane {
    pub(super) fn length(&self) -> u64 {
        self.next - self.first
    }
}

/// The lanes of one partition, of which there is one at least.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    pub(super) by_name: HashMap<LaneName, Lane>,
    /// Those that are not parked.
    pub(super) by_due: BTreeSet<(Timestamp, LaneName)>,
    pub(super) record_count: u64,
}

impl Lanes {
    /// Puts a lane there, or takes it away. Returns what was there.
    pub(super) fn set(&mut self, name: &LaneName, lane: Option<Lane>) -> Option<Lane> {
        let before = match lane {
            Some(lane) => {
                self.record_count += lane.length();
                self.by_name.insert(name.clone(), lane)
            }
            None => self.by_name.remove(name),
        };
        self.record_count -= before.map_or(0, |before| before.length());
        let (due, was_due) = (lane.and_then(|lane| lane.due), before.and_then(|before| before.due));
        if due != was_due {
            if let Some(was_due) = was_due {
                self.by_due.remove(&(was_due, name.clone()));
            }
            if let Some(due) = due {
                self.by_due.insert((due, name.clone()));
            }
        }
        before
    }

    /// How many of them are parked.
    pub(super) fn parked_count(&self) -> usize {
        self.by_name.len() - self.by_due.len()
    }
}
