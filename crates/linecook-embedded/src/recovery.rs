//! Opening: which frames are whole, what follows from them, and where the next one goes.
//!
//! Frames up to the highest number that anything says had been synced are there for sure; what retention has dropped was
//! synced, too. Behind them the first frame that is not whole ends the history: what lies behind it was never shown to
//! anyone and is cut. But if a later frame or segment says that the missing one *had* been synced, no crash did that: it
//! is `Corrupt`, and nothing is cut. So it is when a segment is missing among those that are not read as a whole.

mod rewrite;

use std::{collections::VecDeque, sync::Arc};

use linecook_log::{Error, ErrorKind, Result};

use crate::{
    catalog::Catalog,
    files::{Files, SegmentFile},
    frame::{CommitNumber, Entry, NoHead},
    options::Options,
    payload::{self, FullRow},
    scan::{Found, FrameAt, Frames, newer_version, says_later_that_it_was_synced},
    segment::{self, Header, Index, unreadable},
    segments::Segment,
    succession::{self, Candidate, Succession},
    writer::create_segment,
};

/// A log as it was found.
pub(crate) struct Recovered {
    pub(crate) segments: VecDeque<Arc<Segment>>,
    pub(crate) catalog: Catalog,
    pub(crate) number: CommitNumber,
    /// How long the last segment's file is.
    pub(crate) allocated: u64,
}

/// What is done with the rows of each commit that is found, in order.
pub(crate) type ReplayRows<'a> = dyn FnMut(CommitNumber, Vec<FullRow>) -> Result<()> + 'a;

/// Where history ends at the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// With the last whole frame.
    LastWhole,
    /// With this commit: what lies behind it was never shown, and the device failed to sync it.
    Commit(CommitNumber),
}

/// Finds the history in `files`, cuts what lies behind it and makes that durable. The rows of the commits behind
/// `persisted` go to `replay`.
///
/// # Errors
/// `Corrupt`; `Unavailable`, `Full` from the file layer.
pub(crate) fn recover(
    files: &dyn Files,
    options: &Options,
    (persisted, until): (CommitNumber, Until),
    replay: &mut ReplayRows<'_>,
) -> Result<Recovered> {
    let (strays, found) = set_strays_aside(find_segments(files)?)?;
    if found.is_empty() || is_unfinished_start(&found)? {
        return begin(files, options, persisted);
    }
    let synced = segment::synced_by(found.iter().map(|it| it.header.as_ref().map(|(header, _)| header)));
    let from = scan_from(&found, synced, persisted)?;
    // Before its rows reach the tree and before anyone sees it; not only the last segment, or a later power cut would
    // find a hole in what was shown.
    rewrite::make_durable(files, &found[from..], synced)?;
    let mut scan = Scan::new(&found, from, persisted, until)?;
    scan.run(replay)?;
    let history = scan.history;
    check_reaches(&found, &history, (synced, persisted), until)?;
    let recovered = cut(files, options, &found, history)?;
    for stray in strays {
        if let Err(error) = files.remove(&stray.name) {
            tracing::warn!(file = stray.name, %error, "a file that is no segment stays for now");
        }
    }
    Ok(recovered)
}

/// A file of the folder that is named like a segment.
struct FoundSegment {
    name: String,
    first: CommitNumber,
    file: Arc<dyn SegmentFile>,
    /// The header and its length; `None` when it is not whole.
    header: Option<(Header, u64)>,
}

impl FoundSegment {
    fn header(&self) -> Result<&(Header, u64)> {
        let damaged = || corrupt(format!("the header of a segment is damaged: file={}", self.name));
        self.header.as_ref().ok_or_else(damaged)
    }

    fn place(&self) -> (String, Arc<dyn SegmentFile>) {
        (self.name.clone(), Arc::clone(&self.file))
    }
}

fn find_segments(files: &dyn Files) -> Result<Vec<FoundSegment>> {
    let mut names = files.list().map_err(|error| unreadable(error, "the folder of the segments"))?;
    names.sort();
    names.into_iter().filter_map(|name| segment::first_of(&name).map(|first| open(files, name, first))).collect()
}

fn open(files: &dyn Files, name: String, first: CommitNumber) -> Result<FoundSegment> {
    let file = files.open(&name).map_err(|error| unreadable(error, "a segment"))?;
    let header = match Header::read(&*file)? {
        Ok((header, length)) if header.first == first => Some((header, length)),
        Ok(_) | Err(NoHead::NotWhole) => None,
        Err(NoHead::Version(found)) => return Err(newer_version(found)),
    };
    file.rest();
    Ok(FoundSegment { name, first, file, header })
}

