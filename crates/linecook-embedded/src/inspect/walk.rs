//! The frames of all segments in order, up to where opening would end the history.
//!
//! What had been on disk and is not whole any more does not end it: the walk says so and goes on at the next frame that
//! is whole. What opening would cut it never shows.

use linecook_log::Result;

use super::{FoundSegment, synced_by_headers};
use crate::{
    frame::{CommitNumber, Part},
    scan::{Found, FrameAt, Frames, says_later_that_it_was_synced},
};

pub(super) struct Walk<'a> {
    found: &'a [FoundSegment],
    /// The highest number that a header says had been synced.
    synced: CommitNumber,
    segment: usize,
    frames: Option<Frames<'a>>,
    expected: CommitNumber,
    state: State,
}

enum State {
    Entering,
    Inside,
    /// The segment's frames ended at this position.
    Leaving(u64),
    /// The history ended, in the current segment at this position.
    Over(u64),
}

pub(super) enum Step {
    /// A segment begins.
    Begins(usize),
    /// A frame with a whole head and the number that follows. The checksums of its payload were verified only where
    /// the frame may be torn.
    Frame(FrameAt),
    /// The frames of the current segment end here.
    Ends(u64),
    /// Commits that had been on disk are not there.
    Broken(Broken),
}

/// Missing commits, and where the first of them should be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Broken {
    pub(super) position: u64,
    pub(super) first: CommitNumber,
    pub(super) last: CommitNumber,
    pub(super) cause: Cause,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Cause {
    NotWhole,
    /// There is a frame of another number.
    OtherNumber,
    /// The segment ends as it should, and the next one does not follow it.
    SegmentMissing,
    /// A frame of a format version that this program does not know.
    Version(u8),
}

impl<'a> Walk<'a> {
    /// From the beginning of a segment on.
    pub(super) fn new(found: &'a [FoundSegment], segment: usize) -> Self {
        let expected = found.get(segment).map(|it| it.first).unwrap_or_default();
        let state = if found.is_empty() { State::Over(0) } else { State::Entering };
        Self { found, synced: synced_by_headers(found), segment, frames: None, expected, state }
    }

    /// The next step; `None` at the end of the history.
    ///
    /// # Errors
    /// `Unavailable`: the file cannot be read. [`skip_segment`](Self::skip_segment) goes on behind it.
    pub(super) fn step(&mut self) -> Result<Option<Step>> {
        match self.state {
            State::Entering => {
                let segment = &self.found[self.segment];
                self.frames = Some(Frames::new(&*segment.file, segment.frames_at()));
                self.state = State::Inside;
                Ok(Some(Step::Begins(self.segment)))
            }
            State::Inside => self.inside(),
            State::Leaving(position) => self.leave(position),
            State::Over(_) => Ok(None),
        }
    }

    /// Where it stands, and at the end where the history ended.
    pub(super) fn segment(&self) -> usize {
        self.segment
    }

    pub(super) fn position(&self) -> u64 {
        match (&self.state, &self.frames) {
            (State::Over(position) | State::Leaving(position), _) => *position,
            (_, Some(frames)) => frames.position(),
            (_, None) => 0,
        }
    }

    /// The commit that comes next.
    pub(super) fn expected(&self) -> CommitNumber {
        self.expected
    }

    /// The stored bytes of a part of the frame that the last step brought.
    pub(super) fn part(&mut self, frame: &FrameAt, part: Part, at: u64) -> Result<Vec<u8>> {
        self.frames().part(frame, part, at)
    }

    /// Goes on with the next segment, if there is one.
    pub(super) fn skip_segment(&mut self) {
        let position = self.position();
        match self.found.get(self.segment + 1) {
            None => self.state = State::Over(position),
            Some(next) => self.enter_next(next.first),
        }
    }

