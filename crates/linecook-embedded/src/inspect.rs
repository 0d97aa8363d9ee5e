//! Reading a data directory that no process has open: what is in it, whether it is whole, and its records.
//!
//! Nothing is changed, not even what opening would mend. So a directory that a log refuses to open can be examined, and
//! one that was killed can be read before anything is cut. The tree of the rows need not be whole: it is not looked at,
//! so what only the tree shows (rows of commits that the log has lost) is not found.
//!
//! ```text
//!            ┌─► report: every head, every checksum, every batch, every index ─► text, JSON
//!   walk ────┤
//!            └─► records: of one topic, in the order of the commits
//! ```
//!
//! Both follow one walk over the frames, which ends where opening would end the history, but goes on behind damage.

mod check;
mod damage;
mod index;
mod json;
mod records;
mod report;
#[cfg(test)]
mod tests;
mod text;
mod walk;

use std::{path::Path, sync::Arc};

use linecook_log::{Error, Offset, Partition, Result, TopicName, TopicPartition};

use crate::{
    catalog::Catalog,
    files::{Disk, Files, SegmentFile},
    frame::{CommitNumber, NoHead},
    lock::DirectoryLock,
    log::{ROWS, SEGMENTS},
    scan::{Found, Frames},
    segment::{self, Header, unreadable},
    succession::{self, Candidate},
};

pub use damage::{Damage, DamageKind, Opening};
pub use records::{Records, StoredRecord};
pub use report::{GroupReport, HistoryEnd, PartitionReport, Progress, Report, SegmentReport, TableReport, TopicReport};

/// A data directory, open for reading. As long as this is there no log can be opened in it.
///
/// ```
/// # use std::sync::Arc;
/// # use linecook_embedded::{EmbeddedLog, Options, inspect::Inspection};
/// # use linecook_log::*;
/// # let folder = tempfile::tempdir().unwrap();
/// # let data_dir = folder.path();
/// # let topic = TopicName::new("orders")?;
/// # let log = EmbeddedLog::open(data_dir, Options::default(), Arc::new(SystemClock::new()))?;
/// # log.create_topics(&[TopicSpec { name: topic.clone(), partition_count: 1 }])?;
/// # drop(log);
/// let inspection = Inspection::open(data_dir)?;
/// let report = inspection.report();
/// assert!(report.is_sound(), "{report}");
/// for record in inspection.records(&topic, None, Offset(0))? {
///     println!("{:?}", record?.value);
/// }
/// # Ok::<(), Error>(())
/// ```
pub struct Inspection {
    found: Vec<FoundSegment>,
    /// The names of files that are no segments although they are named so.
    strays: Vec<String>,
    /// The segment of the first commit that no segment's beginning says had been synced: the history does not end
    /// before it.
    unsynced_from: usize,
    /// Up to which commit rows are on disk, at least, or what is wrong with them; `None`: they were not looked at.
    rows: Option<Result<Option<linecook_rows::Number>, linecook_rows::Error>>,
    _lock: Option<DirectoryLock>,
}

/// A file that is named like a segment.
struct FoundSegment {
    name: String,
    first: CommitNumber,
    file: Arc<dyn SegmentFile>,
    header: std::result::Result<(Header, u64), NoHead>,
}

/// That there is a log in the directory.
///
/// # Errors
/// `Invalid`: there is none.
pub fn check_holds_log(data_dir: &Path) -> Result<()> {
    if data_dir.join(SEGMENTS).is_dir() {
        return Ok(());
    }
    Err(Error::invalid(format!("there is no log in this directory: data_dir={}", data_dir.display())))
}

impl Inspection {
    /// Opens a data directory of an embedded log.
    ///
    /// # Errors
    /// `Unavailable`: it is in use by another process, or cannot be read. `Invalid`: there is no log in it.
    pub fn open(data_dir: &Path) -> Result<Self> {
        check_holds_log(data_dir)?;
        let lock = DirectoryLock::take_to_read(data_dir)?;
        let rows = linecook_rows::inspect(data_dir.join(ROWS));
        Ok(Self { rows: Some(rows), ..Self::open_on(&Disk::new(data_dir.join(SEGMENTS)), lock)? })
    }

    /// Opens what a log wrote on another file layer.
    ///
    /// # Errors
    /// `Unavailable`: it cannot be read.
    pub fn open_with_files(files: &Arc<dyn Files>) -> Result<Self> {
        Self::open_on(&**files, None)
    }

