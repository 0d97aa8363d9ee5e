//! Who of a group owns what. Partitions wander with the polls of those who give and take, never under their hands.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use linecook_log::{MemberSpec, Offset, Partition, TableName, TopicPartition};

/// What has one owner: partition p of all topics of one list.
pub(super) type Unit = Vec<TopicPartition>;

#[derive(Default)]
pub(super) struct Group {
    pub(super) members: BTreeMap<u64, Membership>,
}

pub(super) struct Membership {
    pub(super) spec: MemberSpec,
    /// What it owns, with the offset of its next poll.
    pub(super) owned: BTreeMap<TopicPartition, Offset>,
    /// Of which polls bring nothing.
    pub(super) paused: BTreeSet<TopicPartition>,
    /// Owned until its next poll.
    revoking: Vec<TopicPartition>,
    /// Taken away in its silence; it has not heard of it.
    lost: Vec<TopicPartition>,
    last_poll: Duration,
    /// Silent for too long: it has no share until it polls again.
    is_away: bool,
    /// What others have had before it.
    gained: BTreeSet<TopicPartition>,
}

impl Membership {
    /// The group takes it for silent.
    pub(super) fn be_away(&mut self) {
        self.is_away = true;
        self.revoking.clear();
        self.lost.extend(std::mem::take(&mut self.owned).into_keys());
    }

    /// Others may have had it before.
    pub(super) fn gain(&mut self, at: &TopicPartition) {
        self.gained.insert(at.clone());
    }

    /// Whether others have had that partition of a table's topics before it.
    pub(super) fn has_gained(&self, table: &TableName, partition: Partition) -> bool {
        let input = self.spec.inputs.iter().find(|input| input.tables.contains(table));
        let topics = input.map_or(&[][..], |input| &input.topics);
        self.gained.iter().any(|at| at.partition == partition && topics.contains(&at.topic))
    }
}

/// What a poll finds out about ownership.
pub(super) enum Turn {
    Lost(Vec<TopicPartition>),
    Revoking(Vec<TopicPartition>),
    Assigned(Vec<TopicPartition>),
    Unchanged,
}

impl Group {
    pub(super) fn join(&mut self, id: u64, spec: MemberSpec, now: Duration) {
        self.members.retain(|_, other| (&other.spec.instance, other.spec.worker) != (&spec.instance, spec.worker));
        let member = Membership {
            spec,
            owned: BTreeMap::new(),
            paused: BTreeSet::new(),
            revoking: Vec::new(),
            lost: Vec::new(),
            last_poll: now,
            is_away: false,
            gained: BTreeSet::new(),
        };
        self.members.insert(id, member);
    }

    /// The first thing that is to be told to a member that polls; the offsets of what is assigned are still open.
    pub(super) fn turn(&mut self, id: u64, units: &[Unit], now: Duration) -> Turn {
        let member = self.members.get_mut(&id).expect("the caller is a member");
        (member.last_poll, member.is_away) = (now, false);
        if !member.lost.is_empty() {
            return Turn::Lost(std::mem::take(&mut member.lost));
        }
        for partition in std::mem::take(&mut member.revoking) {
            member.owned.remove(&partition);
        }
        self.expire(now);
        let wanted = self.wanted_share(id, units);
        let others: BTreeSet<_> = self.owners().filter(|(owner, _)| *owner != id).map(|(_, owned)| owned).collect();
        let free = wanted.iter().filter(|partition| !others.contains(partition)).cloned().collect::<Vec<_>>();
        drop(others);

        let member = self.members.get_mut(&id).expect("the caller is a member");
        let surplus: Vec<_> = member.owned.keys().filter(|owned| !wanted.contains(owned)).cloned().collect();
        if !surplus.is_empty() {
            member.revoking.clone_from(&surplus);
            return Turn::Revoking(surplus);
        }
        let new: Vec<_> = free.into_iter().filter(|partition| !member.owned.contains_key(partition)).collect();
        if new.is_empty() { Turn::Unchanged } else { Turn::Assigned(new) }
    }

    fn owners(&self) -> impl Iterator<Item = (u64, &TopicPartition)> {
        self.members.iter().flat_map(|(id, member)| member.owned.keys().map(|owned| (*id, owned)))
    }

    fn expire(&mut self, now: Duration) {
        for member in self.members.values_mut() {
            if now.saturating_sub(member.last_poll) > member.spec.max_silence {
                member.be_away();
            }
        }
    }

    /// What this member should own: everyone gets as many units as the others or one more, and keeps what it has as far
    /// as that allows.
    fn wanted_share(&self, id: u64, units: &[Unit]) -> BTreeSet<TopicPartition> {
        let owners: BTreeMap<_, _> = self.owners().map(|(owner, owned)| (owned, owner)).collect();
        let mut shares: BTreeMap<u64, Vec<&Unit>> =
            self.members.iter().filter(|(_, member)| !member.is_away).map(|(id, _)| (*id, Vec::new())).collect();
        let fair = units.len() / shares.len();
        let mut larger_count = units.len() % shares.len();
        let mut homeless = Vec::new();
        for unit in units {
            match owners.get(&unit[0]).and_then(|owner| shares.get_mut(owner)) {
                Some(share) if share.len() < fair => share.push(unit),
                Some(share) if share.len() == fair && larger_count > 0 => {
                    larger_count -= 1;
                    share.push(unit);
                }
                _ => homeless.push(unit),
            }
        }
        for unit in homeless {
            let smallest = shares.values_mut().min_by_key(|share| share.len());
            smallest.expect("the caller has a share").push(unit);
        }
        shares[&id].iter().flat_map(|unit| unit.iter().cloned()).collect()
    }
}
