//! The trait itself.

use std::{fmt, sync::Arc};

use crate::{
    Batch, BatchBuilder, GroupName, Member, MemberSpec, Offset, Partition, Result, Row, Rows, Scan, TableName, Ticket,
    TopicName, TopicPartition,
};

/// A log: the embedded one, or Kafka. See the [crate] for its laws.
///
/// It is used as `Arc<dyn Log>` from many threads. After [`close`](Self::close) every call fails with
/// [`Closed`](crate::ErrorKind::Closed).
pub trait Log: Send + Sync + fmt::Debug {
    /// Creates the topics that do not exist yet. When one cannot be created, those before it in the list may be.
    ///
    /// # Errors
    /// `Invalid` when one exists with another number of partitions (both are named), has none, or has more than the log
    /// takes; `Full`, `Unavailable`.
    fn create_topics(&self, topics: &[TopicSpec]) -> Result<()>;

    /// Makes groups known before their first member joins: from now on records that they have not read are kept. A
    /// known group that is declared again gains the topics that it did not have. It begins at the start of each.
    ///
    /// What is said last, by this or by [`join`](Self::join), is what the group reads now. A log whose retention asks
    /// groups keeps nothing for a topic that is not among it; the group's offsets stay, and if it comes back it goes on
    /// there, or at the start of what is kept. Of a group that nobody has spoken of it keeps all that it has not read.
    ///
    /// Durable on return, like [`create_topics`](Self::create_topics), [`reset`](Self::reset) and
    /// [`drop_group`](Self::drop_group). When that takes too long all of them end with `Unknown`: it is written, and will
    /// be seen later or not at all.
    ///
    /// # Errors
    /// `Invalid` for a topic that does not exist; `Full`, `Unavailable`.
    fn declare_groups(&self, groups: &[GroupSpec]) -> Result<()>;

    /// All topics, in order of their names. What it says of ends is what is durable.
    ///
    /// # Errors
    /// `Unavailable`.
    fn describe(&self) -> Result<Vec<TopicDescription>>;

    /// [`describe`](Self::describe) of these topics alone; one that is not there is left out. A log that services share
    /// with strangers looks at none of theirs.
    ///
    /// # Errors
    /// `Unavailable`.
    fn describe_only(&self, topics: &[TopicName]) -> Result<Vec<TopicDescription>> {
        let mut found = self.describe()?;
        found.retain(|found| topics.contains(&found.name));
        Ok(found)
    }

