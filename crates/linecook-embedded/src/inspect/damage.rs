//! What can be wrong with a data directory, and what opening it would do about that.

use std::fmt;

use linecook_log::{GroupName, Offset, TopicPartition};

use crate::frame::CommitNumber;

/// Something that is not as the log wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// In which file of the folder of the segments.
    pub file: String,
    /// Where in it.
    pub position: u64,
    /// In which commit, or in the first of those that it is about.
    pub commit: Option<CommitNumber>,
    /// What it is.
    pub kind: DamageKind,
    /// What opening the log would do.
    pub opening: Opening,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DamageKind {
    /// The history ends with a commit that is not whole and that nothing says had been on disk: what a crash leaves.
    TornTail {
        /// What lies behind the last whole frame.
        bytes: u64,
    },
    /// A file that begins behind the end of the history: what a crash leaves.
    BehindTheEnd,
    /// Commits that had been on disk are damaged.
    CommitsDamaged {
        /// The last of them.
        last: CommitNumber,
    },
    /// Commits that had been on disk are missing between this file, which is whole, and the next one.
    SegmentMissing {
        /// The last of them.
        last: CommitNumber,
    },
    /// A file without a header among whole segments that need none there: the disk had no room for it, and the log went
    /// on in the segment before it.
    NeverBegun,
    /// The header of the file is not whole.
    HeaderDamaged,
    /// The header says something else of topics, groups or tables than the frames before it do.
    HeaderContradicts,
    /// A format version that this program does not know: the data was written by another version of it.
    UnknownVersion {
        /// That of the data.
        found: u8,
        /// That of this program.
        known: u8,
    },
    /// The stored bytes of a part of a commit do not fit their checksum.
    PartDamaged {
        /// The partition whose records they are; `None` for rows.
        partition: Option<TopicPartition>,
    },
    /// The bytes are those that were written, but not a batch.
    BatchUnreadable {
        /// The partition.
        partition: Option<TopicPartition>,
        /// What the decoder says.
        reason: String,
    },
    /// The bytes are those that were written, but not rows.
    RowsUnreadable {
        /// What the decoder says.
        reason: String,
    },
    /// Offsets of a partition are left out or given twice.
    OffsetGap {
        /// The partition.
        partition: TopicPartition,
        /// The offset that should come.
        expected: Offset,
        /// The offset that comes.
        found: Offset,
    },
    /// A group has consumed what was never there.
    OffsetBeyondEnd {
        /// The group.
        group: GroupName,
        /// The partition.
        partition: TopicPartition,
        /// The offset it has come to.
        offset: Offset,
        /// The end of the partition then.
        end: Offset,
    },
    /// The log ends before the commits that the rows are made of: commits were lost that had been on disk.
    BehindTheRows {
        /// Up to which commit rows are on disk.
        rows_up_to: CommitNumber,
    },
    /// The folder of the rows is of another version, or is not what it was.
    RowStore {
        /// What is wrong with it.
        reason: String,
    },
    /// A whole frame says what contradicts itself or the frames before it.
    FrameContradicts {
        /// What does not fit.
        reason: String,
    },
    /// A closed segment has no index: what a crash leaves.
    IndexMissing,
    /// The index of a closed segment is not whole.
    IndexDamaged,
    /// The index of a closed segment is whole, but does not fit the frames.
    IndexContradicts {
        /// What does not fit.
        reason: String,
    },
    /// The system cannot read the file here.
    Unreadable {
        /// What the system says.
        reason: String,
    },
}

/// What opening the log does about a [`Damage`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// It cuts what nobody was ever shown, and goes on: normal after a crash.
    Cuts,
    /// It reads the frames instead, and makes again what is missing: nothing is lost.
    MakesAgain,
    /// It refuses, and changes nothing.
    Refuses,
    /// It may not notice, as it reads the last segments only. Who reads these records will get an error.
    MayOverlook,
}

impl Opening {
    /// Whether nothing is lost by it and nobody has to do anything.
    pub fn is_harmless(self) -> bool {
        matches!(self, Self::Cuts | Self::MakesAgain)
    }

    /// One word for programs.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Cuts => "cuts",
            Self::MakesAgain => "makes_again",
            Self::Refuses => "refuses",
            Self::MayOverlook => "may_overlook",
        }
    }
}

