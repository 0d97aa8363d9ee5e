//! Partitions that nobody owns.
//!
//! When partitions move, a cooperative rebalance has two halves: in the first they are given up and go to nobody; who has
//! given them up joins again, and that begins the second. Should it end in between and come back under its name, the group
//! takes it for the one that it was and shares out nothing, since the restart of a static member is no reason to (KIP-345).
//! Nobody knows any more that there was to be a second half: what was given up stays without an owner until a rebalance
//! that has other reasons, while all members are well.
//!
//! A member that ends in between leaves the group, which shares out then. A process that is killed cannot: so who has joined
//! asks the coordinator who has got what, until everything has an owner. If that does not come about, one leaves and joins
//! as somebody new: librdkafka has no other way to make a group share out. It does so at once when it has seen that another
//! came back, and else when nobody can be about to give anything up any more, since that would have been given up by its group.

use std::{collections::BTreeMap, time::Duration};

use linecook_log::{Error, ErrorKind, Partition, Result, TopicPartition};

use super::{KafkaMember, Over};
use crate::native::admin::{DescribedGroup, DescribedMember};

/// By then most rebalances are over.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(2);
/// A coordinator that does not answer holds up the poll that asks.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// How often the time until a member joins anew doubles: what that does not help against once, it hardly will again.
const MOST_DOUBLINGS: u32 = 6;

/// What a member knows of partitions that nobody owns.
pub(super) struct Unowned {
    /// When the coordinator is asked next.
    look_at: Option<Duration>,
    /// Everything has had an owner since the member is in its group. Only by a join without a rebalance can that change, and
    /// who has joined looks.
    is_whole: bool,
    pause: Duration,
    /// When the group has shared out last.
    shared_out_at: Duration,
    partitions: Vec<TopicPartition>,
    /// They were found more than once.
    is_lasting: bool,
    /// The members and their ids, as of the last look since then.
    ids: BTreeMap<String, String>,
    /// One of them has another id since then: it came back without a rebalance.
    has_come_back: bool,
}

impl Unowned {
    pub(super) fn new() -> Self {
        Self {
            look_at: None,
            is_whole: false,
            pause: LOOK_AGAIN_AFTER,
            shared_out_at: Duration::ZERO,
            partitions: Vec::new(),
            is_lasting: false,
            ids: BTreeMap::new(),
            has_come_back: false,
        }
    }

    pub(super) fn shared_out(&mut self, now: Duration) {
        self.shared_out_at = now;
        self.ids.clear();
        self.has_come_back = false;
        if !self.is_whole {
            self.look_at.get_or_insert(now);
        }
    }

    fn look_at_members(&mut self, group: &DescribedGroup) {
        for DescribedMember { id, instance, .. } in &group.members {
            let Some(instance) = instance else { continue };
            let before = self.ids.insert(instance.clone(), id.clone());
            self.has_come_back |= before.is_some_and(|before| before != *id);
        }
    }

    fn found(&mut self, partitions: Vec<TopicPartition>) {
        self.is_lasting = !self.partitions.is_empty() && !partitions.is_empty();
        self.partitions = partitions;
    }
}

impl KafkaMember {
    /// Looks whether all partitions of its inputs have an owner.
    ///
    /// # Errors
    /// `Unknown`: some have had none for too long, and it is over, so that its successor joins anew.
    pub(super) fn look_for_unowned(&mut self) -> Result<()> {
        let now = self.shared.clock.monotonic();
        if self.unowned.look_at.is_none_or(|at| now < at) || self.shared.cluster.news.is_silent() {
            return Ok(());
        }
        let group = self.shared.cluster.described(&self.spec.group);
        let now = self.shared.clock.monotonic();
        self.unowned.pause = if group.is_ok() { LOOK_AGAIN_AFTER } else { (self.unowned.pause * 2).min(LONGEST_PAUSE) };
        self.unowned.look_at = Some(now + self.unowned.pause);
        let group = match group {
            Ok(Some(group)) if group.is_stable => group,
            Ok(_) => return Ok(()),
            Err(error) => {
                tracing::debug!(group = %self.spec.group, error = error.chain(), "it cannot be asked who owns what");
                return Ok(());
            }
        };
        self.unowned.look_at_members(&group);
        self.unowned.found(self.without_owner(&group));
        if self.unowned.partitions.is_empty() {
            (self.unowned.is_whole, self.unowned.look_at) = (true, None);
            self.shared.joined_anew.lock().remove(&self.name);
            return Ok(());
        }
        let patience = self.patience_in(&group);
        if patience.is_none_or(|patience| now.saturating_sub(self.unowned.shared_out_at) < patience) {
            return Ok(());
        }
        *self.shared.joined_anew.lock().entry(self.name.clone()).or_default() += 1;
        self.over = Some(Over::Unknown);
        // Now, and not when it is dropped: its successor may have joined by then.
        self.end_clients(true);
        let text = format!("{}; the group shares out when this member joins anew: join again", self.what_is_unowned());
        Err(Error::new(ErrorKind::Unknown, text))
    }

    /// How long partitions may be without an owner before this member joins anew: those that own least go first. `None` when
    /// it is no member.
    fn patience_in(&self, group: &DescribedGroup) -> Option<Duration> {
        let mut members: Vec<_> = group.members.iter().collect();
        members.sort_by(|one, other| (one.assigned.len(), &one.instance).cmp(&(other.assigned.len(), &other.instance)));
        let rank = members.iter().position(|member| member.instance.as_ref() == Some(&self.name))?;
        let others = LOOK_AGAIN_AFTER.saturating_mul(u32::try_from(rank).unwrap_or(u32::MAX));
        if self.unowned.has_come_back {
            return Some(others);
        }
        let session = self.shared.options.session_timeout;
        let times = self.shared.joined_anew.lock().get(&self.name).copied().unwrap_or_default();
        let patience = (self.spec.max_silence.max(session) + session).saturating_mul(1 << times.min(MOST_DOUBLINGS));
        Some(patience.saturating_add(others))
    }

    /// What has had no owner for some time, if anything.
    pub(super) fn unowned_for_long(&self) -> Option<Error> {
        let is_lasting = self.unowned.is_lasting;
        is_lasting.then(|| Error::new(ErrorKind::Unavailable, self.what_is_unowned()))
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
