//! Offsets that brokers would forget.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use linecook_kafka::KafkaLog;
use linecook_log::{Clock, Commit, Log as _, Offset, Poll, SystemClock, Timestamp};

use crate::kitchen::{Kitchen, at};

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

/// Only the first topic of an input is subscribed, and of the others brokers forget after a week of silence what the group
/// has committed: it read them anew from their start.
#[test]
fn what_is_committed_of_a_quiet_topic_is_committed_again_every_day() {
    let kitchen = Kitchen::shared();
    let clock = Arc::new(Jumping(SystemClock::new(), AtomicU64::new(0)));
    let given = Arc::<Jumping>::clone(&clock);
    let log = KafkaLog::open(kitchen.options("cook"), given).unwrap();
    let (first, second) = (kitchen.topic(&log, "first", 1), kitchen.topic(&log, "second", 1));
    kitchen.append(&log, &at(&second, 0), 0..3);
    let mut member = log.join(kitchen.spec("chef", "cook", &[&first, &second], &[])).unwrap();
    kitchen.until_owns(&mut *member, 2);
    kitchen.take(&mut *member, 3);
    let offsets = vec![(at(&second, 0), Offset(3))];
    kitchen.wait(member.commit(Commit { offsets, ..Commit::default() }).unwrap()).unwrap();
    let committed = || {
        let groups = log.groups().unwrap();
        let group = groups.into_iter().find(|group| group.name == kitchen.group("chef")).unwrap();
        group.offsets.into_iter().find(|(of, _)| of.topic == second).unwrap().1
    };
    let transaction_count = || {
        let figures = log.status().figures;
        figures.iter().find(|figure| figure.name == "log_transactions_total").unwrap().value
    };
    for (hours, count) in [(0, 1.0), (23, 1.0), (25, 2.0), (26, 2.0), (50, 3.0)] {
        clock.1.store(hours, Ordering::Relaxed);
        for _ in 0..3 {
            let poll = member.poll(Duration::from_millis(20), 1).unwrap();
            assert!(matches!(poll, Poll::Idle), "{poll:?}");
        }
        assert!((transaction_count() - count).abs() < 0.5, "after {hours} hours: {}", transaction_count());
        assert_eq!(committed(), Offset(3));
    }
}