    fn frames(&mut self) -> &mut Frames<'a> {
        let file = &*self.found[self.segment].file;
        self.frames.get_or_insert_with(|| Frames::new(file, 0))
    }

    fn inside(&mut self) -> Result<Option<Step>> {
        let position = self.position();
        match self.frames().look()? {
            Ok(Found::Frame(frame)) if frame.head.number == self.expected => {
                if self.is_torn(&frame)? {
                    return Ok(self.over(position));
                }
                self.expected = self.expected.next();
                Ok(Some(Step::Frame(frame)))
            }
            Ok(Found::Frame(_)) => self.search(position, Cause::OtherNumber),
            Ok(Found::Index) => Ok(self.ends(position)),
            Ok(Found::Nothing) => self.search(position, Cause::NotWhole),
            Err(version) => self.search(position, Cause::Version(version)),
        }
    }

    fn ends(&mut self, position: u64) -> Option<Step> {
        self.state = State::Leaving(position);
        Some(Step::Ends(position))
    }

    fn over(&mut self, position: u64) -> Option<Step> {
        self.state = State::Over(position);
        None
    }

    fn enter_next(&mut self, first: CommitNumber) {
        self.found[self.segment].file.rest();
        self.segment += 1;
        self.expected = first;
        self.state = State::Entering;
    }

    fn leave(&mut self, position: u64) -> Result<Option<Step>> {
        let Some(next) = self.found.get(self.segment + 1) else { return Ok(self.over(position)) };
        let first = next.first;
        // What opening would not go on with, it would remove, unless it had been on disk.
        if (first != self.expected || next.is_damaged()) && !self.was_synced(position)? {
            return Ok(self.over(position));
        }
        if first == self.expected {
            self.enter_next(first);
            return self.step();
        }
        let broken = self.broken(position, CommitNumber(first.0.saturating_sub(1)), Cause::SegmentMissing);
        self.enter_next(first);
        Ok(broken)
    }

    /// There is no frame that follows here: the segment ends, or the history, or there is damage.
    fn search(&mut self, position: u64, cause: Cause) -> Result<Option<Step>> {
        let next_first = self.found.get(self.segment + 1).map(|next| next.first);
        if next_first == Some(self.expected) {
            return Ok(self.ends(position)); // a crash can keep a segment from being closed
        }
        if !matches!(cause, Cause::Version(_)) && !self.was_synced(position)? {
            return Ok(self.over(position));
        }
        if let Some(found) = self.seek(position, next_first)? {
            if found == self.expected {
                return self.inside();
            }
            let broken = self.broken(position, CommitNumber(found.0 - 1), cause);
            self.expected = found;
            return Ok(broken);
        }
        let last = next_first.map_or(self.synced, |first| CommitNumber(first.0.saturating_sub(1)));
        let broken = self.broken(position, last, cause);
        match next_first {
            Some(first) => self.enter_next(first),
            None => self.state = State::Over(position),
        }
        Ok(broken)
    }

    /// Stands before the next whole frame that comes later in the history than what is missing; its number.
    fn seek(&mut self, position: u64, before: Option<CommitNumber>) -> Result<Option<CommitNumber>> {
        let expected = self.expected;
        let mut frames = Frames::new(&*self.found[self.segment].file, position);
        let is_later = |number| number >= expected && before.is_none_or(|before| number < before);
        while let Some(found) = frames.seek()? {
            let Some(frame) = found.ok().filter(|frame| is_later(frame.head.number)) else { continue };
            self.frames = Some(Frames::new(&*self.found[self.segment].file, frame.position));
            return Ok(Some(frame.head.number));
        }
        Ok(None)
    }

    fn broken(&self, position: u64, last: CommitNumber, cause: Cause) -> Option<Step> {
        let first = self.expected;
        Some(Step::Broken(Broken { position, first, last: last.max(first), cause }))
    }

    /// Whether a frame ends the history as a crash does: its payload is not whole, and it had not been on disk.
    fn is_torn(&mut self, frame: &FrameAt) -> Result<bool> {
        let may_be_torn = frame.head.number > self.synced;
        Ok(may_be_torn && !self.frames().is_payload_whole(frame)? && !self.was_synced(frame.position)?)
    }

    /// Whether the expected commit, which should be at `position`, had been on disk.
    fn was_synced(&self, position: u64) -> Result<bool> {
        if self.synced >= self.expected {
            return Ok(true);
        }
        let later = self.found[self.segment..].iter().map(|segment| &*segment.file);
        let was_synced = says_later_that_it_was_synced(later, position, self.expected)?;
        self.found[self.segment + 1..].iter().for_each(|segment| segment.file.rest());
        Ok(was_synced)
    }
}
