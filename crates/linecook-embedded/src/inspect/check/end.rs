//! Where the history ends, and what lies behind that.

use linecook_log::Result;

use super::{Check, segment_report};
use crate::{
    files::SegmentFile,
    frame::{CommitNumber, NoHead},
    inspect::{
        FoundSegment,
        damage::{DamageKind, Opening},
        report::HistoryEnd,
        walk::Walk,
    },
    scan::says_later_that_it_was_synced,
    segment::unreadable,
};

/// How much is read at a time where only zeros are expected.
const WINDOW_BYTES: usize = 256 << 10;

impl Check<'_> {
    /// What lies behind the end of the history.
    pub(super) fn check_end(&mut self, walk: &Walk<'_>) -> Result<Option<HistoryEnd>> {
        let all = &self.inspection.found;
        let Some(last) = all.get(walk.segment()) else { return Ok(None) };
        let position = walk.position();
        let last_commit = CommitNumber(walk.expected().0.saturating_sub(1));
        let is_closed = self.segments.last().is_some_and(|segment| segment.is_closed);
        let bytes = if is_closed { 0 } else { bytes_behind(&*last.file, position)? };
        let is_broken = self.damage.last().is_some_and(|it| it.position == position && it.file == last.name);
        if bytes > 0 && !is_broken {
            self.note(position, Some(last_commit.next()), DamageKind::TornTail { bytes }, Opening::Cuts);
        }
        for (segment, behind) in all.iter().enumerate().skip(walk.segment() + 1) {
            self.segment = segment;
            self.segments.push(segment_report(behind));
            behind.file.rest();
            match behind.header {
                Err(NoHead::Version(_)) => self.check_header(behind),
                _ => self.note(0, None, DamageKind::BehindTheEnd, Opening::Cuts),
            }
        }
        Ok(Some(HistoryEnd { file: last.name.clone(), position, last_commit }))
    }

    /// Whether a crash left the first segment of all before it was there: opening begins anew.
    pub(super) fn is_unfinished_start(&self) -> bool {
        let [FoundSegment { first: CommitNumber(1), file, .. }] = &*self.inspection.found else { return false };
        says_later_that_it_was_synced([&**file].into_iter(), 0, CommitNumber(0)).is_ok_and(|has_frames| !has_frames)
    }
}

/// How much lies from `position` on up to the last byte that is not zero.
pub(super) fn bytes_behind(file: &dyn SegmentFile, position: u64) -> Result<u64> {
    let mut window = vec![0; WINDOW_BYTES];
    let (mut at, mut end) = (position, position);
    loop {
        let count = file.read(at, &mut window).map_err(|error| unreadable(error, "a segment"))?;
        if let Some(last) = window[..count].iter().rposition(|byte| *byte != 0) {
            end = at + last as u64 + 1;
        }
        at += count as u64;
        if count < window.len() {
            return Ok(end - position);
        }
    }
}
