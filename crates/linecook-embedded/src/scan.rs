//! Reading frames one behind the other, as recovery, cold readers and the offline tools do.

use linecook_log::{Error, ErrorKind, Result};

use crate::{
    files::SegmentFile,
    frame::{CommitNumber, FIXED_BYTES, Head, MAGIC, NoHead, Part},
    segment::{INDEX_MAGIC, unreadable},
};

/// How much is read at a time.
const WINDOW_BYTES: usize = 256 << 10;

/// The frames of a file from a position on.
pub(crate) struct Frames<'a> {
    file: &'a dyn SegmentFile,
    position: u64,
    window: Vec<u8>,
    window_at: u64,
}

/// What lies at the position of a scan.
pub(crate) enum Found {
    /// A frame whose head is whole.
    Frame(FrameAt),
    /// The index of a closed segment: there are no more frames.
    Index,
    /// No whole head.
    Nothing,
}

/// A frame and where it lies.
pub(crate) struct FrameAt {
    pub(crate) head: Head,
    pub(crate) position: u64,
    pub(crate) payload_at: u64,
}

impl FrameAt {
    /// The position behind it.
    pub(crate) fn end(&self) -> u64 {
        self.payload_at + u64::from(self.head.payload_length)
    }
}

impl<'a> Frames<'a> {
    /// The frames from `position` on, which is the beginning of one.
    pub(crate) fn new(file: &'a dyn SegmentFile, position: u64) -> Self {
        Self { file, position, window: Vec::new(), window_at: position }
    }

    /// Where it stands.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// What lies here; a frame is stepped over.
    ///
    /// # Errors
    /// `Corrupt`: a frame of a newer format version. `Unavailable`: the file cannot be read.
    pub(crate) fn next(&mut self) -> Result<Found> {
        self.look()?.map_err(newer_version)
    }

    /// As [`next`](Self::next), but a format version that this program does not know is what was found, not an error.
    pub(crate) fn look(&mut self) -> Result<std::result::Result<Found, u8>> {
        let position = self.position;
        let Some(fixed) = self.bytes(position, FIXED_BYTES)?.and_then(|bytes| bytes.first_chunk().copied()) else {
            // An index can be shorter than a head.
            let is_index = self.bytes(position, 4)?.is_some_and(|bytes| bytes == INDEX_MAGIC);
            return Ok(Ok(if is_index { Found::Index } else { Found::Nothing }));
        };
        if fixed[..4] == INDEX_MAGIC {
            return Ok(Ok(Found::Index));
        }
        let Some(length) = Head::length(&fixed) else { return Ok(Ok(Found::Nothing)) };
        let Some(bytes) = self.bytes(position, length)? else { return Ok(Ok(Found::Nothing)) };
        match Head::decode(bytes) {
            Ok(head) => {
                let frame = FrameAt { head, position, payload_at: position + length as u64 };
                self.position = frame.end();
                Ok(Ok(Found::Frame(frame)))
            }
            Err(NoHead::NotWhole) => Ok(Ok(Found::Nothing)),
            Err(NoHead::Version(found)) => Ok(Err(found)),
        }
    }

    /// The stored bytes of a part of a frame's payload; shorter when the file ends before.
    pub(crate) fn part(&mut self, frame: &FrameAt, part: Part, at: u64) -> Result<Vec<u8>> {
        let position = frame.payload_at + at;
        if let Some(bytes) = self.in_window(position, part.stored as usize) {
            return Ok(bytes.to_vec());
        }
        let mut bytes = vec![0; part.stored as usize];
        let count = self.file.read(position, &mut bytes).map_err(|error| unreadable(error, "a frame"))?;
        bytes.truncate(count);
        Ok(bytes)
    }

