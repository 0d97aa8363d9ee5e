//! Requests and replies that are lost on the way.

use std::{sync::Arc, time::Duration};

use kafka_broker::{ApiKey, Broker, Options, Proxy};
use linecook_kafka::KafkaLog;
use linecook_log::{Commit, ErrorKind, Log as _, Member, Offset, Output, Poll, Result};

use crate::{
    copier::{Copier, Stage},
    kitchen::{Follower, Kitchen, PATIENCE, at, batch_of, numbers_in, read_all},
};

/// A broker whose clients in the kitchen come by a proxy, and one who does not.
struct Road {
    proxy: Proxy,
    kitchen: Kitchen,
    log: Arc<KafkaLog>,
    direct: Arc<KafkaLog>,
    _broker: Broker,
}

impl Road {
    fn new() -> Self {
        let proxy = Proxy::start().unwrap();
        let broker = Broker::start(Options::default().behind(&proxy)).unwrap();
        let kitchen = Kitchen::on(&proxy.bootstrap_servers());
        let mut past = kitchen.options("direct");
        past.properties.set_servers(&broker.bootstrap_servers());
        let (log, direct) = (kitchen.open("cook"), kitchen.open_with(past));
        Self { proxy, kitchen, log, direct, _broker: broker }
    }

    /// Loses requests, then replies, of each of these kinds while a stage copies.
    fn copy_while_cutting(&self, kinds: &[ApiKey], times: usize) {
        let Self { proxy, kitchen, log, direct, .. } = self;
        let stage = Stage::new(kitchen, direct);
        let source = at(&stage.source, 0);
        let copier = Copier::start(kitchen, log, &stage, "cook");
        let mut count = 0;
        let mut copied = Follower::new(&at(&stage.target, 0));
        // Not before the last are copied: what is waited for would lie behind ever more.
        let mut more = |copied: &mut Follower| {
            if copied.count(direct) == count {
                kitchen.append(direct, &source, count..count + 3);
                count += 3;
            }
        };
        for kind in kinds {
            let cut = [Proxy::cut_requests, Proxy::cut_replies];
            for (how, cut) in cut.into_iter().enumerate() {
                // One after the other: of two on their way the second goes with the connection, uncounted.
                for _ in 0..times {
                    let hits = cut(proxy, *kind, 1);
                    tracing::info!(?kind, how, "cut");
                    kitchen.until(&format!("{kind:?} is lost, way {how}"), || {
                        more(&mut copied);
                        hits.count() == 1
                    });
                }
            }
        }
        kitchen.until("all is copied", || copied.count(direct) >= count);
        drop(copier);
        stage.check(kitchen, direct, count);
    }
}

#[test]
fn a_commit_whose_request_or_reply_is_lost_has_its_effect_once() {
    Road::new().copy_while_cutting(&[ApiKey::END_TXN], 4);
}

#[test]
fn whatever_else_of_a_transaction_is_lost_it_has_its_effect_once() {
    let kinds = [
        ApiKey::TXN_OFFSET_COMMIT,
        ApiKey::ADD_PARTITIONS_TO_TXN,
        ApiKey::ADD_OFFSETS_TO_TXN,
        ApiKey::PRODUCE,
        ApiKey::FETCH,
        ApiKey::HEARTBEAT,
    ];
    Road::new().copy_while_cutting(&kinds, 2);
}

#[test]
fn who_joins_while_its_requests_are_lost_gets_in_all_the_same() {
    let road = Road::new();
    let stage = Stage::new(&road.kitchen, &road.direct);
    road.kitchen.append(&road.direct, &at(&stage.source, 0), 0..10);
    let mut cut = Vec::new();
    for kind in [ApiKey::INIT_PRODUCER_ID, ApiKey::JOIN_GROUP, ApiKey::SYNC_GROUP, ApiKey::OFFSET_FETCH] {
        cut.push(road.proxy.cut_requests(kind, 1));
        cut.push(road.proxy.cut_replies(kind, 1));
    }
    let copier = Copier::start(&road.kitchen, &road.log, &stage, "cook");
    let mut copied = Follower::new(&at(&stage.target, 0));
    road.kitchen.until("all is copied", || copied.count(&road.direct) >= 10);
    assert!(cut.iter().all(|hits| hits.count() == 1), "all of them were lost once");
    drop(copier);
    stage.check(&road.kitchen, &road.direct, 10);
}