    /// All topics, in order of their names, and how many partitions each has. A log for which the ends of partitions cost
    /// something looks at none, so it also answers when one of them cannot be reached.
    ///
    /// # Errors
    /// `Unavailable`.
    fn topics(&self) -> Result<Vec<TopicSpec>> {
        let spec = |topic: TopicDescription| TopicSpec {
            partition_count: u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX),
            name: topic.name,
        };
        Ok(self.describe()?.into_iter().map(spec).collect())
    }

    /// Appends records to a partition, outside of any group: for what comes in from outside. They are all stored or
    /// none is; several cost a log like Kafka a transaction. The call does not block; the ticket is done when they are
    /// durable.
    ///
    /// # Errors
    /// `Invalid`: no such topic or partition, a record larger than the log takes, or no records. `Full`: no room.
    /// `Unavailable`. Nothing was stored in any of these cases.
    fn append(&self, to: &TopicPartition, records: BatchBuilder) -> Result<Ticket>;

    /// Durable records from `offset` on, without a group: replay, inspection. About `max_bytes` at most, but at least
    /// one batch if there is one; empty at the end and beyond it. A batch may begin before `offset`.
    ///
    /// # Errors
    /// `Invalid`: no such topic or partition, or an offset below the start (the start is named). `Unavailable`.
    fn read(&self, from: &TopicPartition, offset: Offset, max_bytes: usize) -> Result<Vec<Batch>>;

    /// Joins a group; one that is not known is declared. The partitions come by [`Member::poll`]. A member of the same
    /// instance and worker is replaced at once and for good, as it was the same process before a restart: its commits
    /// and its next poll are `Fenced`.
    ///
    /// # Errors
    /// `Invalid`: no such topic, co-partitioned topics with different counts (both are named), or other inputs than those
    /// of the group's members; the group is as it was. `Full`, `Unavailable`.
    fn join(&self, spec: MemberSpec) -> Result<Box<dyn Member>>;

    /// A reader of the rows of a service's table. It may be made before the table has any.
    ///
    /// # Errors
    /// `Unavailable`.
    fn rows(&self, service: &GroupName, table: &TableName) -> Result<Arc<dyn Rows>>;

    /// Durable rows of a partition, whoever owns it, in the order of their keys: for an operator's look. What
    /// [`rows`](Self::rows) reads is cheap and may be elsewhere; a log that keeps rows with their owners reads all that was
    /// ever changed of them for this. There are none where nobody has written any yet.
    ///
    /// # Errors
    /// `Unavailable`.
    fn scan_rows(
        &self,
        service: &GroupName,
        table: &TableName,
        partition: Partition,
        scan: Scan<'_>,
    ) -> Result<Vec<Row>> {
        self.rows(service, table)?.scan(partition, scan)
    }

    /// All known groups, in order of their names, with what they have durably consumed.
    ///
    /// # Errors
    /// `Unavailable`.
    fn groups(&self) -> Result<Vec<GroupDescription>>;

    /// [`groups`](Self::groups), of these alone, as [`describe_only`](Self::describe_only).
    ///
    /// # Errors
    /// `Unavailable`.
    fn groups_only(&self, names: &[GroupName]) -> Result<Vec<GroupDescription>> {
        let mut found = self.groups()?;
        found.retain(|found| names.contains(&found.name));
        Ok(found)
    }

    /// Sets offsets of a group that has no members.
    ///
    /// # Errors
    /// `Invalid`: it has members, is not known, or an offset lies outside of its partition. `Unavailable`.
    fn reset(&self, group: &GroupName, offsets: &[(TopicPartition, Offset)]) -> Result<()>;

    /// Forgets a group that has no members: its offsets are gone, and records are not kept for it any longer. Its rows
    /// stay. One that is declared again goes on behind what was there when it was dropped: what it had not read by then it
    /// never reads, and nothing it reads twice.
    ///
    /// # Errors
    /// `Invalid`: it has members or is not known. `Unavailable`.
    fn drop_group(&self, group: &GroupName) -> Result<()>;

    /// How it is: whether it takes writes, and what it has measured.
    fn status(&self) -> Status;

    /// Makes durable what was written and closes. Tickets of writes that it made durable are done; all others, and the
    /// members, end with `Closed`, or with `Unknown` where it cannot tell any more. Closing twice is fine.
    ///
    /// # Errors
    /// What went wrong; it is closed all the same.
    fn close(&self) -> Result<()>;
}

/// A topic to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub name: TopicName,
    /// How many partitions it has, for ever.
    pub partition_count: u32,
}

/// A group to be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSpec {
    /// Its name.
    pub name: GroupName,
    /// What it reads.
    pub topics: Vec<TopicName>,
}

/// What there is of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDescription {
    /// Its name.
    pub name: TopicName,
    /// Its partitions, from 0.
    pub partitions: Vec<PartitionDescription>,
}

/// What there is of a partition: the offsets from `start` up to, but without, `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionDescription {
    /// The first offset that is still there.
    pub start: Offset,
    /// The offset behind the last durable record.
    pub end: Offset,
}

/// What a group has durably consumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupDescription {
    /// Its name.
    pub name: GroupName,
    /// Whether it has a member now.
    pub has_members: bool,
    /// The next offset of every partition that it reads, in order.
    pub offsets: Vec<(TopicPartition, Offset)>,
}

/// How a log is.
#[derive(Debug)]
pub struct Status {
    /// Why it takes no writes now, if so.
    pub refuses_writes: Option<crate::Error>,
    /// What it has measured since it was opened.
    pub figures: Vec<Figure>,
}

/// Something a log has measured, ready for a metrics page.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// The name with its unit, as Prometheus wants it: `log_syncs_total`, `log_segments_bytes`.
    pub name: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// The value; it only grows if the name ends in `_total`.
    pub value: f64,
}

impl TopicDescription {
    /// What there is of one of its partitions.
    pub fn partition(&self, partition: Partition) -> Option<PartitionDescription> {
        self.partitions.get(partition.0 as usize).copied()
    }
}
