//! Records that are gone before a group has read them.

use std::{collections::BTreeMap, sync::Arc, thread, time::Duration};

use kafka_broker::{Broker, Proxy};
use linecook_kafka::{Gap, KafkaLog, Options};
use linecook_log::{
    Commit, Error, ErrorKind, Log as _, Member, MemberSpec, Offset, Output, Poll, TopicDescription, TopicName,
    TopicPartition, TopicSpec,
};

use crate::{
    kitchen::{Kitchen, PATIENCE, at, batch_of, numbers_in},
    stranger,
};

struct Reader {
    member: Box<dyn Member>,
    /// What has come and was not asked for yet.
    read: BTreeMap<TopicPartition, Vec<u64>>,
    spec: MemberSpec,
    log: Arc<KafkaLog>,
}

impl Reader {
    fn join(kitchen: &Kitchen, source: &TopicName, gap: Gap) -> Self {
        let mut options = kitchen.options("reader");
        options.gap = gap;
        Self::join_with(kitchen, source, options)
    }

    fn join_with(kitchen: &Kitchen, source: &TopicName, options: Options) -> Self {
        let log = kitchen.open_with(options);
        let spec = kitchen.spec("reader", "reader", &[source], &[]);
        let member = log.join(spec.clone()).unwrap();
        Self { member, read: BTreeMap::new(), spec, log }
    }