/// A ticket tells the truth, or that it does not know.
#[test]
fn an_append_whose_request_or_reply_is_lost_is_told_as_what_it_is() {
    let road = Road::new();
    let to = at(&road.kitchen.topic(&road.direct, "orders", 1), 0);
    let mut stored = Vec::new();
    let mut maybe = Vec::new();
    for (round, size) in [(0, 1), (1, 1), (2, 3), (3, 3)] {
        let kinds = [ApiKey::PRODUCE, ApiKey::ADD_PARTITIONS_TO_TXN, ApiKey::END_TXN];
        let kinds = if size == 1 { &kinds[..1] } else { &kinds };
        for (step, kind) in (0..).zip(kinds) {
            if round % 2 == 0 {
                drop(road.proxy.cut_requests(*kind, 2));
            } else {
                drop(road.proxy.cut_replies(*kind, 2));
            }
            let first = round * 1000 + step * 100;
            for number in (0..5).map(|index| first + index * 10) {
                let numbers: Vec<_> = (number..number + size).collect();
                let outcome = road
                    .log
                    .append(&to, batch_of(&numbers))
                    .and_then(|ticket| ticket.wait(PATIENCE, &*road.kitchen.clock));
                match outcome {
                    Ok(()) => stored.extend(numbers),
                    Err(error) if error.kind() == ErrorKind::Unknown => maybe.extend(numbers),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", error.chain()),
                }
            }
        }
    }
    let read = read_all(&road.direct, &to);
    let mut once = read.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), read.len(), "nothing is doubled: {read:?}");
    assert!(stored.iter().all(|number| read.contains(number)), "{stored:?} is stored: {read:?}");
    assert!(
        read.iter().all(|number| stored.contains(number) || maybe.contains(number)),
        "{read:?}: {stored:?} {maybe:?}"
    );
    assert!(stored.len() > maybe.len(), "most is known: {stored:?} {maybe:?}");
}

/// A broker had stored the records of a transaction, and was killed before it said so; the transaction was aborted for
/// another reason, when it was back. librdkafka takes records that wait to be sent again for records that were never stored,
/// and gives their numbers to those of the next transaction. To the broker these were the same records once more: it said
/// that it had them, the next transaction was committed with nothing in it but what it had consumed, and the records were
/// those of the one that was aborted. One of 115 brokers that were killed under load and came back cost an order that way.
#[test]
fn records_that_were_stored_in_secret_are_not_lost_with_the_transaction_after_theirs() {
    let road = Road::new();
    let Road { proxy, kitchen, log, direct, .. } = &road;
    let (source, target) = (kitchen.topic(direct, "source", 1), kitchen.topic(direct, "target", 1));
    kitchen.append(direct, &at(&source, 0), 0..5);
    let mut member = log.join(kitchen.spec("chef", "cook", &[&source], &[])).unwrap();
    kitchen.until_owns(&mut *member, 1);
    assert_eq!(kitchen.take(&mut *member, 5), [0, 1, 2, 3, 4]);
    let commit = |offset| {
        let output = Output { to: at(&target, 0), batch: batch_of(&[offset]) };
        Commit { outputs: vec![output], offsets: vec![(at(&source, 0), Offset(offset))], ..Commit::default() }
    };
    // On a busy machine it is put out of its group now and then, also while it comes back: nobody polls while a commit is
    // refused.
    let come_back = |member: &mut Box<dyn Member>, left: u64| {
        let is_out = |polled: &Result<Poll>| match polled {
            Ok(Poll::Records(_) | Poll::Idle) => false,
            Ok(_) => true,
            Err(error) => error.kind() == ErrorKind::Unknown,
        };
        let mut polled = member.poll(Duration::from_millis(50), 1 << 20);
        if !is_out(&polled) {
            return;
        }
        let mut taken = Vec::new();
        kitchen.until("its records come again", || {
            match &polled {
                Ok(Poll::Records(fetches)) => {
                    taken.extend(fetches.iter().flat_map(|fetch| numbers_in(&fetch.batch, fetch.position)));
                }
                Err(error) if error.kind() == ErrorKind::Unknown => {
                    *member = log.join(kitchen.spec("chef", "cook", &[&source], &[])).unwrap();
                    taken.clear();
                }
                polled if is_out(polled) => taken.clear(),
                _ => {}
            }
            let is_back = taken.len() as u64 >= left;
            if !is_back {
                polled = member.poll(Duration::from_millis(50), 1 << 20);
            }
            is_back
        });
    };
    let mut committed = Vec::new();
    for offset in 1..=5 {
        let left = 6 - offset;
        kitchen.until("its records are sent again, and it is refused", || {
            // The first of each is stored, and so would be those after it.
            let hits = proxy.cut_replies(ApiKey::PRODUCE, 1000);
            let outcome = member.commit(commit(offset)).map(drop);
            proxy.forget_rules();
            assert!(outcome.is_err(), "no reply came through");
            if hits.count() <= 1 {
                come_back(&mut member, left);
            }
            hits.count() > 1
        });
        kitchen.until("a commit is made", || {
            let is_made = member.commit(commit(offset)).is_ok();
            if !is_made {
                come_back(&mut member, left);
            }
            is_made
        });
        committed.push(offset);
        assert_eq!(read_all(direct, &at(&target, 0)), committed);
    }
}