/// The files that are no segments although they are named so, and the others.
fn set_strays_aside(found: Vec<FoundSegment>) -> Result<(Vec<FoundSegment>, Vec<FoundSegment>)> {
    let candidates = found.iter().map(|it| {
        let frames_at = it.header.as_ref().map(|(_, frames_at)| *frames_at);
        Candidate { first: it.first, frames_at, file: &*it.file }
    });
    let strays = succession::strays(&candidates.collect::<Vec<_>>())?;
    Ok(found.into_iter().partition(|it| strays.contains(&it.first)))
}

/// Whether there is nothing but a first segment that a crash left before its header was whole. Without this the log
/// could never be opened again. The header is durable before the first frame, so one with a frame is damaged.
fn is_unfinished_start(found: &[FoundSegment]) -> Result<bool> {
    let [FoundSegment { first: CommitNumber(1), header: None, file, .. }] = found else { return Ok(false) };
    Ok(!says_later_that_it_was_synced([&**file].into_iter(), 0, CommitNumber(0))?)
}

fn begin(files: &dyn Files, options: &Options, persisted: CommitNumber) -> Result<Recovered> {
    if persisted > CommitNumber(0) {
        return Err(corrupt(format!("there are rows of commits but no segments: rows_up_to={persisted}")));
    }
    let header = Header { first: CommitNumber(1), synced: CommitNumber(0), catalog: Catalog::default() };
    let (segment, allocated) = create_segment(&header, 0, options, files)?;
    make_durable(files, &*segment.file)?;
    Ok(Recovered { segments: [segment].into(), catalog: header.catalog, number: CommitNumber(0), allocated })
}

/// The index of the segment to begin with: the one that has the first commit that may not be synced, or whose rows are
/// to be replayed.
fn scan_from(found: &[FoundSegment], synced: CommitNumber, persisted: CommitNumber) -> Result<usize> {
    let needed = synced.min(persisted).next();
    let begins_before = found.partition_point(|segment| segment.first <= needed);
    // One whose header a power cut took was never shown: history ends in one before it, or a later one says otherwise.
    let index = found[..begins_before].iter().rposition(|segment| segment.header.is_some());
    if index.is_none() && begins_before > 0 {
        return Err(corrupt(format!("the header of a segment is damaged: file={}", found[begins_before - 1].name)));
    }
    index.ok_or_else(|| {
        corrupt(format!(
            "rows are missing, and the log does not reach back to make them again: rows_up_to={persisted} \
             log_begins_with={}",
            found[0].first
        ))
    })
}

/// The history as far as it was scanned.
struct History {
    /// Of the segment in which it ends.
    segment: usize,
    catalog: Catalog,
    index: Index,
    number: CommitNumber,
    /// The position behind the last whole frame.
    end: u64,
}

struct Scan<'a> {
    found: &'a [FoundSegment],
    persisted: CommitNumber,
    until: Until,
    history: History,
}

impl<'a> Scan<'a> {
    fn new(found: &'a [FoundSegment], from: usize, persisted: CommitNumber, until: Until) -> Result<Self> {
        let (header, frames_at) = found[from].header()?;
        let history = History {
            segment: from,
            catalog: header.catalog.clone(),
            index: Index::default(),
            number: CommitNumber(header.first.0 - 1),
            end: *frames_at,
        };
        Ok(Self { found, persisted, until, history })
    }

    fn run(&mut self, replay: &mut ReplayRows<'_>) -> Result<()> {
        loop {
            self.scan_segment(replay)?;
            let next = self.history.segment + 1;
            let follows = |it: &&FoundSegment| it.first == self.history.number.next() && !self.is_over();
            let Some((_, frames_at)) = self.found.get(next).filter(follows).and_then(|it| it.header.as_ref()) else {
                return Ok(());
            };
            self.found[self.history.segment].file.rest();
            self.history.segment = next;
            self.history.index = Index::default();
            self.history.end = *frames_at;
        }
    }

    fn is_over(&self) -> bool {
        matches!(self.until, Until::Commit(last) if self.history.number >= last)
    }

    fn scan_segment(&mut self, replay: &mut ReplayRows<'_>) -> Result<()> {
        let mut frames = Frames::new(&*self.found[self.history.segment].file, self.history.end);
        while !self.is_over() {
            let Found::Frame(frame) = frames.next()? else { break };
            if frame.head.number != self.history.number.next() || !frames.is_payload_whole(&frame)? {
                break;
            }
            self.follow(&mut frames, &frame, replay)?;
        }
        Ok(())
    }

