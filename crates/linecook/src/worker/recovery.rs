//! What a worker does when the log says no.
//!
//! | kind | what it means | what comes next |
//! |---|---|---|
//! | `Fenced` | some partition is another's | poll, which tells which; go on with the rest |
//! | `Fenced`, from a poll | another worker has this one's name | end: two that join again and again would only put each other out |
//! | `Full`, `Unavailable` | nothing happened | wait, take the same records in hand again |
//! | `Invalid` | the log never takes this commit | commit record by record, and the one it does not take step by step: it is a dead letter of the step whose commit it does not take, with less and less of the record in it |
//! | `Unknown` | it may have happened | drop the member, join again |
//!
//! Why a refused commit is computed again and not kept: the log takes it by value and repeats its records, and handlers
//! come to the same result again. Keeping it would save some milliseconds while the log is down, at the price of a
//! second way to a commit. Why the member is kept where the log allows: joining again would move partitions about for
//! nothing.

use std::time::Duration;

use linecook_log::{Commit, Error, ErrorKind, Offset, Result, TopicPartition};

use super::{Joined, Step, Worker, dead_letters::Extent, failing::Refusal, joined};
use crate::{Failure, service::StationIndex};

const SHORTEST_WAIT: Duration = Duration::from_millis(10);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Of attempts that fail one after the other, one in so many is told: about one a minute.
const TOLD_EVERY: u32 = 60;

/// How long to wait before the next attempt: longer each time, until one succeeds.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    wait: Option<Duration>,
    failed_count: u32,
}

impl Backoff {
    /// The wait after one more failure.
    fn next(&mut self) -> Duration {
        self.next_up_to(LONGEST_WAIT)
    }

    /// That, where it may get longer than usual.
    pub(super) fn next_up_to(&mut self, longest: Duration) -> Duration {
        let wait = self.wait.map_or(SHORTEST_WAIT, |wait| (wait * 2).min(longest));
        self.wait = Some(wait);
        self.failed_count = self.failed_count.wrapping_add(1);
        wait
    }

    /// Whether the operator is told of the failure: of the first, and about once a minute of the others.
    fn is_told(&self) -> bool {
        self.failed_count % TOLD_EVERY == 1
    }

    /// An attempt has succeeded. Returns whether there were failures before it.
    fn end(&mut self) -> bool {
        std::mem::take(self).wait.is_some()
    }
}

/// Why a record fails that has ended the process.
pub(super) const CONDEMNED: &str =
    "it was begun again and again, and each time its process has ended, or lost its partition";

/// Finds the record that makes a commit invalid: an output that is too large for the log, or a state that cannot be
/// encoded. No handler has failed, so nothing else tells which it is.
#[derive(Debug, Default)]
pub(super) struct Isolation {
    /// How many records are still to be committed one by one.
    one_by_one_count: usize,
    /// Records whose commits were invalid by themselves.
    refused: Vec<Refused>,
    /// The commit that has failed.
    attempt: Option<Attempt>,
    /// Commits in a row that were fenced.
    fenced_count: u32,
}

/// A commit that was tried: how many records it had, and which was the first. The offsets in it say less: those of a
/// record are not told from others behind it that are no records.
#[derive(Debug)]
struct Attempt {
    record_count: usize,
    first: (TopicPartition, Offset),
    /// Who tries its records again, if they waited.
    station: Option<StationIndex>,
}

/// A record whose commit was invalid by itself.
#[derive(Debug)]
pub(super) struct Refused {
    at: TopicPartition,
    offset: Offset,
    /// For whom it is, if it waited: others may have the same record waiting, or in hand.
    station: Option<StationIndex>,
    /// Whether it was taken in hand since the last commit.
    is_in_hand: bool,
    /// What the log said, no longer than that of any other letter.
    reason: Failure,
    /// The same in few words.
    brief: Failure,
    remedy: Remedy,
}

/// What is done with a record whose commit was invalid by itself, one after the other until a commit is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// It is of several steps, and what one of them made of it is to be no fault of the others: it waits for each of them,
    /// which then have commits of their own.
    Apart,
    /// It fails, with that much of it in its letter.
    Fail(Extent),
    /// It fails, and not even a row of it is kept.
    LeaveOut,
}

impl Remedy {
    fn first(is_shared: bool) -> Self {
        if is_shared { Self::Apart } else { Self::Fail(Extent::Whole) }
    }

    fn next(self) -> Option<Self> {
        match self {
            Self::Apart => Some(Self::Fail(Extent::Whole)),
            Self::Fail(extent) => Some(extent.less().map_or(Self::LeaveOut, Self::Fail)),
            Self::LeaveOut => None,
        }
    }
}

