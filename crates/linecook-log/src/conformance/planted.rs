//! The suite's teeth: for each law a way to break just that one, round any log that keeps it.
//!
//! A suite that never fails proves nothing. Each backend runs [`expect_found`] for every [`Law`] that its kills can show,
//! so that a test that has gone blind there is found out.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{Poll, Waker},
    time::Duration,
};

use super::{ALL, Subject, Test};
use crate::{Acknowledgement, Batch, BatchBuilder, Clock, Log, NewRecord, Offset, Result, Timestamp, TopicPartition};

mod log;

use log::FaultyLog;

/// A law of the [contract](crate), and with it the fault that breaks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Law {
    /// Broken by rows that become true one commit later than the outputs and offsets of theirs.
    Atomic,
    /// Broken by a fenced commit whose outputs are appended all the same, and which is called a success.
    Fenced,
    /// Broken by outputs of a refused commit that readers see.
    CommittedOnly,
    /// Broken by a commit that writes its outputs back to front.
    Ordered,
    /// Broken by tickets that are done before anything is durable. A subject whose kills lose nothing cannot show it.
    Durable,
    /// Broken by a kill after which the offsets of groups lie further back than outputs and rows.
    Prefix,
    /// Broken by appends that wait until no group lags behind.
    Independent,
    /// Broken by calls that swallow what is wrong with them.
    Refused,
}

impl Law {
    /// All of them, in order.
    pub const ALL: [Self; 8] = [
        Self::Atomic,
        Self::Fenced,
        Self::CommittedOnly,
        Self::Ordered,
        Self::Durable,
        Self::Prefix,
        Self::Independent,
        Self::Refused,
    ];

    /// What the names of its tests in [`ALL`] begin with.
    pub fn name(self) -> &'static str {
        match self {
            Self::Atomic => "atomic",
            Self::Fenced => "fenced",
            Self::CommittedOnly => "committed_only",
            Self::Ordered => "ordered",
            Self::Durable => "durable",
            Self::Prefix => "prefix",
            Self::Independent => "independent",
            Self::Refused => "refused",
        }
    }
}

/// Runs the tests of `law` against a subject that breaks it, until one finds that out.
///
/// Any panic counts as found. The control is that the same test passes on the same subject without the fault, which is
/// run as well: so it was the fault that it found.
///
/// Some find it by waiting in vain: give subjects with little [`patience`](Subject::patience).
///
/// # Panics
/// When none of them does, and when the one that does fails without the fault, too.
pub fn expect_found<S: Subject>(law: Law, new_subject: impl Fn() -> S) {
    let mut tests = ALL.iter().filter(|(name, _)| name.split(':').next() == Some(law.name()));
    let found = tests.find(|(_, test)| fails(*test, &mut Planted::new(law, new_subject())));
    let (name, test) =
        found.unwrap_or_else(|| panic!("a log that breaks the law passes all tests of it: law={}", law.name()));
    assert!(!fails(*test, &mut new_subject()), "{name}: fails without the fault, too");
}

/// Makes the search for each planted fault a `#[test]`, but that for [`Law::Durable`]: only where a kill loses what was not
/// yet durable can it be found. The argument is a function that gives a fresh [`Subject`].
#[macro_export]
macro_rules! planted_tests {
    (@each $new_subject:expr; $($name:ident: $law:ident,)*) => {
        $(
            #[test]
            fn $name() {
                $crate::conformance::planted::expect_found($crate::conformance::planted::Law::$law, $new_subject);
            }
        )*
    };
    ($new_subject:expr) => {
        $crate::planted_tests! { @each $new_subject;
            a_log_that_is_not_atomic_is_found: Atomic,
            a_log_that_does_not_fence_is_found: Fenced,
            a_log_that_shows_what_is_not_committed_is_found: CommittedOnly,
            a_log_that_is_not_ordered_is_found: Ordered,
            a_log_that_loses_more_than_a_suffix_is_found: Prefix,
            a_log_that_waits_for_slow_groups_is_found: Independent,
            a_log_that_does_not_refuse_is_found: Refused,
        }
    };
}

