//! Who owns which partition. All members live in this process, so a group is a few maps under one lock.
//!
//! A rebalance is cooperative: the owner of a partition that is to move hears of it with its next poll (`Revoking`),
//! gives it up with the one after, and only then the new owner gets it. A member that has not polled for its
//! `max_silence` is put out: its partitions get a new epoch at once, so that whatever it still does is `Fenced`.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use linecook_log::{Error, InstanceName, Partition, Result, TopicName, TopicPartition, waiting::Wakeup};

use crate::catalog::GroupId;

/// A member of a group, numbered in the order of joining.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct MemberId(u64);

/// What is owned together: a partition number of a list of co-partitioned topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Share {
    input: usize,
    partition: Partition,
}

/// Co-partitioned topics and how many partitions each has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Input {
    pub(crate) topics: Vec<TopicName>,
    pub(crate) partition_count: u32,
}

impl Input {
    fn partitions_of(&self, partition: Partition) -> impl Iterator<Item = TopicPartition> {
        self.topics.iter().map(move |topic| TopicPartition::new(topic, partition))
    }
}

/// The place of a member in its service, stable over restarts: its instance and which of its workers it is.
pub(crate) type MemberName = (InstanceName, u32);

/// A member that joins.
pub(crate) struct Joining {
    pub(crate) name: MemberName,
    pub(crate) inputs: Vec<Input>,
    pub(crate) max_silence: Duration,
    pub(crate) wakeup: Arc<Wakeup>,
}

#[derive(Default)]
pub(crate) struct Coordinator {
    groups: HashMap<GroupId, GroupState>,
    joined_count: u64,
}

#[derive(Default)]
struct GroupState {
    inputs: Vec<Input>,
    members: BTreeMap<MemberId, MemberState>,
    owners: BTreeMap<Share, MemberId>,
    /// Who is to own what, as of the last change of the members.
    wanted: BTreeMap<Share, MemberId>,
    /// Nothing is to move: what a poll finds almost always.
    is_settled: bool,
}

struct MemberState {
    name: MemberName,
    last_poll: Duration,
    max_silence: Duration,
    wakeup: Arc<Wakeup>,
    /// What it was told to give up with its last poll.
    revoking: Vec<Share>,
    /// What it owned when it was put out; it hears of it when it polls again.
    lost: Vec<Share>,
    is_out: bool,
}

/// What changes for a member.
pub(crate) enum Change {
    None,
    /// Another has joined under its name.
    Replaced,
    Assigned(Vec<TopicPartition>),
    Revoking(Vec<TopicPartition>),
    Lost(Vec<TopicPartition>),
}

/// What has to be done about a change of ownership: give these partitions a new epoch.
pub(crate) type NewEpochs = Vec<TopicPartition>;

impl Coordinator {
    /// Whether a member with these inputs can join.
    pub(crate) fn check(&self, group: GroupId, inputs: &[Input]) -> Result<()> {
        match self.groups.get(&group) {
            Some(state) if !state.members.is_empty() && state.inputs != inputs => {
                Err(Error::invalid("the members of a group read the same topics: this one asks for others"))
            }
            _ => Ok(()),
        }
    }

    /// A member joins that was [checked](Self::check). One of the same name is over: its process was replaced by this
    /// one.
    pub(crate) fn join(&mut self, group: GroupId, joining: Joining, now: Duration) -> (MemberId, NewEpochs) {
        self.joined_count += 1;
        let id = MemberId(self.joined_count);
        let Joining { name, inputs, max_silence, wakeup } = joining;
        let state = self.groups.entry(group).or_default();
        if state.members.is_empty() {
            state.inputs = inputs;
        }
        let new_epochs = state.replace(&name);
        let (revoking, lost) = (Vec::new(), Vec::new());
        let member = MemberState { name, last_poll: now, max_silence, wakeup, revoking, lost, is_out: false };
        state.members.insert(id, member);
        state.rebalance();
        (id, new_epochs)
    }