    fn open_on(files: &dyn Files, lock: Option<DirectoryLock>) -> Result<Self> {
        let mut names = files.list().map_err(|error| unreadable(error, "the folder of the segments"))?;
        names.sort();
        let found = names.into_iter().filter_map(|name| segment::first_of(&name).map(|first| (name, first)));
        let found = found.map(|(name, first)| FoundSegment::open(files, name, first)).collect::<Result<Vec<_>>>()?;
        let (strays, found) = set_strays_aside(found);
        let unsynced = synced_by_headers(&found).next();
        let begins_before = found.partition_point(|segment| segment.first <= unsynced);
        Ok(Self { found, strays, unsynced_from: begins_before.saturating_sub(1), rows: None, _lock: lock })
    }

    /// Whether opening reads a segment whatever rows are there. The ones before it reads only as far as rows are to be
    /// made again.
    fn is_always_scanned(&self, segment: usize) -> bool {
        self.found.iter().rposition(|segment| segment.header.is_ok()).is_none_or(|last| segment >= last)
    }

    /// Reads and verifies everything. What cannot be read is a finding like any other.
    pub fn report(&self) -> Report {
        check::run(self)
    }

    /// The records of a topic with offsets from `from` on, in the order of their commits: of one partition, or of all.
    /// They are read as the iterator goes; what it holds in memory is a batch. A batch or commits that cannot be read
    /// are an `Err` at their place, and what lies behind them follows.
    ///
    /// # Errors
    /// `Invalid`: no such topic or partition. `Unavailable`: the files cannot be read.
    pub fn records(&self, topic: &TopicName, partition: Option<Partition>, from: Offset) -> Result<Records<'_>> {
        let catalog = self.newest_catalog()?;
        let partitions = match partition {
            None => catalog.topic(topic)?.partition_ids().collect(),
            Some(partition) => vec![catalog.partition_id(&TopicPartition::new(topic, partition))?],
        };
        let begins_before = |segment: &FoundSegment| {
            let ends = segment.header.as_ref().ok().map(|(header, _)| &header.catalog.ends);
            let end = |ends: &[Offset], id: usize| ends.get(id).copied().unwrap_or_default();
            ends.is_some_and(|ends| partitions.iter().all(|id| end(ends, id.0 as usize) <= from))
        };
        // Not behind the end of the history, which the walk has to find.
        let first = self.found.iter().rposition(begins_before).unwrap_or(0).min(self.unsynced_from);
        let named = partitions.iter().filter_map(|id| Some((*id, catalog.topic_partition(*id)?.partition)));
        Ok(Records::new(&self.found, first, named.collect(), from))
    }

    /// The catalog as far as the last segments tell it without verifying them: partitions keep their ids for ever.
    fn newest_catalog(&self) -> Result<Catalog> {
        let mut whole = self.found.iter().filter_map(|segment| Some((segment, segment.header.as_ref().ok()?)));
        let Some((segment, (header, frames_at))) = whole.next_back() else { return Ok(Catalog::default()) };
        let mut catalog = header.catalog.clone();
        let mut frames = Frames::new(&*segment.file, *frames_at);
        while let Ok(Found::Frame(frame)) = frames.look()? {
            for entry in &frame.head.entries {
                if catalog.apply(entry).is_none() {
                    return Ok(catalog);
                }
            }
        }
        Ok(catalog)
    }
}

impl std::fmt::Debug for Inspection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Inspection")
    }
}

impl FoundSegment {
    fn open(files: &dyn Files, name: String, first: CommitNumber) -> Result<Self> {
        let file = files.open(&name).map_err(|error| unreadable(error, "a segment"))?;
        let header = match Header::read(&*file)? {
            Ok((header, _)) if header.first != first => Err(NoHead::NotWhole),
            header => header,
        };
        file.rest(); // until the walk comes to it: a log has thousands of segments
        Ok(Self { name, first, file, header })
    }

    /// Where its first frame lies, as far as is known.
    fn frames_at(&self) -> u64 {
        self.header.as_ref().map_or(0, |(_, frames_at)| *frames_at)
    }

    fn is_damaged(&self) -> bool {
        matches!(self.header, Err(NoHead::NotWhole))
    }
}

/// Their names, and the others. Where that cannot be told they count as segments, and what is wrong is a finding.
fn set_strays_aside(found: Vec<FoundSegment>) -> (Vec<String>, Vec<FoundSegment>) {
    let candidates = found.iter().map(|it| {
        let frames_at = (!it.is_damaged()).then(|| it.frames_at());
        Candidate { first: it.first, frames_at, file: &*it.file }
    });
    let strays = succession::strays(&candidates.collect::<Vec<_>>()).unwrap_or_default();
    let (strays, found): (Vec<_>, _) = found.into_iter().partition(|it| strays.contains(&it.first));
    (strays.into_iter().map(|stray| stray.name).collect(), found)
}

/// The highest number that is known from the headers to have been synced.
fn synced_by_headers(found: &[FoundSegment]) -> CommitNumber {
    segment::synced_by(found.iter().map(|it| it.header.as_ref().ok().map(|(header, _)| header)))
}
