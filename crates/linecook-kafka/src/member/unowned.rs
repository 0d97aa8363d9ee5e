//! Partitions that nobody owns.
//!
//! When partitions move, a cooperative rebalance has two halves: in the first they are given up and go to nobody; who has
//! given them up joins again, and that begins the second. Should it end in between and come back under its name, the group
//! takes it for the one that it was and shares out nothing, since the restart of a static member is no reason to (KIP-345).
//! Nobody knows any more that there was to be a second half: what was given up stays without an owner until a rebalance
//! that has other reasons, while all members are well.
//!
//! A member that ends in between leaves the group, which shares out then. A process that is killed cannot, nor one that was
//! put out for its silence just then. So who has joined asks the coordinator who has got what, until everything has an
//! owner. If that does not come about, one of those that ask leaves and joins as somebody new: librdkafka has no other way
//! to make a group share out. It does so at once when it has seen that another came back and it costs nothing, and else
//! when nobody can be about to give anything up any more, since the group would have given up that one.

use std::{collections::BTreeMap, time::Duration};

use linecook_log::{Error, ErrorKind, Partition, Result, TopicPartition};

use super::{KafkaMember, Over};
use crate::native::admin::{DescribedGroup, DescribedMember};

/// How often the coordinator is asked: most rebalances are over by the second time.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// A coordinator that does not answer holds up the poll that asks.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// How often the time until a member joins anew doubles: what that does not help against once, it hardly will again.
const MOST_DOUBLINGS: u32 = 6;

/// What a member knows of partitions that nobody owns.
#[derive(Default)]
pub(super) struct Unowned {
    /// When the coordinator is asked next.
    ask_at: Option<Duration>,
    /// Everything has had an owner since the member is in its group. Only by a join without a rebalance can that change, and
    /// who has joined asks.
    is_whole: bool,
    /// How often in a row there was no answer.
    silences: u32,
    /// When the group has shared out last. What follows is what was seen since then.
    shared_out_at: Duration,
    partitions: Vec<TopicPartition>,
    /// They have been without an owner for so long that a person should know.
    is_lasting: bool,
    /// The members' ids, by their names.
    ids: BTreeMap<String, String>,
    /// One of them has got another id: it came back without a rebalance.
    has_come_back: bool,
}

/// What decides how long a member waits.
struct Waiting {
    /// Its place among the members, those that own least first.
    rank: usize,
    owns_nothing: bool,
    /// How often it has joined anew for this in a row.
    times: u32,
    session_timeout: Duration,
    max_silence: Duration,
}

impl Unowned {
    /// The group has shared out.
    pub(super) fn shared_out(&mut self, now: Duration) {
        let Self { ask_at, is_whole, silences, .. } = std::mem::take(self);
        let ask_at = if is_whole { None } else { ask_at.or(Some(now)) };
        *self = Self { ask_at, is_whole, silences, shared_out_at: now, ..Self::default() };
    }

    /// Everything has an owner.
    fn whole(&mut self) {
        *self = Self { is_whole: true, ..Self::default() };
    }

    /// There was no answer that says anything.
    fn not_answered(&mut self, now: Duration) {
        self.silences += 1;
        let pause = ASK_EVERY.saturating_mul(1 << self.silences.min(MOST_DOUBLINGS));
        (self.ask_at, self.is_lasting) = (Some(now + pause.min(LONGEST_PAUSE)), false);
    }

    fn found(&mut self, partitions: Vec<TopicPartition>, group: &DescribedGroup, told_after: Duration, now: Duration) {
        (self.ask_at, self.silences) = (Some(now + ASK_EVERY), 0);
        self.partitions = partitions;
        self.is_lasting = now.saturating_sub(self.shared_out_at) >= told_after;
        for DescribedMember { id, instance, .. } in &group.members {
            let Some(instance) = instance else { continue };
            let before = self.ids.insert(instance.clone(), id.clone());
            self.has_come_back |= before.is_some_and(|before| before != *id);
        }
    }