    pub(crate) fn has_members(&self, group: GroupId) -> bool {
        self.groups.get(&group).is_some_and(|state| state.members.values().any(|member| !member.is_out))
    }

    /// The member leaves; what it owned needs new epochs.
    pub(crate) fn leave(&mut self, group: GroupId, member: MemberId) -> NewEpochs {
        let Some(state) = self.groups.get_mut(&group) else { return Vec::new() };
        state.members.remove(&member);
        let given_up = state.take_from(member);
        state.rebalance();
        state.name(&given_up)
    }

    /// What changes for a member with this poll, and what needs new epochs before it is told.
    pub(crate) fn poll(&mut self, group: GroupId, id: MemberId, now: Duration) -> (Change, NewEpochs) {
        let Some(state) = self.groups.get_mut(&group) else { return (Change::None, Vec::new()) };
        let is_silent = |other: MemberId, member: &MemberState| {
            other != id && now.saturating_sub(member.last_poll) > member.max_silence
        };
        let mut new_epochs = state.put_out(is_silent);
        let Some(member) = state.members.get_mut(&id) else { return (Change::Replaced, new_epochs) };
        member.last_poll = now;
        if member.is_out {
            member.is_out = false;
            let lost = std::mem::take(&mut member.lost);
            state.rebalance();
            return (Change::Lost(state.name(&lost)), new_epochs);
        }
        let given_up = std::mem::take(&mut member.revoking);
        if !given_up.is_empty() {
            state.owners.retain(|share, _| !given_up.contains(share));
            state.is_settled = false; // it may be the one that is to have it
            state.wake_all();
        }
        if state.is_settled {
            return (Change::None, new_epochs);
        }
        let moving = state.shares(|share| state.owners.get(share) == Some(&id) && state.wanted.get(share) != Some(&id));
        if !moving.is_empty() {
            let named = state.name(&moving);
            if let Some(member) = state.members.get_mut(&id) {
                member.revoking = moving;
            }
            return (Change::Revoking(named), new_epochs);
        }
        let free = state.shares(|share| !state.owners.contains_key(share) && state.wanted.get(share) == Some(&id));
        if free.is_empty() {
            state.is_settled = state.owners == state.wanted; // the last change of the members may have moved nothing
            return (Change::None, new_epochs);
        }
        state.owners.extend(free.iter().map(|share| (*share, id)));
        state.is_settled = state.owners == state.wanted;
        let named = state.name(&free);
        new_epochs.extend(named.iter().cloned());
        (Change::Assigned(named), new_epochs)
    }
}

impl GroupState {
    fn all_shares(&self) -> impl Iterator<Item = Share> {
        let shares = |(input, it): (usize, &Input)| {
            Partition::all(it.partition_count).map(move |partition| Share { input, partition })
        };
        self.inputs.iter().enumerate().flat_map(shares)
    }

    fn shares(&self, is_one: impl Fn(&Share) -> bool) -> Vec<Share> {
        self.all_shares().filter(|share| is_one(share)).collect()
    }

    fn name(&self, shares: &[Share]) -> Vec<TopicPartition> {
        shares.iter().flat_map(|share| self.inputs[share.input].partitions_of(share.partition)).collect()
    }

    fn wake_all(&self) {
        for member in self.members.values() {
            member.wakeup.raise();
        }
    }

    fn take_from(&mut self, member: MemberId) -> Vec<Share> {
        self.owners.extract_if(.., |_, owner| *owner == member).map(|(share, _)| share).collect()
    }

    /// Ends the members of that name, and fences them.
    fn replace(&mut self, name: &MemberName) -> NewEpochs {
        let replaced: Vec<_> = self.members.extract_if(.., |_, member| member.name == *name).collect();
        let mut new_epochs = Vec::new();
        for (id, member) in replaced {
            let lost = self.take_from(id);
            new_epochs.extend(self.name(&lost));
            member.wakeup.raise();
        }
        new_epochs
    }