fn fails(test: Test, subject: &mut dyn Subject) -> bool {
    catch_unwind(AssertUnwindSafe(|| test(subject))).is_err()
}

/// A subject whose log breaks one law.
#[derive(Debug)]
pub struct Planted<S> {
    law: Law,
    subject: S,
    was_killed: bool,
}

impl<S: Subject> Planted<S> {
    /// `subject` with a log that breaks `law`.
    pub fn new(law: Law, subject: S) -> Self {
        Self { law, subject, was_killed: false }
    }
}

impl<S: Subject> Subject for Planted<S> {
    fn open(&mut self) -> Arc<dyn Log> {
        let log = self.subject.open();
        if self.law == Law::Prefix && std::mem::take(&mut self.was_killed) {
            set_offsets_back(&*log);
        }
        Arc::new(FaultyLog::new(self.law, log))
    }

    fn kill(&mut self) {
        self.subject.kill();
        self.was_killed = true;
    }

    fn max_silence(&self) -> Duration {
        self.subject.max_silence()
    }

    fn oversize_bytes(&self) -> usize {
        self.subject.oversize_bytes()
    }

    fn patience(&self) -> Duration {
        self.subject.patience()
    }

    fn name_prefix(&self) -> String {
        format!("{}.planted", self.subject.name_prefix())
    }

    fn clock(&self) -> Arc<dyn Clock> {
        self.subject.clock()
    }
}

/// By one record each.
fn set_offsets_back(log: &dyn Log) {
    for group in log.groups().expect("groups can be listed") {
        let mut offsets = group.offsets;
        offsets.retain_mut(|(_, offset)| {
            let back = offset.0.checked_sub(1).map(Offset);
            *offset = back.unwrap_or_default();
            back.is_some()
        });
        log.reset(&group.name, &offsets).expect("a group without members can be reset");
    }
}

/// A builder of the same records, in that order or the other.
fn rebuilt<'a>(batch: &Batch, records: impl Iterator<Item = crate::Record<'a>>) -> BatchBuilder {
    let mut builder = BatchBuilder::new(&batch.origin().expect("the suite's origins can be read"), 0);
    for record in records {
        let headers: Vec<_> = record.headers.collect();
        let (key, value) = (record.key, record.value);
        builder
            .push(&NewRecord { key, value, timestamp: record.timestamp, headers: &headers })
            .expect("a batch takes a few headers");
    }
    builder
}

fn reversed(batch: BatchBuilder) -> BatchBuilder {
    let batch = batch.finish(Offset(0), Timestamp(0));
    let records: Vec<_> = batch.records().collect();
    rebuilt(&batch, records.into_iter().rev())
}

fn doubled(batch: BatchBuilder) -> [BatchBuilder; 2] {
    let batch = batch.finish(Offset(0), Timestamp(0));
    [rebuilt(&batch, batch.records()), rebuilt(&batch, batch.records())]
}

/// Whether a group has not read the last records of a partition.
fn is_lagging(log: &dyn Log, to: &TopicPartition) -> Result<bool> {
    const LAG: u64 = 100;
    let topics = log.describe()?;
    let topic = topics.iter().find(|topic| topic.name == to.topic);
    let end = topic.and_then(|topic| topic.partition(to.partition)).map_or(Offset(0), |partition| partition.end);
    let offsets = log.groups()?.into_iter().flat_map(|group| group.offsets);
    Ok(offsets.filter(|(from, _)| from == to).any(|(_, offset)| offset.plus(LAG) < end))
}

/// What answers a ticket that is never done.
struct Never;

impl Acknowledgement for Never {
    fn poll(&self, _waker: &Waker) -> Poll<Result<()>> {
        Poll::Pending
    }
}