    /// How long after the group has shared out a member joins anew.
    fn patience(&self, waiting: &Waiting) -> Duration {
        let Waiting { rank, owns_nothing, times, session_timeout, max_silence } = *waiting;
        let until_given_up = if self.has_come_back && owns_nothing {
            Duration::ZERO
        } else {
            max_silence.max(session_timeout) + session_timeout
        };
        let others = ASK_EVERY.saturating_mul(u32::try_from(rank).unwrap_or(u32::MAX));
        let again = if times == 0 { Duration::ZERO } else { session_timeout * (1 << times.min(MOST_DOUBLINGS)) };
        until_given_up.saturating_add(others).saturating_add(again)
    }
}

impl KafkaMember {
    /// Asks whether all partitions of its inputs have an owner, when it is time to.
    ///
    /// # Errors
    /// `Unknown`: some have had none for too long. It has left its group, and its successor joins anew.
    pub(super) fn look_for_unowned(&mut self) -> Result<()> {
        let Some(ask_at) = self.unowned.ask_at else { return Ok(()) };
        let is_due = self.shared.clock.monotonic() >= ask_at;
        // Who is to give something up does that first.
        if !is_due || !self.revoking.is_empty() || self.shared.cluster.news.is_silent() {
            return Ok(());
        }
        let group = self.shared.cluster.described(&self.spec.group);
        let now = self.shared.clock.monotonic();
        let group = match group {
            Ok(Some(group)) if group.is_stable => group,
            Ok(_) => {
                self.unowned.ask_at = Some(now + ASK_EVERY);
                return Ok(());
            }
            Err(error) => {
                tracing::debug!(group = %self.spec.group, error = error.chain(), "it cannot be asked who owns what");
                self.unowned.not_answered(now);
                return Ok(());
            }
        };
        let partitions = self.without_owner(&group);
        if partitions.is_empty() {
            self.unowned.whole();
            self.shared.joined_anew.lock().remove(&self.name);
            return Ok(());
        }
        self.unowned.found(partitions, &group, self.shared.options.session_timeout, now);
        let waiting = self.waiting_in(&group);
        let is_over = |waiting| now.saturating_sub(self.unowned.shared_out_at) >= self.unowned.patience(&waiting);
        if !waiting.is_some_and(is_over) {
            return Ok(());
        }
        *self.shared.joined_anew.lock().entry(self.name.clone()).or_default() += 1;
        self.over = Some(Over::Left);
        // Now, and not when it is dropped: its successor may have joined by then.
        self.end_clients(true);
        let text = format!("{}; the group shares out when this member joins anew: join again", self.what_is_unowned());
        Err(Error::new(ErrorKind::Unknown, text))
    }

    /// `None` when it is no member.
    fn waiting_in(&self, group: &DescribedGroup) -> Option<Waiting> {
        let mut members: Vec<_> = group.members.iter().map(|it| (it.assigned.len(), it.instance.as_ref())).collect();
        members.sort_unstable();
        let rank = members.iter().position(|(_, instance)| *instance == Some(&self.name))?;
        Some(Waiting {
            rank,
            owns_nothing: members[rank].0 == 0,
            times: self.shared.joined_anew.lock().get(&self.name).copied().unwrap_or_default(),
            session_timeout: self.shared.options.session_timeout,
            max_silence: self.spec.max_silence,
        })
    }

    /// What has had no owner for long, if anything.
    pub(super) fn unowned_for_long(&self) -> Option<Error> {
        self.unowned.is_lasting.then(|| Error::new(ErrorKind::Unavailable, self.what_is_unowned()))
    }

    fn what_is_unowned(&self) -> String {
        let names: Vec<_> = self.unowned.partitions.iter().map(ToString::to_string).collect();
        format!("partitions have no owner: group={} partitions={}", self.spec.group, names.join(","))
    }

