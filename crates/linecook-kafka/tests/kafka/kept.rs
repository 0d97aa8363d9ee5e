//! Offsets that brokers would forget.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use linecook_kafka::KafkaLog;
use linecook_log::{Clock, Commit, Log as _, Member, Offset, Poll, SystemClock, Timestamp, TopicName, TopicPartition};

use crate::{
    kitchen::{Kitchen, at},
    stranger,
};

/// The machine's clock, so many hours ahead.
#[derive(Debug)]
struct Jumping(SystemClock, AtomicU64);

impl Clock for Jumping {
    fn timestamp(&self) -> Timestamp {
        self.0.timestamp()
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic() + Duration::from_hours(self.1.load(Ordering::Relaxed))
    }
}

/// A member that reads two topics together, of which only the first is subscribed.
struct Kept {
    kitchen: Kitchen,
    clock: Arc<Jumping>,
    log: Arc<KafkaLog>,
    first: TopicName,
    second: TopicName,
    member: Box<dyn Member>,
}

impl Kept {
    /// It has read three records of the second topic, and committed that.
    fn start() -> Self {
        let kitchen = Kitchen::shared();
        let clock = Arc::new(Jumping(SystemClock::new(), AtomicU64::new(0)));
        let given = Arc::<Jumping>::clone(&clock);
        let log = Arc::new(KafkaLog::open(kitchen.options("cook"), given).unwrap());
        let (first, second) = (kitchen.topic(&log, "first", 1), kitchen.topic(&log, "second", 1));
        kitchen.append(&log, &at(&second, 0), 0..3);
        let mut member = log.join(kitchen.spec("chef", "cook", &[&first, &second], &[])).unwrap();
        kitchen.until_owns(&mut *member, 2);
        kitchen.take(&mut *member, 3);
        let mut kept = Self { kitchen, clock, log, first, second, member };
        let offset = (at(&kept.second, 0), Offset(3));
        kept.commit(offset);
        kept
    }

    fn commit(&mut self, offset: (TopicPartition, Offset)) {
        let commit = Commit { offsets: vec![offset], ..Commit::default() };
        self.kitchen.wait(self.member.commit(commit).unwrap()).unwrap();
    }

    /// Polls ten records of the first topic; its partition.
    fn take_of_the_first(&mut self) -> TopicPartition {
        let source = at(&self.first, 0);
        self.kitchen.append(&self.log, &source, 0..10);
        self.kitchen.take(&mut *self.member, 10);
        source
    }

    fn idle(&mut self) {
        for _ in 0..3 {
            let poll = self.member.poll(Duration::from_millis(20), 1).unwrap();
            assert!(matches!(poll, Poll::Idle), "{poll:?}");
        }
    }

    /// The machine's clock is so far ahead by now.
    fn hours_later(&self, hours: u64) {
        self.clock.1.store(hours, Ordering::Relaxed);
    }

    /// What is committed of the second topic.
    fn committed(&self) -> Offset {
        let groups = self.log.groups().unwrap();
        let group = groups.into_iter().find(|group| group.name == self.kitchen.group("chef")).unwrap();
        group.offsets.into_iter().find(|(of, _)| of.topic == self.second).unwrap().1
    }

    fn transaction_count(&self) -> f64 {
        let figures = self.log.status().figures;
        figures.iter().find(|figure| figure.name == "log_transactions_total").unwrap().value
    }
}

/// Only the first topic of an input is subscribed, and of the others brokers forget after a week of silence what the group
/// has committed: it read them anew from their start.
#[test]
fn what_is_committed_of_a_quiet_topic_is_committed_again_every_day() {
    let mut kept = Kept::start();
    for (hours, count) in [(0, 1.0), (23, 1.0), (25, 2.0), (26, 2.0), (50, 3.0)] {
        kept.hours_later(hours);
        kept.idle();
        let transaction_count = kept.transaction_count();
        assert!((transaction_count - count).abs() < 0.5, "after {hours} hours: {transaction_count}");
        assert_eq!(kept.committed(), Offset(3));
    }
}

/// That was done by polls that had found nothing. A member whose first topic always has something never got there.
#[test]
fn a_member_that_is_busy_keeps_them_with_its_commits() {
    let mut kept = Kept::start();
    let source = kept.take_of_the_first();
    for (hours, offset) in [(25, 1), (50, 2)] {
        kept.hours_later(hours);
        kept.commit((source.clone(), Offset(offset)));
        let transaction_count = kept.transaction_count();
        assert_eq!(kept.committed(), Offset(3));
        // Nothing is left to be done by who has nothing to do.
        kept.idle();
        assert!((kept.transaction_count() - transaction_count).abs() < 0.5, "after {hours} hours");
    }
}

/// It was taken along by every commit, and each was refused for it.
#[test]
fn an_offset_that_cannot_be_kept_holds_up_no_other() {
    let mut kept = Kept::start();
    let source = kept.take_of_the_first();
    stranger::delete_topic(kept.kitchen.servers(), &kept.second);
    kept.hours_later(25);
    let Kept { kitchen, member, .. } = &mut kept;
    kitchen.until("a commit is taken", || {
        let commit = Commit { offsets: vec![(source.clone(), Offset(1))], ..Commit::default() };
        let is_taken = member.commit(commit).is_ok();
        drop(member.poll(Duration::from_millis(20), 1 << 20));
        is_taken
    });
}
