//! Partitions that nobody owns: how it is told, and what is done about them.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use linecook_kafka::KafkaLog;
use linecook_log::{Clock as _, Commit, Log as _, Member, Offset, Poll, TopicName, TopicPartition};

use crate::kitchen::{Kitchen, at};

/// A member that is polled now and then, and what it owns.
struct Watched {
    /// It ends what is its.
    _log: Arc<KafkaLog>,
    member: Box<dyn Member>,
    owned: BTreeSet<TopicPartition>,
    giving_up: Vec<TopicPartition>,
}

impl Watched {
    fn join(kitchen: &Kitchen, instance: &str, topic: &TopicName) -> Self {
        let log = kitchen.open(instance);
        let mut spec = kitchen.spec("chef", instance, &[topic], &[]);
        spec.max_silence = Duration::from_mins(1);
        Self { member: log.join(spec).unwrap(), _log: log, owned: BTreeSet::new(), giving_up: Vec::new() }
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
}

/// It has work in hand, for longer than others take a partition for one without an owner. They make the group share out
/// again, which must not cost it its place: what it commits counts, and it is over with its next poll.
#[test]
fn who_takes_long_to_give_up_is_told_of_and_keeps_its_place() {
    let kitchen = Kitchen::shared();
    let source = kitchen.topic(&kitchen.open("topics"), "source", 4);
    let mut slow = Watched::join(&kitchen, "a-slow", &source);
    kitchen.until("the first owns all", || {
        slow.poll();
        slow.owned.len() == 4
    });
    let mut quick = Watched::join(&kitchen, "b-quick", &source);
    kitchen.until("the first has to give something up", || {
        quick.poll();
        slow.poll();
        !slow.giving_up.is_empty()
    });

    let deadline = kitchen.clock.monotonic() + Duration::from_secs(10);
    let mut told = BTreeSet::new();
    kitchen.until("the first has worked on", || {
        quick.poll();
        told.extend(quick.member.stuck().map(|error| error.chain()));
        kitchen.clock.monotonic() > deadline
    });
    let told = told.into_iter().collect::<Vec<_>>().join("; ");
    assert!(told.starts_with("partitions have no owner: group="), "{told}");
    assert!(slow.giving_up.iter().all(|at| told.contains(&at.to_string())), "{told}");
    let offsets = slow.giving_up.iter().map(|at| (at.clone(), Offset(0))).collect();
    drop(slow.member.commit(Commit { offsets, ..Commit::default() }).unwrap());

    kitchen.until("all is shared", || {
        quick.poll();
        slow.poll();
        slow.owned.len() == 2 && quick.owned.len() == 2
    });
    kitchen.until("nothing is stuck", || {
        quick.poll();
        slow.poll();
        slow.member.stuck().is_none() && quick.member.stuck().is_none()
    });
    assert!(slow.owned.is_disjoint(&quick.owned), "a partition has two owners");
    assert_eq!(&slow.owned | &quick.owned, (0..4).map(|p| at(&source, p)).collect());
}