impl Refused {
    /// How it fails, unless it is taken apart.
    pub(super) fn refusal(&self) -> Option<Refusal<'_>> {
        let (why, extent, may_wait) = match self.remedy {
            Remedy::Apart => return None,
            // What is kept of a record has its reason, which is to be no reason for keeping nothing.
            Remedy::Fail(Extent::PlaceOnly) => (&self.brief, Extent::PlaceOnly, true),
            Remedy::Fail(extent) => (&self.reason, extent, true),
            Remedy::LeaveOut => (&self.reason, Extent::PlaceOnly, false),
        };
        Some(Refusal { why, extent, may_wait })
    }

    fn is(&self, at: &TopicPartition, offset: Offset, station: Option<StationIndex>) -> bool {
        self.offset == offset && self.at == *at && self.station == station
    }
}

impl Isolation {
    /// Whether each record gets a commit of its own.
    pub(super) fn is_one_by_one(&self) -> bool {
        self.one_by_one_count > 0
    }

    /// The next commit is of one record.
    pub(super) fn next_is_alone(&mut self) {
        self.one_by_one_count = self.one_by_one_count.max(1);
    }

    /// A record ends the process each time it is begun, and is not begun any more.
    pub(super) fn condemn(
        &mut self,
        at: &TopicPartition,
        offset: Offset,
        station: Option<StationIndex>,
        is_shared: bool,
    ) {
        if self.refused.iter().any(|refused| refused.is(at, offset, station)) {
            return;
        }
        let (reason, brief) = (Failure::reject(CONDEMNED), Failure::reject(CONDEMNED));
        let remedy = Remedy::first(is_shared);
        self.refused.push(Refused { at: at.clone(), offset, station, is_in_hand: false, reason, brief, remedy });
    }

    /// Why that record is not to be handled, if so.
    pub(super) fn take_refused(
        &mut self,
        at: &TopicPartition,
        offset: Offset,
        station: Option<StationIndex>,
    ) -> Option<&Refused> {
        let refused = self.refused.iter_mut().find(|refused| refused.is(at, offset, station))?;
        refused.is_in_hand = true;
        Some(refused)
    }

    /// A commit of so many records, of which that was the first, was tried in vain. `station` is who tries them again, if
    /// they waited.
    pub(super) fn attempted(
        &mut self,
        record_count: usize,
        first: Option<(TopicPartition, Offset)>,
        station: Option<StationIndex>,
    ) {
        self.attempt = first.map(|first| Attempt { record_count, first, station });
    }

    /// A commit was made.
    pub(super) fn committed(&mut self, record_count: usize) {
        self.one_by_one_count = self.one_by_one_count.saturating_sub(record_count);
        self.refused.retain(|refused| !refused.is_in_hand);
        self.fenced_count = 0;
    }

    /// These partitions are another's: what was refused of them may be other records when they come back.
    pub(super) fn forget(&mut self, partitions: &[TopicPartition]) {
        self.refused.retain(|refused| !partitions.contains(&refused.at));
    }

    /// Nothing is in hand any more.
    fn drop_hand(&mut self) {
        self.refused.iter_mut().for_each(|refused| refused.is_in_hand = false);
    }

    /// The commit tried last was invalid. If it was of one record, `remedy` is what is done with that first. Returns whether
    /// anything is left to be tried.
    fn was_invalid(&mut self, attempt: Option<Attempt>, remedy: Remedy, error: &Error) -> bool {
        let Some(Attempt { record_count, first: (at, offset), station }) = attempt else { return false };
        if record_count > 1 {
            self.one_by_one_count = record_count;
            return true;
        }
        if let Some(refused) = self.refused.iter_mut().find(|refused| refused.is(&at, offset, station)) {
            // No handler has had it: its rows or its letter were in the commit, and a copy at most that was moved.
            let next = refused.remedy.next();
            refused.remedy = next.unwrap_or(refused.remedy);
            return next.is_some();
        }
        let reason = Failure::reject(format!("the log does not take what came of it: {}", error.chain()));
        let brief = Failure::reject("the log does not take what came of it");
        self.refused.push(Refused { at, offset, station, is_in_hand: false, reason, brief, remedy });
        true
    }
}

impl Worker {
    /// What is done about an error of the log; gives it back when nothing can be.
    pub(super) fn recover(&mut self, error: Error) -> Result<Step> {
        self.metrics.failed(error.kind());
        self.drop_hand();
        let attempt = self.isolation.attempt.take();
        // Handlers have returned where it has come to a commit.
        if attempt.is_some() && matches!(error.kind(), ErrorKind::Full | ErrorKind::Unavailable) {
            self.has_survived();
        }
        let remedy = self.first_remedy(attempt.as_ref());
        match error.kind() {
            ErrorKind::Fenced if !self.is_replaced() => Ok(self.was_fenced(&error)),
            ErrorKind::Full | ErrorKind::Unavailable => Ok(self.blocked(&error)),
            ErrorKind::Unknown => {
                self.drop_member();
                Ok(self.blocked(&error))
            }
            ErrorKind::Invalid if self.isolation.was_invalid(attempt, remedy, &error) => {
                tracing::info!(service = %self.service.name(), "refused, and tried in parts: {}", error.chain());
                Ok(Step::Again)
            }
            _ => {
                self.health.is_blocked(Some(error.chain()));
                Err(error)
            }
        }
    }