    fn follow(&mut self, frames: &mut Frames<'_>, frame: &FrameAt, replay: &mut ReplayRows<'_>) -> Result<()> {
        let head = &frame.head;
        let history = &mut self.history;
        for entry in &head.entries {
            let applied = history.catalog.apply(entry);
            applied.ok_or_else(|| corrupt(format!("a frame contradicts those before it: number={}", head.number)))?;
            if let Entry::Output { partition, base, .. } = entry {
                history.index.note(*partition, *base, frame.position);
            }
        }
        history.index.last_commit_at = head.committed_at;
        history.number = head.number;
        history.end = frame.end();
        if head.number > self.persisted {
            let mut rows = Vec::new();
            for (entry, part, at) in head.parts() {
                if matches!(entry, Entry::Rows { .. }) {
                    rows = payload::decode_rows(&payload::load(part, frames.part(frame, part, at)?)?)?;
                }
            }
            replay(head.number, rows)?;
        }
        Ok(())
    }
}

/// Refuses to cut what had been synced.
fn check_reaches(
    found: &[FoundSegment],
    history: &History,
    (synced, persisted): (CommitNumber, CommitNumber),
    until: Until,
) -> Result<()> {
    if matches!(until, Until::Commit(last) if history.number == last) {
        return Ok(());
    }
    let missing = history.number.next();
    let was_shown = matches!(until, Until::Commit(last) if last >= missing);
    // The tree holds nothing that was not on disk. It would take the next commits for those that it has already.
    let is_in_rows = persisted >= missing;
    let later = found[history.segment..].iter().map(|segment| &*segment.file);
    if synced < missing && !was_shown && !is_in_rows && !says_later_that_it_was_synced(later, history.end, missing)? {
        return Ok(());
    }
    let name = &found[history.segment].name;
    let text = format!(
        "a commit that had been on disk is damaged or missing; nothing was changed, so a copy of the folder can be \
         examined: commit={missing} file={name} position={}",
        history.end
    );
    Err(corrupt(text))
}

/// Cuts what lies behind the history, so that no stale frame can ever follow a new one.
fn cut(files: &dyn Files, options: &Options, found: &[FoundSegment], history: History) -> Result<Recovered> {
    // What may refuse comes first: then nothing is changed.
    let mut segments = VecDeque::new();
    for (index, segment) in found[..history.segment].iter().enumerate() {
        let (header, frames_at) = segment.header()?;
        let end = frames_end(segment, *frames_at, &found[index + 1])?;
        segment.file.rest();
        segments.push_back(Arc::new(Segment::new(segment.place(), header, (*frames_at, end), None)));
    }
    let last = &found[history.segment];
    let (header, frames_at) = last.header()?;
    for segment in &found[history.segment + 1..] {
        files.remove(&segment.name).map_err(|error| unreadable(error, "a segment that is to be removed"))?;
    }
    last.file.cut(history.end, history.end).map_err(|error| unreadable(error, "a segment that is to be cut"))?;
    // Without room it opens all the same: what is there can be read.
    let allocated = options.segment_bytes().max(history.end);
    let allocated = last.file.cut(history.end, allocated).map_or(history.end, |()| allocated);
    make_durable(files, &*last.file)?;
    let frames = (*frames_at, history.end);
    segments.push_back(Arc::new(Segment::new(last.place(), header, frames, Some(history.index))));
    Ok(Recovered { segments, catalog: history.catalog, number: history.number, allocated })
}

/// Where the frames of a segment end that is not the last one.
fn frames_end(segment: &FoundSegment, frames_at: u64, next: &FoundSegment) -> Result<u64> {
    match succession::look(&*segment.file, (segment.first, frames_at), next.first)? {
        // Who reads to where it is damaged is told, instead of missing what lies behind it.
        Succession::Follows(end) | Succession::Damaged(end) => Ok(end),
        Succession::Gap(last) => Err(corrupt(format!(
            "commits are missing between two segments; nothing was changed, so a copy of the folder can be examined: \
             file={} last_commit={last} next_file={}",
            segment.name, next.name
        ))),
    }
}

fn make_durable(files: &dyn Files, file: &dyn SegmentFile) -> Result<()> {
    file.sync().and_then(|()| files.sync_folder()).map_err(cannot_sync)
}

fn cannot_sync(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "cannot sync the log's folder").with_source(error)
}

fn corrupt(text: String) -> Error {
    Error::new(ErrorKind::Corrupt, text)
}