    /// One poll; commits what came, and joins again when it has to.
    fn step(&mut self) -> Result<(), Error> {
        match self.poll() {
            Err(error) if error.kind() == ErrorKind::Unknown => {
                self.member = self.log.join(self.spec.clone())?;
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Notes what came before it commits: a commit whose outcome is unknown may have happened, and then it does not come
    /// again.
    fn poll(&mut self) -> Result<(), Error> {
        if let Poll::Records(fetches) = self.member.poll(Duration::from_millis(100), 1 << 20)? {
            let offsets = fetches.iter().map(|fetch| (fetch.from.clone(), fetch.next)).collect();
            for fetch in fetches {
                let read = self.read.entry(fetch.from).or_default();
                for number in numbers_in(&fetch.batch, fetch.position) {
                    if !read.contains(&number) {
                        read.push(number);
                    }
                }
            }
            drop(self.member.commit(Commit { offsets, ..Commit::default() })?);
        }
        Ok(())
    }

    /// Polls until that number has come: what came of its partition.
    fn until(&mut self, kitchen: &Kitchen, from: &TopicPartition, last: u64) -> Vec<u64> {
        kitchen.until(&format!("{last} of {from} is read"), || {
            self.step().unwrap_or_else(|error| assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", error.chain()));
            self.read.get(from).is_some_and(|read| read.contains(&last))
        });
        self.read.remove(from).unwrap()
    }

    /// Polls until it says what does not come.
    fn until_stuck(&mut self, kitchen: &Kitchen) -> Error {
        let mut why = None;
        kitchen.until("it says what is missing", || {
            why = self.step().err().or_else(|| self.member.stuck());
            why.is_some()
        });
        why.unwrap()
    }
}

fn check(error: &Error, words: &[&str]) {
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", error.chain());
    words.iter().for_each(|word| assert!(error.chain().contains(word), "{word} is not in {}", error.chain()));
}

/// A topic of two partitions with the numbers from 0 to 9 in each, of which a group has read all up to 4.
fn half_read(kitchen: &Kitchen) -> (Arc<KafkaLog>, TopicName) {
    let log = kitchen.open("writer");
    let source = kitchen.topic(&log, "source", 2);
    let mut reader = Reader::join(kitchen, &source, Gap::Refuse);
    for partition in 0..2 {
        kitchen.append(&log, &at(&source, partition), 0..5);
        reader.until(kitchen, &at(&source, partition), 4);
    }
    drop(reader);
    (0..2).for_each(|partition| kitchen.append(&log, &at(&source, partition), 5..10));
    (log, source)
}

#[test]
fn a_partition_whose_unread_records_are_gone_says_so_and_its_neighbour_goes_on() {
    let kitchen = Kitchen::shared();
    let (log, source) = half_read(&kitchen);
    stranger::delete_records(kitchen.servers(), &at(&source, 0), Offset(8));
    let mut reader = Reader::join(&kitchen, &source, Gap::Refuse);
    assert_eq!(reader.until(&kitchen, &at(&source, 1), 9), [5, 6, 7, 8, 9]);
    let name = at(&source, 0).to_string();
    check(&reader.until_stuck(&kitchen), &["--accept-gap", &name, "read_up_to=5", "start=8"]);
    kitchen.append(&log, &at(&source, 1), [10]);
    reader.until(&kitchen, &at(&source, 1), 10);
}

#[test]
fn who_accepts_the_gap_goes_on_behind_it() {
    let kitchen = Kitchen::shared();
    let (_log, source) = half_read(&kitchen);
    stranger::delete_records(kitchen.servers(), &at(&source, 0), Offset(8));
    let mut reader = Reader::join(&kitchen, &source, Gap::Accept);
    assert_eq!(reader.until(&kitchen, &at(&source, 0), 9), [8, 9]);
}

/// librdkafka stops a partition whose offset is out of range, and a position cannot be set in one that is stopped: so
/// nobody could go on behind the gap, and a commit that was refused set back no other partition any more either.
#[test]
fn records_that_go_while_it_reads_stop_that_partition_only() {
    let proxy = Proxy::start().unwrap();
    let broker = Broker::start(kafka_broker::Options::default().behind(&proxy)).unwrap();
    for gap in [Gap::Refuse, Gap::Accept] {
        let kitchen = Kitchen::on(&broker.bootstrap_servers());
        let (log, source) = half_read(&kitchen);
        let mut options = kitchen.options("reader");
        options.properties.set_servers(&proxy.bootstrap_servers());
        options.session_timeout = PATIENCE;
        options.gap = gap;
        let mut reader = Reader::join_with(&kitchen, &source, options);
        (0..2).for_each(|partition| drop(reader.until(&kitchen, &at(&source, partition), 9)));
        proxy.hold();
        // What it has asked for by now is answered by then, and lies in the proxy.
        thread::sleep(Duration::from_millis(1_000));
        (0..2).for_each(|partition| kitchen.append(&log, &at(&source, partition), 10..15));
        stranger::delete_records(kitchen.servers(), &at(&source, 0), Offset(13));
        proxy.release();
        assert_eq!(reader.until(&kitchen, &at(&source, 1), 14), [10, 11, 12, 13, 14]);
        match gap {
            Gap::Refuse => {
                let name = at(&source, 0).to_string();
                let error = reader.until_stuck(&kitchen);
                check(&error, &["--accept-gap", &name, "read_up_to=10", "start=13"]);
            }
            Gap::Accept => assert_eq!(reader.until(&kitchen, &at(&source, 0), 14), [13, 14]),
        }
        kitchen.append(&log, &at(&source, 1), [15]);
        reader.until(&kitchen, &at(&source, 1), 15);
    }
}

/// Until the broker knows it: a moment longer it takes records for the one that was deleted.
fn create_anew(kitchen: &Kitchen, log: &KafkaLog, topic: &TopicName) {
    let spec = TopicSpec { name: topic.clone(), partition_count: 2 };
    kitchen.until("the topic is created anew", || log.create_topics(std::slice::from_ref(&spec)).is_ok());
    let is_new =
        |found: &TopicDescription| found.name == *topic && found.partitions.iter().all(|it| it.end == Offset(0));
    kitchen.until("the new topic is there", || log.describe().is_ok_and(|all| all.iter().any(is_new)));
}

/// Nothing of the new topic was read, whoever has read the old one.
#[test]
fn a_topic_created_anew_while_it_is_read_is_read_from_its_start() {
    let kitchen = Kitchen::shared();
    let (log, source) = half_read(&kitchen);
    let mut reader = Reader::join(&kitchen, &source, Gap::Refuse);
    (0..2).for_each(|partition| drop(reader.until(&kitchen, &at(&source, partition), 9)));
    stranger::delete_topic(kitchen.servers(), &source);
    create_anew(&kitchen, &log, &source);
    kitchen.append(&log, &at(&source, 0), 20..23);
    assert_eq!(reader.until(&kitchen, &at(&source, 0), 22), [20, 21, 22]);
}

/// The next reader of a topic that was created anew begins at its start: brokers forget what was committed of a topic
/// with the topic.
#[test]
fn a_topic_created_anew_is_read_from_its_start() {
    let kitchen = Kitchen::shared();
    let (log, source) = half_read(&kitchen);
    stranger::delete_topic(kitchen.servers(), &source);
    create_anew(&kitchen, &log, &source);
    kitchen.append(&log, &at(&source, 0), 20..23);
    let mut reader = Reader::join(&kitchen, &source, Gap::Refuse);
    assert_eq!(reader.until(&kitchen, &at(&source, 0), 22), [20, 21, 22]);
}

/// Who read a topic that was deleted waited without a word, and who wrote to it said that there was no time.
#[test]
fn a_topic_that_is_deleted_is_named_by_who_reads_it_and_by_who_writes_it() {
    let kitchen = Kitchen::shared();
    let log = kitchen.open("cook");
    let source = kitchen.topic(&log, "source", 1);
    let middle = kitchen.topic(&log, "middle", 1);
    kitchen.append(&log, &at(&source, 0), 0..2);
    let mut writer = log.join(kitchen.spec("writer", "cook", &[&source], &[])).unwrap();
    let mut reader = log.join(kitchen.spec("reader", "cook", &[&middle], &[])).unwrap();
    kitchen.until_owns(&mut *writer, 1);
    kitchen.until_owns(&mut *reader, 1);
    let copy = |number| Commit {
        outputs: vec![Output { to: at(&middle, 0), batch: batch_of(&[number]) }],
        offsets: vec![(at(&source, 0), Offset(number + 1))],
        ..Commit::default()
    };
    assert_eq!(kitchen.take(&mut *writer, 2), [0, 1]);
    drop(writer.commit(copy(0)).unwrap());
    assert_eq!(kitchen.take(&mut *reader, 1), [0]);
    stranger::delete_topic(kitchen.servers(), &middle);
    let names_it = |error: &Error| {
        assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Unknown), "{}", error.chain());
        error.chain().contains(&format!("is not there any more, or there is no right to see it: topics={middle}"))
    };
    let error = writer.commit(copy(1)).map(drop).unwrap_err();
    assert!(names_it(&error), "{}", error.chain());
    kitchen.until("its reader names it", || {
        let error = reader.poll(Duration::from_millis(50), 1 << 20).err().or_else(|| reader.stuck());
        error.is_some_and(|error| names_it(&error))
    });
}
