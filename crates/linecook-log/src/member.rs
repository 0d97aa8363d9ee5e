//! A worker's share of a group.

use std::time::Duration;

use bytes::Bytes;

use crate::{
    Batch, BatchBuilder, Error, GroupName, InstanceName, Offset, Partition, Result, Row, Scan, TableName, Ticket,
    TopicName, TopicPartition,
};

/// Who joins which group, to read what.
#[derive(Debug, Clone)]
pub struct MemberSpec {
    /// The group.
    pub group: GroupName,
    /// The process, stable over its restarts.
    pub instance: InstanceName,
    /// Which of the process's workers, from 0.
    pub worker: u32,
    /// What the group reads. The order is that of the polls: a backlog in a later topic does not delay an earlier one.
    pub inputs: Vec<InputSpec>,
    /// How long it may go without a poll before its partitions are given to others.
    pub max_silence: Duration,
}

/// *Co-partitioned* topics: they have the same number of partitions, and partition p of all of them has one owner.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InputSpec {
    /// The topics, one at least.
    pub topics: Vec<TopicName>,
    /// The tables that the member keeps of them. They have as many partitions, and who owns a partition of the topics
    /// owns the rows of that partition, and nobody else does.
    pub tables: Vec<TableName>,
}

impl MemberSpec {
    /// All topics that the group reads, in the order of the polls.
    pub fn topics(&self) -> Vec<TopicName> {
        self.inputs.iter().flat_map(|input| &input.topics).cloned().collect()
    }
}

/// What a poll brought.
#[derive(Debug)]
pub enum Poll {
    /// These partitions are now owned; their rows are complete and their records come next.
    Assigned(Vec<Assignment>),
    /// These partitions will be given away with the next poll: commit what is in hand before it, or drop it.
    Revoking(Vec<TopicPartition>),
    /// These partitions are owned by others already: drop what is in hand, its commit would be `Fenced`.
    Lost(Vec<TopicPartition>),
    /// Records of owned partitions, in order for each partition. They count as consumed when a commit says so, and are
    /// not polled twice by this member unless it loses the partition, resumes it, or a commit fails in between.
    Records(Vec<Fetch>),
    /// Nothing came in the time given.
    Idle,
}

/// A partition that a member gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Which.
    pub partition: TopicPartition,
    /// The committed offset: where its records begin, and what a commit that consumes none of them says of it.
    pub position: Offset,
}

/// Some of the next records of a partition.
#[derive(Debug, Clone)]
pub struct Fetch {
    /// Where they lie.
    pub from: TopicPartition,
    /// The first offset not yet consumed: the batch may begin before it.
    pub position: Offset,
    /// The records, whose offsets have no gaps.
    pub batch: Batch,
    /// What a commit that has consumed all of it says, and where the next fetch of the partition begins:
    /// [`Batch::end`], or behind it where offsets follow that are no records. Kafka gives some to the marks of its
    /// transactions; who did not commit past them would never have read a partition to its end. A fetch of nothing but
    /// such offsets has a batch without records.
    pub next: Offset,
}

impl Fetch {
    /// A fetch with no offsets behind its batch that are no records.
    pub fn new(from: TopicPartition, position: Offset, batch: Batch) -> Self {
        let next = batch.end();
        Self { from, position, batch, next }
    }
}

/// One atomic step of a member. An empty one is refused: there is nothing to be atomic about.
#[derive(Debug, Default)]
pub struct Commit {
    /// Records to append.
    pub outputs: Vec<Output>,
    /// Rows to change, in order.
    pub rows: Vec<RowChange>,
    /// The next offset of each partition that this commit speaks for: those whose records it consumed, and those in
    /// whose name it writes outputs or rows, unchanged if need be. It is what fencing checks.
    pub offsets: Vec<(TopicPartition, Offset)>,
}

/// Records for one partition.
#[derive(Debug)]
pub struct Output {
    /// Where to.
    pub to: TopicPartition,
    /// The records; an empty batch is left out.
    pub batch: BatchBuilder,
}

