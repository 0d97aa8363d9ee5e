//! Planted defects: what a simulator has to find.

/// Something that is wrong with the log, or with what lies between it and a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// An append is acknowledged before it is durable.
    AcknowledgedAtOnce,
    /// Commits of members that own the partition no longer are taken.
    EpochUnchecked,
    /// After a refused commit the records do not come again.
    NotRewound,
    /// Rows of a refused commit are seen.
    RefusedRowsKept,
    /// A new owner begins without the rows of the one before it.
    NotRestored,
    /// What waits is written with the commit after the one that goes past it.
    ParkedLater,
    /// A commit whose outcome is not known is taken for done.
    UnknownIsSuccess,
    /// A commit whose outcome is not known is taken for not done.
    UnknownIsFailure,
    /// A misplaced record is moved twice.
    MovedTwice,
    /// Of a commit to several partitions the last output is lost: the offsets come without what they were consumed for.
    OutputsLost,
}

impl Defect {
    /// All of them, each with how many seeds are enough to find it: some times as many as it took, as other code has other
    /// histories.
    pub const ALL: [(Self, u64); 10] = [
        (Self::AcknowledgedAtOnce, 40),
        (Self::EpochUnchecked, 150),
        (Self::NotRewound, 20),
        (Self::RefusedRowsKept, 20),
        (Self::NotRestored, 10),
        (Self::ParkedLater, 10),
        (Self::UnknownIsSuccess, 60),
        (Self::UnknownIsFailure, 60),
        (Self::MovedTwice, 20),
        (Self::OutputsLost, 10),
    ];
}
