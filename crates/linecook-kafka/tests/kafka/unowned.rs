//! Partitions that nobody owns: how it is told, and what is done about them.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use linecook_kafka::KafkaLog;
use linecook_log::{Clock as _, Commit, ErrorKind, Log as _, Member, Offset, Poll, TopicName, TopicPartition};

use crate::kitchen::{Kitchen, PATIENCE, SESSION_TIMEOUT, at};

/// A member that is polled now and then, and what it owns.
struct Watched {
    log: Arc<KafkaLog>,
    member: Box<dyn Member>,
    owned: BTreeSet<TopicPartition>,
    giving_up: Vec<TopicPartition>,
}

impl Watched {
    fn join(kitchen: &Kitchen, instance: &str, topic: &TopicName) -> Self {
        let mut options = kitchen.options(instance);
        options.session_timeout = SESSION_TIMEOUT * 2;
        Self::join_by(kitchen, kitchen.open_with(options), instance, topic)
    }

    fn join_by(kitchen: &Kitchen, log: Arc<KafkaLog>, instance: &str, topic: &TopicName) -> Self {
        let mut spec = kitchen.spec("chef", instance, &[topic], &[]);
        spec.max_silence = PATIENCE;
        Self { member: log.join(spec).unwrap(), log, owned: BTreeSet::new(), giving_up: Vec::new() }
    }

    fn poll(&mut self) {
        let poll = self.member.poll(Duration::ZERO, 1 << 20).unwrap();
        for given in std::mem::take(&mut self.giving_up) {
            self.owned.remove(&given);
        }
        match poll {
            Poll::Assigned(new) => self.owned.extend(new.into_iter().map(|it| it.partition)),
            Poll::Revoking(partitions) => self.giving_up = partitions,
            Poll::Lost(partitions) => panic!("lost {partitions:?}"),
            Poll::Records(_) | Poll::Idle => {}
        }
    }

    /// Polls for so long.
    fn poll_for(&mut self, kitchen: &Kitchen, time: Duration, mut look: impl FnMut(&Self)) {
        let deadline = kitchen.clock.monotonic() + time;
        kitchen.until("it is over", || {
            self.poll();
            look(self);
            kitchen.clock.monotonic() > deadline
        });
    }
}

fn until_shared(kitchen: &Kitchen, one: &mut Watched, other: &mut Watched) {
    kitchen.until("all is shared", || {
        one.poll();
        other.poll();
        one.owned.len() == 2 && other.owned.len() == 2
    });
    assert!(one.owned.is_disjoint(&other.owned), "a partition has two owners");
}

fn sole(kitchen: &Kitchen, source: &TopicName) -> Watched {
    let mut first = Watched::join(kitchen, "a-first", source);
    kitchen.until("the first owns all", || {
        first.poll();
        first.owned.len() == 4
    });
    first
}

/// Of two members the first, which is told to give up half of what it has, and the second.
fn giving_up(kitchen: &Kitchen, source: &TopicName) -> (Watched, Watched) {
    let mut first = sole(kitchen, source);
    let mut second = Watched::join(kitchen, "b-second", source);
    kitchen.until("the first has to give something up", || {
        second.poll();
        first.poll();
        !first.giving_up.is_empty()
    });
    (first, second)
}

/// A worker whose member has failed joins again at once: its group took it for the one that was there, and what that had
/// given up stayed without an owner. What is looked for here is done before anybody would do it for want of an owner.
#[test]
fn who_ends_while_it_gives_up_leaves_its_group() {
    let kitchen = Kitchen::shared();
    let source = kitchen.topic(&kitchen.open("topics"), "source", 4);
    let (first, mut second) = giving_up(&kitchen, &source);
    let log = Arc::clone(&first.log);
    drop(first);
    let mut heir = Watched::join_by(&kitchen, log, "a-first", &source);
    until_shared(&kitchen, &mut heir, &mut second);
}

/// The same of one whose last poll was before the group wanted something back.
#[test]
fn who_ends_before_it_hears_what_to_give_up_leaves_its_group() {
    let kitchen = Kitchen::shared();
    let source = kitchen.topic(&kitchen.open("topics"), "source", 4);
    let first = sole(&kitchen, &source);
    let mut second = Watched::join(&kitchen, "b-second", &source);
    // By then the first has a revocation before it.
    second.poll_for(&kitchen, Duration::from_secs(8), |_| {});
    let log = Arc::clone(&first.log);
    drop(first);
    let mut heir = Watched::join_by(&kitchen, log, "a-first", &source);
    until_shared(&kitchen, &mut heir, &mut second);
}

/// A process is killed just then, and is back at once: the other has seen the one before, and does not wait for it.
#[test]
fn who_comes_back_while_it_gave_up_is_noticed() {
    let kitchen = Kitchen::shared();
    let source = kitchen.topic(&kitchen.open("topics"), "source", 4);
    let (killed, mut second) = giving_up(&kitchen, &source);
    // By then the second has asked.
    second.poll_for(&kitchen, Duration::from_secs(3), |_| {});
    let mut heir = Watched::join_by(&kitchen, Arc::clone(&killed.log), "a-first", &source);
    kitchen.until("the second leaves and joins anew", || {
        heir.poll();
        let refused = second.member.poll(Duration::ZERO, 1 << 20).err();
        refused.is_some_and(|error| {
            assert_eq!(error.kind(), ErrorKind::Unknown, "{}", error.chain());
            assert!(error.chain().starts_with("partitions have no owner: "), "{}", error.chain());
            true
        })
    });
    let mut second = Watched::join_by(&kitchen, second.log, "b-second", &source);
    until_shared(&kitchen, &mut heir, &mut second);
    drop(killed);
}

/// It has work in hand, for longer than it takes others to find that partitions have no owner. That must not cost it its
/// place: what it commits counts, and it has given them up with its next poll.
#[test]
fn who_takes_long_to_give_up_is_told_of_and_keeps_its_place() {
    let kitchen = Kitchen::shared();
    let source = kitchen.topic(&kitchen.open("topics"), "source", 4);
    let (mut slow, mut quick) = giving_up(&kitchen, &source);
    let mut told = BTreeSet::new();
    quick.poll_for(&kitchen, Duration::from_secs(10), |quick| {
        told.extend(quick.member.stuck().map(|error| error.chain()));
    });
    let told = told.into_iter().collect::<Vec<_>>().join("; ");
    assert!(told.starts_with("partitions have no owner: group="), "{told}");
    assert!(slow.giving_up.iter().all(|at| told.contains(&at.to_string())), "{told}");
    let offsets = slow.giving_up.iter().map(|at| (at.clone(), Offset(0))).collect();
    drop(slow.member.commit(Commit { offsets, ..Commit::default() }).unwrap());

    until_shared(&kitchen, &mut slow, &mut quick);
    kitchen.until("nothing is stuck", || {
        quick.poll();
        slow.poll();
        slow.member.stuck().is_none() && quick.member.stuck().is_none()
    });
    assert_eq!(&slow.owned | &quick.owned, (0..4).map(|p| at(&source, p)).collect());
}
