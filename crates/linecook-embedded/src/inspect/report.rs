//! What is in a data directory.

use linecook_log::{GroupName, Offset, TableName, Timestamp, TopicName, TopicPartition};

use super::damage::Damage;
use crate::frame::CommitNumber;

/// All that an inspection found. Printed it is a text for a terminal; serialised it is for programs.
///
/// Offsets, groups and totals are those of the history up to its [`end`](Self::end). Where the history has damage they
/// are what can still be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The topics, in order of their names.
    pub topics: Vec<TopicReport>,
    /// The known groups, in order of their names.
    pub groups: Vec<GroupReport>,
    /// The tables, in order of their creation.
    pub tables: Vec<TableReport>,
    /// The segments, oldest first.
    pub segments: Vec<SegmentReport>,
    /// The highest number that something in the files says had been synced. What was synced last is not written down
    /// anywhere, so the newest commits are usually behind it.
    pub synced: CommitNumber,
    /// Up to which commit rows are known to be on disk, at least; `None`: nothing says so.
    pub rows_up_to: Option<CommitNumber>,
    /// Where the history ends; `None` without segments.
    pub end: Option<HistoryEnd>,
    /// What is wrong, in the order of the files; at most [`DAMAGE_MAX`](Self::DAMAGE_MAX) of it.
    pub damage: Vec<Damage>,
    /// How much more is wrong than is listed.
    pub unlisted_damage_count: u64,
}

/// A topic and what it has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicReport {
    /// Its name.
    pub name: TopicName,
    /// Its partitions, from 0.
    pub partitions: Vec<PartitionReport>,
}

/// A partition of a topic: the offsets from `start` up to, but without, `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PartitionReport {
    /// The first offset that is still there.
    pub start: Offset,
    /// The offset behind the last record.
    pub end: Offset,
    /// How many records can be read.
    pub record_count: u64,
    /// What its batches take on disk.
    pub stored_bytes: u64,
    /// What they are when they are not compressed.
    pub raw_bytes: u64,
}

/// A group and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupReport {
    /// Its name.
    pub name: GroupName,
    /// Every partition that it reads, in order.
    pub partitions: Vec<Progress>,
}

/// How far a group is in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The partition.
    pub partition: TopicPartition,
    /// The next offset that it has not consumed.
    pub offset: Offset,
    /// How many records it has not consumed.
    pub lag: u64,
    /// The generation of the partition's ownership.
    pub epoch: u64,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableReport {
    /// The service that it belongs to.
    pub service: GroupName,
    /// Its name.
    pub name: TableName,
}

/// A segment file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SegmentReport {
    /// Its name in the folder of the segments.
    pub file: String,
    /// The number of its first commit.
    pub first: CommitNumber,
    /// That of its last; `None`: it has none.
    pub last: Option<CommitNumber>,
    /// Up to where it is written.
    pub bytes: u64,
    /// How long the file is, allocated space included.
    pub file_bytes: u64,
    /// Whether it is closed, with a whole index.
    pub is_closed: bool,
    /// When its first commit was made.
    pub first_commit_at: Option<Timestamp>,
    /// When its last commit was made.
    pub last_commit_at: Option<Timestamp>,
}

/// The last commit of the history and the place behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryEnd {
    /// The file.
    pub file: String,
    /// The position behind its last whole frame.
    pub position: u64,
    /// The last commit; 0: there is none.
    pub last_commit: CommitNumber,
}

impl Report {
    /// How many findings are listed at most: more of them tell a person no more.
    pub const DAMAGE_MAX: usize = 1000;

    /// Whether the log can be opened, and nothing that it ever showed is lost. What a crash leaves is sound.
    pub fn is_sound(&self) -> bool {
        self.unlisted_damage_count == 0 && self.damage.iter().all(|damage| damage.opening.is_harmless())
    }
}

impl TopicReport {
    /// How many records can be read.
    pub fn record_count(&self) -> u64 {
        self.partitions.iter().map(|partition| partition.record_count).sum()
    }

    /// What its batches take on disk.
    pub fn stored_bytes(&self) -> u64 {
        self.partitions.iter().map(|partition| partition.stored_bytes).sum()
    }

    /// What they are when they are not compressed.
    pub fn raw_bytes(&self) -> u64 {
        self.partitions.iter().map(|partition| partition.raw_bytes).sum()
    }
}