    /// Whether every part of the frame's payload is as it was written.
    pub(crate) fn is_payload_whole(&mut self, frame: &FrameAt) -> Result<bool> {
        for (_, part, at) in frame.head.parts() {
            let bytes = self.part(frame, part, at)?;
            if bytes.len() != part.stored as usize || crc32c::crc32c(&bytes) != part.crc {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Looks, from the position on, at every place for a whole frame that says that `number` had been synced. If there
    /// is one, the frame `number` was not torn by a crash but damaged later.
    pub(crate) fn says_later_that_it_was_synced(&mut self, number: CommitNumber) -> Result<bool> {
        while let Some(found) = self.seek()? {
            let frame = found.map_err(newer_version)?;
            if frame.head.synced >= number {
                return Ok(true);
            }
            self.position = frame.position + 1;
        }
        Ok(false)
    }

    /// Steps to the next whole head from the position on, over whatever lies before it. A frame is stepped over; of
    /// one of an unknown format version there is only the version.
    pub(crate) fn seek(&mut self) -> Result<Option<std::result::Result<FrameAt, u8>>> {
        let mut position = self.position;
        loop {
            let Some(window) = self.bytes_up_to(position, FIXED_BYTES)? else { return Ok(None) };
            if window.len() < FIXED_BYTES {
                return Ok(None);
            }
            let Some(offset) = find_magic(window) else {
                position += (window.len() - (MAGIC.len() - 1)) as u64;
                continue;
            };
            position += offset as u64;
            self.position = position;
            match self.look()? {
                Ok(Found::Frame(frame)) => return Ok(Some(Ok(frame))),
                Ok(Found::Index | Found::Nothing) => position += 1,
                Err(version) => {
                    self.position += 1;
                    return Ok(Some(Err(version)));
                }
            }
        }
    }

    /// The number of the frame that ends at `end`, behind the position. What looks like one may lie in a record.
    pub(crate) fn number_before(&mut self, end: u64) -> Result<Option<CommitNumber>> {
        while let Some(found) = self.seek()? {
            let Ok(frame) = found else { continue };
            if frame.end() == end {
                return Ok(Some(frame.head.number));
            }
            if frame.position >= end {
                break;
            }
            self.position = frame.position + 1;
        }
        Ok(None)
    }

    fn in_window(&self, position: u64, length: usize) -> Option<&[u8]> {
        let offset = usize::try_from(position.checked_sub(self.window_at)?).ok()?;
        self.window.get(offset..offset.checked_add(length)?)
    }

    /// `length` bytes at `position`, or `None` when the file ends before.
    fn bytes(&mut self, position: u64, length: usize) -> Result<Option<&[u8]>> {
        Ok(self.bytes_up_to(position, length)?.and_then(|bytes| bytes.get(..length)))
    }

    /// At least `length` bytes at `position` if the file has them, else what there is; `None` for nothing at all.
    fn bytes_up_to(&mut self, position: u64, length: usize) -> Result<Option<&[u8]>> {
        if self.in_window(position, length).is_none() {
            // A length that was read from damaged bytes must not become an allocation.
            let file_length = self.file.length_bytes().map_err(|error| unreadable(error, "a frame"))?;
            let left = usize::try_from(file_length.saturating_sub(position)).unwrap_or(usize::MAX);
            self.window.resize(length.max(WINDOW_BYTES).min(left), 0);
            let count = self.file.read(position, &mut self.window).map_err(|error| unreadable(error, "a frame"))?;
            self.window.truncate(count);
            self.window_at = position;
        }
        let offset = usize::try_from(position - self.window_at).unwrap_or(usize::MAX);
        Ok(self.window.get(offset..).filter(|bytes| !bytes.is_empty()))
    }
}

/// Whether anything from `position` of the first of these files on says that `number` had been synced.
pub(crate) fn says_later_that_it_was_synced<'a>(
    files: impl Iterator<Item = &'a dyn SegmentFile>,
    mut position: u64,
    number: CommitNumber,
) -> Result<bool> {
    for file in files {
        if Frames::new(file, position).says_later_that_it_was_synced(number)? {
            return Ok(true);
        }
        position = 0;
    }
    Ok(false)
}

fn find_magic(bytes: &[u8]) -> Option<usize> {
    // Most of what is searched is preallocated zeros: skip to a first byte that fits.
    let mut from = 0;
    while let Some(offset) = bytes[from..].iter().position(|byte| *byte == MAGIC[0]) {
        let at = from + offset;
        if bytes[at..].starts_with(&MAGIC) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

pub(crate) fn newer_version(found: u8) -> Error {
    let known = crate::frame::VERSION;
    let text = format!(
        "the data was written by another version of this program, in a format that this one does not know: \
         found_format={found} known_format={known}"
    );
    Error::new(ErrorKind::Corrupt, text)
}
