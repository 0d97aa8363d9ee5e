//! Making durable what was found but may be in the page cache only.
//!
//! A sync alone does not do that. After one that failed the page cache may call clean what the disk does not have: when
//! the process is killed before it has cut that away, the next one finds it whole, and its sync has nothing to write.

use std::{collections::VecDeque, io::IoSlice};

use linecook_log::{Error, ErrorKind, Result};

use super::{FoundSegment, cannot_sync};
use crate::{
    files::{Files, SegmentFile},
    frame::CommitNumber,
    scan::{Found, Frames},
    segment::unreadable,
};

/// How much is copied at a time.
const CHUNK_BYTES: u64 = 1 << 20;

/// A part of a file.
struct Span<'a> {
    /// The first commit that is not durable unless this part is.
    number: CommitNumber,
    file: &'a dyn SegmentFile,
    from: u64,
    to: u64,
}

/// Syncs these segments and the folder. What nothing says to have been synced before is written once more, as it is,
/// so that there is something to sync. `synced` is the highest number that a header says was.
pub(super) fn make_durable(files: &dyn Files, found: &[FoundSegment], synced: CommitNumber) -> Result<()> {
    for span in not_known_to_be_synced(found, synced)? {
        write_again(&span)?;
    }
    for segment in found {
        segment.file.sync().map_err(cannot_sync)?;
        segment.file.rest();
    }
    files.sync_folder().map_err(cannot_sync)
}

/// The headers and frames behind the highest number that any of them says had been synced. There are few: what is
/// written says what was synced a moment before.
fn not_known_to_be_synced(found: &[FoundSegment], mut synced: CommitNumber) -> Result<VecDeque<Span<'_>>> {
    let begins_before = found.partition_point(|segment| segment.first <= synced.next());
    let mut spans = VecDeque::<Span<'_>>::new();
    for segment in &found[begins_before.saturating_sub(1)..] {
        let Some((_, frames_at)) = &segment.header else { continue };
        let file = &*segment.file;
        spans.push_back(Span { number: segment.first, file, from: 0, to: *frames_at });
        let mut frames = Frames::new(file, *frames_at);
        while let Found::Frame(frame) = frames.next()? {
            spans.push_back(Span { number: frame.head.number, file, from: frame.position, to: frame.end() });
            synced = synced.max(frame.head.synced);
            while spans.front().is_some_and(|span| span.number <= synced) {
                spans.pop_front();
            }
        }
    }
    Ok(spans)
}

fn write_again(span: &Span<'_>) -> Result<()> {
    let mut position = span.from;
    let mut bytes = Vec::new();
    while position < span.to {
        let length = usize::try_from((span.to - position).min(CHUNK_BYTES)).expect("a chunk fits in memory");
        bytes.resize(length, 0);
        let count = span.file.read(position, &mut bytes).map_err(|error| unreadable(error, "a segment"))?;
        if count == 0 {
            break; // the last frame is not whole, and will be cut
        }
        let written = span.file.write(position, &mut [IoSlice::new(&bytes[..count])]);
        written.map_err(|error| {
            Error::new(ErrorKind::Unavailable, "cannot write to a segment that is to be made durable")
                .with_source(error)
        })?;
        position += count as u64;
    }
    Ok(())
}