    /// What is done first with a record whose commit is invalid. One that was tried again is of one step.
    fn first_remedy(&self, attempt: Option<&Attempt>) -> Remedy {
        let topic = attempt.filter(|attempt| attempt.station.is_none()).map(|attempt| &attempt.first.0.topic);
        let is_shared = self.service.inputs().iter().any(|input| Some(&input.topic) == topic && input.steps.len() > 1);
        Remedy::first(is_shared)
    }

    /// What was taken in hand has come to an error. If that is a record that may not be left out, those before it are
    /// committed first, one by one; and that it is alone what ends this worker is true only if it still owns what it has:
    /// another may have got past it.
    ///
    /// # Errors
    /// The error itself, or why that is not known.
    pub(super) fn stop_at(&mut self, error: Error, offsets: Vec<(TopicPartition, Offset)>) -> Result<Step> {
        let hand = &joined(&mut self.joined).hand;
        let record_count = hand.record_count();
        if !hand.must_stop {
            return Err(error);
        }
        self.drop_hand();
        if record_count > 1 {
            self.isolation.one_by_one_count = record_count;
            return Ok(Step::Again);
        }
        self.has_survived();
        let Joined { member, queue, .. } = joined(&mut self.joined);
        let owns = member.commit(Commit { offsets, ..Commit::default() }).map(drop);
        owns.inspect_err(|_| queue.forget_polled())?;
        Err(error)
    }

    /// Everything that was computed is dropped.
    fn drop_hand(&mut self) {
        self.isolation.drop_hand();
        if let Some(joined) = &mut self.joined {
            joined.hand.clear();
            joined.queue.rewind();
        }
    }

    fn drop_member(&mut self) {
        if let Some(joined) = self.joined.take() {
            let Joined { queue, mut hand, .. } = joined;
            let owned: Vec<_> = queue.owned().cloned().collect();
            self.isolation.forget(&owned);
            self.beginnings.give_up_all();
            self.metrics.gave_up(&owned, &hand.give_up(&owned));
        }
        self.health.owns(Vec::new());
    }

    fn is_replaced(&self) -> bool {
        self.joined.as_ref().is_some_and(|joined| joined.is_replaced)
    }

    fn was_fenced(&mut self, error: &Error) -> Step {
        if let Some(joined) = &mut self.joined {
            joined.must_poll = true;
        }
        self.isolation.fenced_count += 1;
        // Once is a rebalance. Again and again without a commit in between would be a busy loop.
        if self.isolation.fenced_count == 1 { Step::Again } else { self.blocked(error) }
    }

    /// Something has worked. Returns whether it did not before.
    pub(super) fn goes_on(&mut self) -> bool {
        let was_blocked = self.backoff.end();
        if was_blocked {
            tracing::info!(service = %self.service.name(), "goes on");
        }
        was_blocked
    }

    fn blocked(&mut self, error: &Error) -> Step {
        let wait = self.backoff.next();
        self.health.is_blocked(Some(error.chain()));
        if self.backoff.is_told() {
            tracing::warn!(service = %self.service.name(), "blocked, and trying again: {}", error.chain());
        }
        Step::Blocked { wait }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_failures_in_a_row_one_a_minute_is_told() {
        let mut backoff = Backoff::default();
        let told = |backoff: &mut Backoff| {
            backoff.next();
            backoff.is_told()
        };
        assert_eq!((0..120).filter(|_| told(&mut backoff)).count(), 2);
        assert!(backoff.end() && !backoff.end());
        assert!(told(&mut backoff), "the first of the next ones");
    }

    /// The text of the log's error went into the letter as long as it was. A long one made a letter that is refused.
    #[test]
    fn what_the_log_says_goes_into_a_letter_in_part_when_it_is_long() {
        let words = crate::testing::at("words/0");
        let mut isolation = Isolation::default();
        isolation.attempted(1, Some((words.clone(), Offset(7))), None);
        let attempt = isolation.attempt.take();
        assert!(isolation.was_invalid(attempt, Remedy::Fail(Extent::Whole), &Error::invalid("é".repeat(1 << 20))));
        assert!(isolation.take_refused(&words, Offset(7), None).unwrap().reason.reason().len() <= 1024);
    }
}