/// A row that is written whole, or deleted.
#[derive(Debug, Clone)]
pub struct RowChange {
    /// The table, one of those that the member joined with.
    pub table: TableName,
    /// The partition of the record that made the member write it. The commit speaks for it: it has the offset of that
    /// partition of one of the table's topics.
    pub partition: Partition,
    /// The key within table and partition.
    pub key: Bytes,
    /// The new value; `None` deletes the row. A log may keep it in memory for a while: no slice of something larger.
    pub value: Option<Bytes>,
}

impl RowChange {
    /// Of key and value, in bytes.
    pub fn size_bytes(&self) -> usize {
        self.key.len() + self.value.as_ref().map_or(0, Bytes::len)
    }
}

/// A worker's share of a group. Its methods block and are called from the one thread that owns it.
///
/// Dropping it leaves the group without handing over: its partitions wait for `max_silence`, as after a crash, where
/// the log cannot know better.
pub trait Member: Send {
    /// What happens next to this member, waiting at most `max_wait` for it. It returns at once when there are records,
    /// with about `max_bytes` of them at most, but at least one batch.
    ///
    /// # Errors
    /// `Unknown`, `Closed`: the member is gone; join again. `Fenced`: another has joined under its name; it is over, and
    /// joining again would only put the other out. `Unavailable`: poll again later.
    fn poll(&mut self, max_wait: Duration, max_bytes: usize) -> Result<Poll>;

    /// From here on polls bring nothing of an owned partition, until [`resume`](Self::resume): for who has no room for
    /// more of it, and goes on with others. It stays owned: commits may speak for it, and take what was polled of it. One
    /// that is assigned anew is not paused.
    ///
    /// # Errors
    /// `Fenced` when it is not owned; `Unknown`, `Closed`.
    fn pause(&mut self, partition: &TopicPartition) -> Result<()>;

    /// Polls bring records of a paused partition again, from its committed offset on: what was polled of it and that no
    /// commit has taken comes once more. One that is not paused goes on as it did.
    ///
    /// # Errors
    /// `Fenced` when it is not owned; `Unknown`, `Closed`.
    fn resume(&mut self, partition: &TopicPartition) -> Result<()>;

    /// Why some of what the group gives this member does not come, while it owns something else, or that the group gives
    /// some of it to nobody: nothing that this has to wait for, but a person should know. A member that owns nothing hears
    /// the former from its polls. A log that has all of its partitions in one place has no such reasons.
    fn stuck(&self) -> Option<Error> {
        None
    }

    /// A row of an owned partition as of this member's last commit.
    ///
    /// # Errors
    /// `Fenced` when that partition of the table's topics is not owned; `Invalid` for a table that it did not join with;
    /// `Unknown`, `Unavailable`, `Closed`.
    fn get(&mut self, table: &TableName, partition: Partition, key: &[u8]) -> Result<Option<Bytes>>;

    /// Rows of an owned partition as of this member's last commit, in the order of their keys.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    fn scan(&mut self, table: &TableName, partition: Partition, scan: Scan<'_>) -> Result<Vec<Row>>;

    /// Makes all of `commit` true, or nothing. When it returns `Ok` other members see it; when the ticket is done, it
    /// is durable and the outside sees it.
    ///
    /// # Errors
    /// `Fenced`, `Invalid`, `Full`, `Unavailable`: nothing of it happened and nothing will; the partitions that are
    /// still owned are polled again from their committed offsets, so drop what is in hand of all of them. `Unknown`:
    /// join again and see. `Closed`.
    fn commit(&mut self, commit: Commit) -> Result<Ticket>;

    /// Leaves the group in good order. Its partitions go to others at once, unless the log keeps the place of a named
    /// instance for its return, as Kafka does for static members: then after a time-out of that log, and at once to the
    /// same instance when it joins again. Who leaves while it gives something up keeps no place.
    ///
    /// # Errors
    /// `Unavailable`, `Unknown`, `Closed`: they go to others after `max_silence`.
    fn leave(self: Box<Self>) -> Result<()>;
}