    /// Takes everything from the members that `is_one` says, and fences them.
    fn put_out(&mut self, is_one: impl Fn(MemberId, &MemberState) -> bool) -> NewEpochs {
        let is_one = |(id, member): (&MemberId, &MemberState)| (!member.is_out && is_one(*id, member)).then_some(*id);
        let chosen: Vec<_> = self.members.iter().filter_map(is_one).collect();
        let mut new_epochs = Vec::new();
        for id in &chosen {
            let lost = self.take_from(*id);
            new_epochs.extend(self.name(&lost));
            if let Some(member) = self.members.get_mut(id) {
                member.is_out = true;
                member.revoking.clear();
                member.lost = lost;
            }
        }
        if !chosen.is_empty() {
            self.rebalance();
        }
        new_epochs
    }

    /// Spreads the shares evenly over the members; a share moves only if its owner has more than its part.
    fn rebalance(&mut self) {
        let members: Vec<_> = self.members.iter().filter(|(_, member)| !member.is_out).map(|(id, _)| *id).collect();
        self.is_settled = false;
        self.wanted.clear();
        if members.is_empty() {
            return;
        }
        let shares: Vec<_> = self.all_shares().collect();
        let mut load: BTreeMap<MemberId, usize> = members.iter().map(|id| (*id, 0)).collect();
        // The first `extra` members that have as many keep one more than the others.
        let (part, mut extra) = (shares.len() / members.len(), shares.len() % members.len());
        for share in &shares {
            let Some(owner) = self.owners.get(share).filter(|owner| load.contains_key(owner)) else { continue };
            let owned = load[owner];
            if owned < part || (owned == part && extra > 0) {
                extra -= usize::from(owned == part);
                load.insert(*owner, owned + 1);
                self.wanted.insert(*share, *owner);
            }
        }
        for share in shares {
            if !self.wanted.contains_key(&share)
                && let Some((member, count)) = load.iter_mut().min_by_key(|(_, count)| **count)
            {
                *count += 1;
                self.wanted.insert(share, *member);
            }
        }
        self.wake_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: GroupId = GroupId(0);
    const SILENCE: Duration = Duration::from_secs(10);

    fn inputs() -> Vec<Input> {
        let topic = |name| TopicName::new(name).unwrap();
        vec![Input { topics: vec![topic("a"), topic("b")], partition_count: 4 }]
    }

    fn join(coordinator: &mut Coordinator, now: u64) -> MemberId {
        let name = (InstanceName::new("host").unwrap(), u32::try_from(coordinator.joined_count).unwrap());
        let joining = Joining { name, inputs: inputs(), max_silence: SILENCE, wakeup: Arc::default() };
        coordinator.check(GROUP, &joining.inputs).unwrap();
        coordinator.join(GROUP, joining, Duration::from_secs(now)).0
    }

    fn poll(coordinator: &mut Coordinator, member: MemberId, now: u64) -> String {
        let list =
            |partitions: Vec<TopicPartition>| partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        match coordinator.poll(GROUP, member, Duration::from_secs(now)).0 {
            Change::None => "none".into(),
            Change::Replaced => "replaced".into(),
            Change::Assigned(which) => format!("assigned {}", list(which)),
            Change::Revoking(which) => format!("revoking {}", list(which)),
            Change::Lost(which) => format!("lost {}", list(which)),
        }
    }

    #[test]
    fn a_partition_moves_only_after_its_owner_has_polled_twice() {
        let mut coordinator = Coordinator::default();
        let one = join(&mut coordinator, 0);
        assert_eq!(poll(&mut coordinator, one, 0), "assigned a/0 b/0 a/1 b/1 a/2 b/2 a/3 b/3");
        let two = join(&mut coordinator, 0);
        assert_eq!(poll(&mut coordinator, two, 0), "none", "it waits");
        assert_eq!(poll(&mut coordinator, one, 0), "revoking a/2 b/2 a/3 b/3");
        assert_eq!(poll(&mut coordinator, two, 0), "none", "it still waits: the other may commit");
        assert_eq!(poll(&mut coordinator, one, 0), "none");
        assert_eq!(poll(&mut coordinator, two, 0), "assigned a/2 b/2 a/3 b/3");
        coordinator.leave(GROUP, one);
        assert_eq!(poll(&mut coordinator, two, 0), "assigned a/0 b/0 a/1 b/1");
    }

    #[test]
    fn a_silent_member_is_put_out_and_hears_of_it() {
        let mut coordinator = Coordinator::default();
        let (one, two) = (join(&mut coordinator, 0), join(&mut coordinator, 0));
        assert_eq!(poll(&mut coordinator, one, 0), "assigned a/0 b/0 a/2 b/2");
        assert_eq!(poll(&mut coordinator, two, 5), "assigned a/1 b/1 a/3 b/3");
        let (change, new_epochs) = coordinator.poll(GROUP, two, Duration::from_secs(11));
        assert!(matches!(change, Change::Assigned(_)));
        assert_eq!(new_epochs.len(), 8, "once to fence the old owner, once for the new one");
        assert_eq!(poll(&mut coordinator, one, 12), "lost a/0 b/0 a/2 b/2");
        assert!(poll(&mut coordinator, two, 12).starts_with("revoking"));
    }

    /// When the last member to join got nothing, as there were too few partitions, each poll of each member looked through
    /// all of them.
    #[test]
    fn a_member_that_gets_nothing_leaves_the_group_settled() {
        let mut coordinator = Coordinator::default();
        let members: Vec<_> = (0..5).map(|_| join(&mut coordinator, 0)).collect();
        members.iter().for_each(|member| assert!(!poll(&mut coordinator, *member, 0).is_empty()));
        let idle = join(&mut coordinator, 0);
        assert_eq!(poll(&mut coordinator, idle, 0), "none");
        assert!(coordinator.groups[&GROUP].is_settled);
    }

    /// A member gives up what it was told to, also when it is to keep it by then. A group that was settled meanwhile has
    /// to see that nobody has it.
    #[test]
    fn what_is_given_up_although_it_was_to_stay_is_assigned_again() {
        let mut coordinator = Coordinator::default();
        let (one, two) = (join(&mut coordinator, 0), join(&mut coordinator, 0));
        assert_eq!(poll(&mut coordinator, one, 0), "assigned a/0 b/0 a/2 b/2");
        assert_eq!(poll(&mut coordinator, two, 0), "assigned a/1 b/1 a/3 b/3");
        let three = join(&mut coordinator, 0);
        let revoked = poll(&mut coordinator, two, 0);
        assert_eq!(revoked, "revoking a/3 b/3");
        coordinator.leave(GROUP, three);
        assert_eq!(poll(&mut coordinator, one, 0), "none");
        assert_eq!(poll(&mut coordinator, two, 0), "assigned a/3 b/3");
    }

    #[test]
    fn a_group_that_grows_and_shrinks_stays_even_and_moves_little() {
        let mut coordinator = Coordinator::default();
        let members: Vec<_> = (0..4).map(|_| join(&mut coordinator, 0)).collect();
        for _ in 0..4 {
            for member in &members {
                poll(&mut coordinator, *member, 0);
            }
        }
        let state = &coordinator.groups[&GROUP];
        for member in &members {
            assert_eq!(state.owners.values().filter(|owner| *owner == member).count(), 1);
        }
        let before = state.owners.clone();
        coordinator.leave(GROUP, members[3]);
        poll(&mut coordinator, members[0], 0);
        let state = &coordinator.groups[&GROUP];
        let moved = before.iter().filter(|(share, owner)| state.owners.get(share) != Some(owner)).count();
        assert_eq!(moved, 1);
    }
}
