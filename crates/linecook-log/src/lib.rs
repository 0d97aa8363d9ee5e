//! The log contract: what a log promises to the services that run on it.
//!
//! A log stores *topics*. Each is split into partitions, each partition is an append-only sequence of records:
//!
//! ```text
//!              offset  0    1    2    3    4    5   6
//!  pizza / 0         ┌────┬────┬────┬────┬────┬────┐
//!                    │ r0 │ r1 │ r2 │ r3 │ r4 │ r5 │ ◄── append, and the outputs of a commit
//!                    └────┴────┴────┴────┴────┴────┘
//!                      ▲              ▲              ▲
//!                    start     committed offset     end
//!                              of a group: 3
//! ```
//!
//! A *group* (one a service) reads topics through its *members*. A member owns some partitions, polls their records,
//! and ends each round with **one commit**: the records it made, the rows of its tables it changed and the offsets it
//! has consumed become true together or not at all. Producing and committing offsets are not offered apart, because
//! that is how duplicates are made.
//!
//! ```text
//!            ┌──────── poll ◄──── records of owned partitions, from the committed offset on
//!   member ──┤
//!            └──────── commit ──► outputs + row changes + consumed offsets, one atomic step
//! ```
//!
//! # The laws
//!
//! A log that cannot keep them is not a log; there are no capability flags. Each has tests of its name in
//! [`conformance`].
//!
//! 1. **Atomic.** A commit's outputs, row changes and consumed offsets are all there or none is, whatever dies and when.
//! 2. **Fenced.** A member that lost a partition cannot commit anything for it: the attempt fails with
//!    [`ErrorKind::Fenced`] and has no effect.
//! 3. **Committed only.** No reader ever sees a record or a row of an unfinished or aborted commit.
//! 4. **Ordered.** Within a partition readers see commit order; so does a key.
//! 5. **Acknowledged is durable.** When a [`Ticket`] is done, what it stands for survives `kill -9`; on the embedded
//!    log also a power cut, on Kafka what `acks=all` and the topic's replication give.
//! 6. **Prefix.** What a crash loses is a suffix of the history: one cut for topics, rows and offsets together (on
//!    Kafka: of each transaction, all or nothing).
//! 7. **Independent.** A slow or stopped group blocks no writer and no other group, and memory is bounded by settings,
//!    not by lag.
//! 8. **Refused clearly.** Unknown topic, wrong partition count, oversize record, locked directory, full disk, lost
//!    broker: each is an error that says what to do, and nothing is half done.
//!
//! An outcome that is not known ([`ErrorKind::Unknown`]) is never guessed: drop the member, [`Log::join`] again, and
//! go on from what the log says.

#![warn(missing_docs)]

mod batch;
mod clock;
pub mod conformance;
mod error;
mod log;
mod member;
mod names;
mod partitioner;
mod record;
mod rows;
mod ticket;
pub mod waiting;

pub use batch::{Batch, BatchBuilder, Mark, Origin, Records, Source};
pub use clock::{Clock, SystemClock, Timestamp};
pub use error::{Error, ErrorKind, Result};
pub use log::{Figure, GroupDescription, GroupSpec, Log, PartitionDescription, Status, TopicDescription, TopicSpec};
pub use member::{Assignment, Commit, Fetch, InputSpec, Member, MemberSpec, Output, Poll, RowChange};
pub use names::{GroupName, InstanceName, Offset, Partition, TableName, TopicName, TopicPartition};
pub use partitioner::partition_of;
pub use record::{Header, Headers, NewRecord, Record};
pub use rows::{PartitionRows, Row, Rows, Scan};
pub use ticket::{Acknowledgement, Ticket};
