//! Partitions that nobody owns.
//!
//! When partitions move, a cooperative rebalance has two halves: in the first they are given up and go to nobody; who has
//! given them up joins again, and that begins the second. Should it end in between and come back under its name, the group
//! takes it for the one that it was and shares out nothing, since the restart of a static member is no reason to (KIP-345).
//! Nobody knows any more that there was to be a second half: what was given up stays without an owner until a rebalance
//! that has other reasons, while all members are well.
//!
//! So a member asks the coordinator who has got what, some time after each rebalance and until everything has an owner. If
//! something has none, though all members know what they have got, a [`Visitor`] makes the group share out again.

use std::time::Duration;

use linecook_log::{Error, ErrorKind, Partition, TopicPartition};

use super::{KafkaMember, visitor::Visitor};
use crate::native::admin::DescribedGroup;

/// By then most rebalances are over.
const LOOK_AFTER: Duration = Duration::from_secs(1);
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(2);
/// How often in a row partitions are found without an owner before something is done about it: a member that has work in
/// hand takes its time to give them up.
const TIMES_BEFORE: u32 = 2;
/// How often the time between two visits doubles: what one does not help against, the next hardly will.
const MOST_DOUBLINGS: u32 = 6;

/// What a member knows of partitions that nobody owns.
#[derive(Default)]
pub(super) struct Unowned {
    /// When the coordinator is asked next; `None` while everything has an owner.
    look_at: Option<Duration>,
    partitions: Vec<TopicPartition>,
    /// How often in a row they were found, since the last rebalance.
    times: u32,
    /// How often this member has had a visitor for them.
    visits: u32,
    visitor: Option<Visitor>,
}

impl Unowned {
    /// The group has shared out.
    pub(super) fn rebalanced(&mut self, now: Duration) {
        (self.look_at, self.times) = (Some(now + LOOK_AFTER), 0);
    }

    fn is_due(&self, now: Duration) -> bool {
        self.look_at.is_some_and(|at| now >= at)
    }

    /// Whether it is this member's turn, the members being in the order of their names.
    fn is_turn_of(&self, rank: usize) -> bool {
        let turn = TIMES_BEFORE.saturating_add(u32::try_from(rank).unwrap_or(u32::MAX));
        self.times.is_multiple_of(turn.saturating_mul(1 << self.visits.min(MOST_DOUBLINGS)))
    }
}

impl KafkaMember {
    /// Looks whether all partitions of its inputs have an owner, and does something about it if they have none.
    pub(super) fn look_for_unowned(&mut self) {
        let now = self.shared.clock.monotonic();
        self.unowned.visitor.take_if(|visitor| visitor.has_been(now));
        if !self.unowned.is_due(now) || self.shared.cluster.news.is_silent() {
            return;
        }
        self.unowned.look_at = Some(now + LOOK_AGAIN_AFTER);
        let group = match self.shared.cluster.described(&self.spec.group) {
            Ok(group) => group.filter(|group| group.is_stable),
            Err(error) => return tracing::debug!(error = error.chain(), "who owns what cannot be asked for"),
        };
        let Some(group) = group else {
            self.unowned.times = 0;
            return;
        };
        let partitions = self.without_owner(&group);
        if partitions.is_empty() {
            if self.unowned.times >= TIMES_BEFORE || self.unowned.visits > 0 {
                tracing::info!(group = %self.spec.group, "all partitions have an owner");
            }
            self.unowned = Unowned::default();
            return;
        }
        self.unowned.partitions = partitions;
        self.unowned.times += 1;
        let Some(rank) = self.rank_in(&group) else { return };
        if self.unowned.visitor.is_none() && self.unowned.is_turn_of(rank) {
            self.have_visitor(now);
        }
    }

    fn have_visitor(&mut self, now: Duration) {
        let partitions = names(&self.unowned.partitions);
        tracing::warn!(group = %self.spec.group, partitions, "partitions have no owner: the group shares out again");
        self.unowned.visits += 1;
        match Visitor::begin(&self.shared, &self.spec, now) {
            Ok(visitor) => self.unowned.visitor = Some(visitor),
            Err(error) => tracing::warn!(error = error.chain(), "the group cannot be made to share out again"),
        }
    }

    /// What has had no owner for some time, if anything.
    pub(super) fn unowned(&self) -> Option<Error> {
        let Unowned { partitions, times, .. } = &self.unowned;
        (*times >= TIMES_BEFORE).then(|| {
            let text = format!("partitions have no owner: group={} partitions={}", self.spec.group, names(partitions));
            Error::new(ErrorKind::Unavailable, text)
        })
    }

    /// Of each input the first topic's partitions, which stand for all of it, that no member has got.
    fn without_owner(&self, group: &DescribedGroup) -> Vec<TopicPartition> {
        let inputs = self.spec.inputs.iter().zip(&self.partition_counts);
        let all = inputs.flat_map(|(input, count)| {
            (0..*count).map(|partition| TopicPartition::new(&input.topics[0], Partition(partition)))
        });
        all.filter(|at| !group.members.iter().any(|member| member.assigned.contains(at))).collect()
    }

    /// Its place among the members, by their names; `None` when it is none.
    fn rank_in(&self, group: &DescribedGroup) -> Option<usize> {
        let mut names: Vec<_> = group.members.iter().filter_map(|member| member.instance.as_deref()).collect();
        names.sort_unstable();
        names.iter().position(|name| *name == self.name)
    }
}

fn names(partitions: &[TopicPartition]) -> String {
    partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The looks at which a member acts when nothing helps.
    fn turns(rank: usize) -> Vec<u32> {
        let mut unowned = Unowned::default();
        let mut turns = Vec::new();
        for look in 1..=20 {
            unowned.times = look;
            if unowned.is_turn_of(rank) {
                unowned.visits += 1;
                turns.push(look);
            }
        }
        turns
    }

    #[test]
    fn the_first_by_name_acts_first_and_then_more_and_more_rarely() {
        assert_eq!(turns(0), [2, 4, 8, 16]);
        assert_eq!(turns(1), [3, 6, 12]);
    }
}
