//! Whether a segment ends with the commit before the one that the next segment begins with, and which files between two
//! segments are none.

use linecook_log::Result;

use crate::{
    files::SegmentFile,
    frame::{CommitNumber, FIXED_BYTES},
    scan::{Found, Frames},
    segment::{Index, unreadable},
};

/// Where the last frame of a closed segment is looked for at first, from the end.
const LAST_FRAME_BYTES: u64 = 16 << 10;

/// How a segment ends before the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Succession {
    /// With the commit before it; the frames end at this position.
    Follows(u64),
    /// It is as it was written, and ends with this commit: others are missing, or given twice.
    Gap(CommitNumber),
    /// It is damaged; there are no frames behind this position.
    Damaged(u64),
}

/// Looks at the end of a segment that begins with `first`, its frames at `frames_at`. A segment with an index is read as
/// a whole only if its last frame does not tell.
pub(crate) fn look(
    file: &dyn SegmentFile,
    (first, frames_at): (CommitNumber, u64),
    next: CommitNumber,
) -> Result<Succession> {
    let index_at = Index::read(file)?.map(|(_, position)| position);
    if let Some(end) = index_at
        && last_number(file, frames_at, end)?.is_some_and(|last| last.next() == next)
    {
        return Ok(Succession::Follows(end));
    }
    let mut frames = Frames::new(file, frames_at);
    let (mut last, mut end) = (CommitNumber(first.0 - 1), frames_at);
    while let Found::Frame(frame) = frames.next()?
        && frame.head.number == last.next()
    {
        (last, end) = (frame.head.number, frame.end());
    }
    if last.next() == next {
        return Ok(Succession::Follows(end));
    }
    let is_whole = match index_at {
        Some(position) => position == end,
        None => is_unwritten(file, end)?,
    };
    if is_whole {
        return Ok(Succession::Gap(last));
    }
    let length = || file.length_bytes().map_err(|error| unreadable(error, "a segment"));
    Ok(Succession::Damaged(index_at.map_or_else(length, Ok)?))
}

/// A file that is named like a segment.
pub(crate) struct Candidate<'a> {
    pub(crate) first: CommitNumber,
    /// `None` when its header is not whole.
    pub(crate) frames_at: Option<u64>,
    pub(crate) file: &'a dyn SegmentFile,
}

/// The files of segments that could not be created, nor be removed: they have no header, and the segment before them
/// reaches to the next whole one. A segment whose header was damaged is missed there.
pub(crate) fn strays(all: &[Candidate<'_>]) -> Result<Vec<CommitNumber>> {
    let whole = |(index, it): (usize, &Candidate<'_>)| it.frames_at.map(|frames_at| (index, frames_at));
    let whole: Vec<_> = all.iter().enumerate().filter_map(whole).collect();
    let mut strays = Vec::new();
    for (&(before, frames_at), &(next, _)) in whole.iter().zip(whole.iter().skip(1)) {
        if next > before + 1 {
            let segment = &all[before];
            let succession = look(segment.file, (segment.first, frames_at), all[next].first)?;
            segment.file.rest();
            if matches!(succession, Succession::Follows(_)) {
                strays.extend(all[before + 1..next].iter().map(|stray| stray.first));
            }
        }
    }
    Ok(strays)
}

fn last_number(file: &dyn SegmentFile, frames_at: u64, end: u64) -> Result<Option<CommitNumber>> {
    let mut bytes = LAST_FRAME_BYTES;
    loop {
        let from = end.saturating_sub(bytes).max(frames_at);
        let found = Frames::new(file, from).number_before(end)?;
        if found.is_some() || from == frames_at {
            return Ok(found);
        }
        bytes *= 16;
    }
}

/// Whether nothing was ever written at a position where a frame would begin.
fn is_unwritten(file: &dyn SegmentFile, position: u64) -> Result<bool> {
    let mut bytes = [0; FIXED_BYTES];
    file.read(position, &mut bytes).map_err(|error| unreadable(error, "a segment"))?;
    Ok(bytes == [0; FIXED_BYTES])
}
