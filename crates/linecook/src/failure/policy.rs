//! What becomes of records that fail.

use std::time::Duration;

use super::Failure;
use crate::Random;

/// What a stage or a table does about records that it cannot handle.
///
/// A handler that returns [`Failure::retry`] gets the record again after a while: after [`backoff`](Self::backoff)'s first
/// wait, then after twice as long each time, until the [`attempts`](Self::attempts) are used up. Each wait is shortened by
/// up to a half, by chance, so that records that failed together do not come back together. Meanwhile later records of the
/// same key wait behind it, in order; other keys go on. A record without a key, and any record of another partition, holds
/// nobody up. What waits are rows of the service: a restart loses none of it. They are found by the names of the stage's
/// topics, or of the table: before one is renamed, `linecook_waiting_records` has to be 0.
///
/// What cannot get better is not tried again: [`Failure::reject`], a panic, a value that does not decode, an output that the
/// log does not take, at the stage that has made it. Nor is a record that is so large that it does not fit into a row
/// together with what is known of it. That, and the last attempt, is what the policies differ in.
///
/// ```
/// use std::time::Duration;
///
/// use linecook::{Failure, FailurePolicy, Service, Topic};
///
/// const PIZZA: Topic<u64, String> = Topic::new("pizza");
/// const BAKED: Topic<u64, String> = Topic::new("baked");
///
/// fn build(service: &mut Service) {
///     let patient = FailurePolicy::skip().attempts(20).backoff(Duration::from_secs(1), Duration::from_secs(300));
///     service
///         .stage(PIZZA, BAKED, |pizza, context| {
///             if context.attempt() < 3 {
///                 return Err(Failure::retry("the oven is cold"));
///             }
///             Ok(pizza)
///         })
///         .on_failure(patient);
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailurePolicy {
    attempts: u16,
    first_wait: Duration,
    longest_wait: Duration,
    in_the_end: InTheEnd,
}

/// What becomes of a record that is not tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InTheEnd {
    /// It goes to the dead letters, and its key goes on.
    Skip,
    /// It goes to the dead letters, and its key waits until somebody redrives it.
    Park,
    /// Its worker ends.
    Stop,
}

impl FailurePolicy {
    /// The record goes to `<service>.dead-letters` with its reason, and its key is *parked*: the record stays the first of
    /// those of its key, and later ones wait behind it, in order, until somebody redrives, edits or discards it. Nothing of
    /// the key is lost or done out of order, and all other keys go on, as long as there is room: when 10,000 records of a
    /// partition wait, it pauses. Ten attempts, in about 40 s.
    ///
    /// A record that has no key, or that lies in a partition that is not its key's, parks nothing: it is
    /// [skipped](Self::skip).
    pub const fn park() -> Self {
        Self { in_the_end: InTheEnd::Park, ..Self::skip() }
    }

    /// The record goes to `<service>.dead-letters` with its reason, and its key goes on. Attempts as in
    /// [`park`](Self::park).
    pub const fn skip() -> Self {
        Self {
            attempts: 10,
            first_wait: Duration::from_millis(100),
            longest_wait: Duration::from_secs(60),
            in_the_end: InTheEnd::Skip,
        }
    }

    /// The worker ends with an error that names the record, when those before it are committed. What is of this stage or
    /// table is not, and whoever gets the partition next tries it again. For services that may not leave anything out.
    /// Attempts as in [`park`](Self::park).
    pub const fn stop() -> Self {
        Self { in_the_end: InTheEnd::Stop, ..Self::skip() }
    }

    /// How often a record is tried in all, once at least.
    #[must_use]
    pub const fn attempts(self, attempts: u16) -> Self {
        Self { attempts: if attempts == 0 { 1 } else { attempts }, ..self }
    }

    /// How long to wait after the first attempt, and at most after any. With no wait a record is tried as fast as commits
    /// are made.
    #[must_use]
    pub const fn backoff(self, first_wait: Duration, longest_wait: Duration) -> Self {
        Self { first_wait, longest_wait, ..self }
    }

    /// How long until a record is tried again that has failed like that after so many attempts; `None` when it is not.
    pub(crate) fn wait(&self, failure: &Failure, attempts: u16, random: &Random) -> Option<Duration> {
        let is_tried_again = failure.may_pass() && attempts < self.attempts;
        is_tried_again.then(|| self.wait_after(attempts, random))
    }

    /// No wait is longer.
    pub(crate) fn longest_wait(&self) -> Duration {
        self.longest_wait
    }

    pub(crate) fn in_the_end(&self) -> InTheEnd {
        self.in_the_end
    }

    /// Half of it is sure, the other half is chance.
    fn wait_after(&self, attempts: u16, random: &Random) -> Duration {
        let doubled = 1_u32.checked_shl(u32::from(attempts.saturating_sub(1))).unwrap_or(u32::MAX);
        let whole = self.first_wait.saturating_mul(doubled).min(self.longest_wait);
        let half = whole / 2;
        let chance = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX).min(u64::MAX - 1);
        half + Duration::from_nanos(random.below(chance + 1))
    }
}

/// [`FailurePolicy::park`].
impl Default for FailurePolicy {
    fn default() -> Self {
        Self::park()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: FailurePolicy =
        FailurePolicy::skip().attempts(40).backoff(Duration::from_millis(100), Duration::from_secs(60));

    fn wait(policy: FailurePolicy, attempts: u16, seed: u64) -> Option<Duration> {
        policy.wait(&Failure::retry("not yet"), attempts, &Random::seeded(seed))
    }

    #[test]
    fn waits_double_up_to_the_longest_and_are_shortened_by_up_to_a_half() {
        for (attempts, whole_ms) in [(1, 100), (2, 200), (5, 1_600), (10, 51_200), (11, 60_000), (39, 60_000)] {
            let waits: Vec<_> = (0..100).map(|seed| wait(POLICY, attempts, seed).unwrap().as_millis()).collect();
            assert!(waits.iter().all(|wait| (whole_ms / 2..=whole_ms).contains(wait)), "{attempts}: {waits:?}");
            let (least, most) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
            assert!(most - least > whole_ms / 4, "by chance: {attempts}: {least} {most}");
        }
    }

    #[test]
    fn what_is_used_up_or_cannot_pass_is_not_tried_again() {
        assert_eq!((wait(POLICY, 40, 1), wait(FailurePolicy::stop(), 10, 1)), (None, None));
        assert_eq!(POLICY.wait(&Failure::reject("never"), 1, &Random::seeded(1)), None);
        assert_eq!(wait(POLICY.attempts(0), 1, 1), None);
    }

    /// Numbers that nobody would set must not be what brings a worker down.
    #[test]
    fn no_wait_is_too_long_to_be_computed() {
        let policy = FailurePolicy::skip().attempts(u16::MAX).backoff(Duration::MAX, Duration::MAX);
        assert!(wait(policy, u16::MAX - 1, 3).is_some());
        let policy = policy.backoff(Duration::ZERO, Duration::ZERO);
        assert_eq!(wait(policy, 1, 3), Some(Duration::ZERO));
    }
}