impl fmt::Display for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cuts => "opening cuts it off and goes on: nobody was ever shown it",
            Self::MakesAgain => "opening does without it: nothing is lost",
            Self::Refuses => "opening refuses and changes nothing",
            Self::MayOverlook => "opening may not notice, and who reads this gets an error",
        })
    }
}

impl DamageKind {
    /// One word for programs.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::TornTail { .. } => "torn_tail",
            Self::BehindTheEnd => "behind_the_end",
            Self::CommitsDamaged { .. } => "commits_damaged",
            Self::SegmentMissing { .. } => "segment_missing",
            Self::NeverBegun => "never_begun",
            Self::HeaderDamaged => "header_damaged",
            Self::HeaderContradicts => "header_contradicts",
            Self::UnknownVersion { .. } => "unknown_version",
            Self::PartDamaged { .. } => "part_damaged",
            Self::BatchUnreadable { .. } => "batch_unreadable",
            Self::RowsUnreadable { .. } => "rows_unreadable",
            Self::OffsetGap { .. } => "offset_gap",
            Self::OffsetBeyondEnd { .. } => "offset_beyond_end",
            Self::BehindTheRows { .. } => "behind_the_rows",
            Self::RowStore { .. } => "row_store",
            Self::FrameContradicts { .. } => "frame_contradicts",
            Self::IndexMissing => "index_missing",
            Self::IndexDamaged => "index_damaged",
            Self::IndexContradicts { .. } => "index_contradicts",
            Self::Unreadable { .. } => "unreadable",
        }
    }
}

impl fmt::Display for DamageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TornTail { bytes } => write!(f, "the log ends with a commit that is not whole: bytes={bytes}"),
            Self::BehindTheEnd => f.write_str("the file lies behind the end of the history"),
            Self::CommitsDamaged { last } => {
                write!(f, "commits that had been on disk are damaged: last_commit={last}")
            }
            Self::SegmentMissing { last } => {
                write!(f, "commits are missing between this file and the next: last_commit={last}")
            }
            Self::NeverBegun => f.write_str("the disk had no room to begin this segment"),
            Self::HeaderDamaged => f.write_str("the header of the file is damaged"),
            Self::HeaderContradicts => f.write_str("the header contradicts the frames before it"),
            Self::UnknownVersion { found, known } => write!(
                f,
                "written by another version of this program, in a format that this one does not know: \
                 found_format={found} known_format={known}"
            ),
            Self::PartDamaged { partition: Some(partition) } => {
                write!(f, "records are damaged: partition={partition}")
            }
            Self::PartDamaged { partition: None } => f.write_str("rows are damaged"),
            Self::BatchUnreadable { partition: Some(partition), reason } => {
                write!(f, "records cannot be decoded: {reason}: partition={partition}")
            }
            Self::BatchUnreadable { partition: None, reason } => write!(f, "records cannot be decoded: {reason}"),
            Self::RowsUnreadable { reason } => write!(f, "rows cannot be decoded: {reason}"),
            Self::OffsetGap { partition, expected, found } => {
                write!(f, "offsets are not contiguous: partition={partition} expected={expected} found={found}")
            }
            Self::OffsetBeyondEnd { group, partition, offset, end } => write!(
                f,
                "a group has consumed what is not there: group={group} partition={partition} offset={offset} end={end}"
            ),
            Self::BehindTheRows { rows_up_to } => {
                write!(f, "the log ends before commits whose rows are on disk: rows_up_to={rows_up_to}")
            }
            Self::RowStore { reason } => write!(f, "the rows cannot be used: {reason}"),
            Self::FrameContradicts { reason } => write!(f, "the frame contradicts {reason}"),
            Self::IndexMissing => f.write_str("the index of a closed segment is missing"),
            Self::IndexDamaged => f.write_str("the index of a closed segment is damaged"),
            Self::IndexContradicts { reason } => write!(f, "the index contradicts the frames: {reason}"),
            Self::Unreadable { reason } => write!(f, "the file cannot be read: {reason}"),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.place(), self.kind, self.opening)
    }
}

impl Damage {
    /// Where it is.
    pub(super) fn place(&self) -> String {
        let commit = self.commit.map(|commit| format!(", commit {commit}")).unwrap_or_default();
        format!("{} at byte {}{commit}", self.file, self.position)
    }
}
