//! Whether the index of a closed segment points at the right frames.

use std::collections::{HashMap, HashSet};

use linecook_log::{Offset, Result, Timestamp};

use super::damage::DamageKind;
use crate::{catalog::PartitionId, files::SegmentFile, frame::Entry, scan::FrameAt, segment::Index};

/// Follows the frames of a segment and strikes out what its index says of them.
#[derive(Default)]
pub(super) struct IndexCheck {
    /// Where the index begins, and what it says of the last commit; `None`: there is none that is whole.
    read: Option<(u64, Timestamp)>,
    /// What it says of each position that the frames have not come to.
    entries: HashMap<u64, Vec<(PartitionId, Offset)>>,
    /// The partitions that have occurred.
    seen: HashSet<PartitionId>,
    last_commit_at: Timestamp,
    /// The first thing that does not fit.
    reason: Option<String>,
    is_given_up: bool,
}

impl IndexCheck {
    pub(super) fn read(file: &dyn SegmentFile) -> Result<Self> {
        let mut check = Self::default();
        if let Some((index, position)) = Index::read(file)? {
            check.read = Some((position, index.last_commit_at));
            for (partition, base, position) in index.entries() {
                check.entries.entry(position).or_default().push((partition, base));
            }
        }
        Ok(check)
    }

    /// Commits of the segment are damaged: what the index says of them cannot be checked.
    pub(super) fn give_up(&mut self) {
        self.is_given_up = true;
    }

    pub(super) fn follow(&mut self, frame: &FrameAt) {
        self.last_commit_at = frame.head.committed_at;
        let mut entries = self.entries.remove(&frame.position).unwrap_or_default();
        for entry in &frame.head.entries {
            let Entry::Output { partition, base, .. } = entry else { continue };
            let before = entries.len();
            entries.retain(|indexed| *indexed != (*partition, *base));
            if self.seen.insert(*partition) && entries.len() == before {
                self.doubt(format!(
                    "it does not begin with the first batch of a partition: position={}",
                    frame.position
                ));
            }
        }
        if !entries.is_empty() {
            self.doubt(format!("an entry is not of that frame: position={}", frame.position));
        }
    }

    /// Whether the segment, whose frames end at `position`, is closed; or what is wrong with its index.
    pub(super) fn finish(&mut self, position: u64) -> std::result::Result<bool, DamageKind> {
        let Some((begins_at, last_commit_at)) = self.read else {
            return Err(DamageKind::IndexMissing);
        };
        if self.is_given_up {
            return Ok(true);
        }
        if begins_at != position {
            self.doubt(format!("it begins elsewhere: position={begins_at} frames_end={position}"));
        }
        if last_commit_at != self.last_commit_at {
            self.doubt(format!(
                "the time of the last commit: found={} expected={}",
                last_commit_at.0, self.last_commit_at.0
            ));
        }
        if let Some(position) = self.entries.keys().min().copied() {
            self.doubt(format!("an entry points at no frame: position={position}"));
        }
        self.reason.take().map_or(Ok(true), |reason| Err(DamageKind::IndexContradicts { reason }))
    }

    fn doubt(&mut self, reason: String) {
        if self.read.is_some() && self.reason.is_none() {
            self.reason = Some(reason);
        }
    }
}