    /// Of each input the first topic's partitions, which stand for all of it, that no member has got.
    fn without_owner(&self, group: &DescribedGroup) -> Vec<TopicPartition> {
        let inputs = self.spec.inputs.iter().zip(&self.partition_counts);
        let there = inputs.filter(|(input, _)| !self.missing.contains(&input.topics[0]));
        let all = there.flat_map(|(input, count)| {
            (0..*count).map(|partition| TopicPartition::new(&input.topics[0], Partition(partition)))
        });
        all.filter(|at| !group.members.iter().any(|member| member.assigned.contains(at))).collect()
    }
}

#[cfg(test)]
mod tests {
    use linecook_log::TopicName;

    use super::*;

    const SESSION: Duration = Duration::from_secs(10);
    const SILENCE: Duration = Duration::from_secs(60);

    fn member(name: &str, id: &str) -> DescribedMember {
        DescribedMember { id: id.to_owned(), instance: Some(name.to_owned()), assigned: Vec::new() }
    }

    fn group(ids: [&str; 2]) -> DescribedGroup {
        DescribedGroup { is_stable: true, members: vec![member("chef", ids[0]), member("cook", ids[1])] }
    }

    fn patience(unowned: &Unowned, rank: usize, owns_nothing: bool, times: u32) -> u64 {
        let waiting = Waiting { rank, owns_nothing, times, session_timeout: SESSION, max_silence: SILENCE };
        unowned.patience(&waiting).as_secs()
    }

    fn seen(unowned: &mut Unowned, ids: [&str; 2], second: u64) {
        let partitions = vec![TopicPartition::new(&TopicName::new("orders").unwrap(), Partition(0))];
        unowned.found(partitions, &group(ids), SESSION, Duration::from_secs(second));
    }

    #[test]
    fn who_may_be_about_to_give_something_up_is_waited_for() {
        let mut unowned = Unowned::default();
        unowned.shared_out(Duration::from_secs(1));
        seen(&mut unowned, ["1", "2"], 1);
        seen(&mut unowned, ["1", "2"], 3);
        assert_eq!(patience(&unowned, 0, true, 0), 70);
        assert_eq!(patience(&unowned, 2, false, 0), 74, "one after the other");
        assert_eq!(patience(&unowned, 0, true, 1), 90, "again it waits longer");
        assert_eq!(patience(&unowned, 0, true, 100), 710);
    }

    #[test]
    fn who_is_seen_to_come_back_is_not_waited_for_by_one_that_owns_nothing() {
        let mut unowned = Unowned::default();
        unowned.shared_out(Duration::from_secs(1));
        seen(&mut unowned, ["1", "2"], 1);
        seen(&mut unowned, ["3", "2"], 3);
        assert_eq!(patience(&unowned, 0, true, 0), 0);
        assert_eq!(patience(&unowned, 0, true, 2), 40, "it did not help");
        assert_eq!(patience(&unowned, 0, false, 0), 70);
        unowned.shared_out(Duration::from_secs(4));
        seen(&mut unowned, ["4", "2"], 4);
        assert_eq!(patience(&unowned, 0, true, 0), 70, "a rebalance gives new ids, too");
    }

    #[test]
    fn it_is_told_of_when_it_lasts_and_while_it_is_known() {
        let mut unowned = Unowned::default();
        unowned.shared_out(Duration::from_secs(1));
        seen(&mut unowned, ["1", "2"], 3);
        assert!(!unowned.is_lasting);
        seen(&mut unowned, ["1", "2"], 11);
        assert!(unowned.is_lasting);
        unowned.not_answered(Duration::from_secs(13));
        assert!(!unowned.is_lasting);
        seen(&mut unowned, ["1", "2"], 17);
        assert!(unowned.is_lasting);
        unowned.shared_out(Duration::from_secs(18));
        assert!(!unowned.is_lasting);
    }
}
