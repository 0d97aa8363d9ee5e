//! Trying a service without a log.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use linecook_log::{
    Batch, BatchBuilder, Clock, GroupName, Member, NewRecord, Offset, Origin, Partition, Record, Timestamp, TopicName,
    TopicPartition,
};

use super::memory::Memory;
use crate::{
    Counter, CountsReader, Definition, Event, Key, PartialCounts, Service, State, Table, TableReader, Topic, Topology,
    service::DEAD_LETTERS,
    settings::Settings,
    worker::{Hand, InputIndex, Taken},
};

/// A whole service that a test gives records to, one at a time. Its stages and tables run as they do in a worker; what
/// they write can be taken, and its tables read, at once. Each topic has one partition; nothing goes to a disk.
///
/// ```
/// use linecook::{Definition, Failure, PartialCounts, Service, ServiceTrial, Topic};
///
/// const PIZZA: Topic<u64, String> = Topic::new("pizza");
/// const BAKED: Topic<u64, String> = Topic::new("baked");
/// const NAMES: PartialCounts<String> = PartialCounts::new("names");
///
/// const SERVICE: Definition = Definition::new("oven", 5000, |service| {
///     service.stage(PIZZA, BAKED, |pizza, _| match pizza.as_str() {
///         "calzone" => Err(Failure::reject("it folds")),
///         _ => Ok(format!("baked {pizza}")),
///     });
///     service.count(NAMES, PIZZA, |name: String| name);
/// });
///
/// let mut oven = ServiceTrial::new(&SERVICE);
/// oven.send(&PIZZA, &7, &"funghi".to_owned());
/// oven.send(&PIZZA, &8, &"calzone".to_owned());
/// assert_eq!(oven.take(&BAKED), [(7, "baked funghi".to_owned())]);
/// assert_eq!(oven.take_dead_letters(), ["baked: it folds"]);
/// assert_eq!(oven.counts(NAMES).totals().unwrap()["calzone"], 1);
/// ```
///
/// Like the assertions of a test, its methods panic when something is not as it must be.
pub struct ServiceTrial {
    service: Arc<Service>,
    hand: Hand,
    memory: Memory,
    /// The next offset of each topic that was sent to.
    ends: BTreeMap<TopicName, Offset>,
    counted: Vec<(Counter, &'static str, u64)>,
    clock: TrialClock,
    now: Timestamp,
}

/// The time that the trial was told.
#[derive(Debug, Default)]
struct TrialClock(AtomicI64);

impl Clock for TrialClock {
    fn timestamp(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Duration {
        self.timestamp().since(Timestamp(0))
    }
}

/// The partition that every topic has.
const PARTITION: Partition = Partition(0);

impl ServiceTrial {
    /// The service as its definition makes it, with default settings.
    ///
    /// # Panics
    /// When the definition is faulty.
    pub fn new(definition: &Definition) -> Self {
        Self::of(definition.service(&mut Settings::default()).expect("the service has a name"))
    }

    /// The service as it is.
    ///
    /// # Panics
    /// When its declarations are faulty.
    pub fn of(service: Service) -> Self {
        let topology = Topology::of([&service]).expect("the declarations of the service fit together");
        let topics: Vec<_> = topology.topic_specs(1);
        let service = Arc::new(service);
        Self {
            hand: Hand::new(&service, &topics, u64::MAX).expect("all topics of the service are there"),
            service,
            memory: Memory::default(),
            ends: BTreeMap::new(),
            counted: Vec::new(),
            clock: TrialClock::default(),
            now: Timestamp(0),
        }
    }

    /// The time at which the next records are written and taken in hand; before it is told, 0. What waits until then is
    /// tried again.
    ///
    /// # Panics
    /// When a record fails that its stage or table [may not leave out](crate::FailurePolicy::stop).
    pub fn set_time(&mut self, now: Timestamp) {
        self.now = now;
        self.clock.0.store(now.0, Ordering::Relaxed);
        while let Some(due) = self.hand.due(now, |_| true) {
            match self.hand.first_parked(&due, &mut self.memory).expect("rows in memory can be read") {
                Some(kept) => {
                    let retried = self.hand.retry(&due, &kept, None, now, &mut self.memory, &self.clock);
                    retried.expect("it may be left out");
                }
                None => self.hand.pass_over(&due, now),
            }
            self.commit(Vec::new());
        }
    }

    /// Gives the service a record.
    ///
    /// # Panics
    /// When the service does not read the topic, or the event cannot be encoded.
    pub fn send<K: Key, V: Event>(&mut self, topic: &Topic<K, V>, key: &K, event: &V) {
        let (mut key_bytes, mut value) = (Vec::new(), Vec::new());
        key.encode(&mut key_bytes);
        event.encode(&mut value).expect("the event can be encoded");
        self.send_bytes(topic, Some(&key_bytes), &value);
    }

    /// Gives the service a record that somebody else has written, who may have written anything.
    ///
    /// # Panics
    /// When the service does not read the topic.
    pub fn send_bytes<K, V>(&mut self, topic: &Topic<K, V>, key: Option<&[u8]>, value: &[u8]) {
        let topic = topic.log_name();
        let input = self.service.inputs().iter().position(|input| input.topic == topic);
        let input = InputIndex(input.unwrap_or_else(|| panic!("the service does not read the topic: topic={topic}")));
        let from = TopicPartition::new(&topic, PARTITION);
        let end = self.ends.entry(topic).or_default();
        let batch = batch_of(*end, key, value, self.now);
        *end = batch.end();
        self.hand.begin_source(input, &from, self.now, 1);
        let own_input = &self.service.inputs()[input.0];
        for record in batch.records() {
            let taken = Taken::new(input, &from, &record, self.now);
            self.hand.take(own_input, taken, &mut self.memory, &self.clock).expect("its record may be left out");
        }
        self.commit(vec![(from, batch.end())]);
    }

    fn commit(&mut self, offsets: Vec<(TopicPartition, Offset)>) {
        let commit = self.hand.commit(offsets, self.now).expect("the states can be encoded");
        self.memory.commit(commit).map(drop).expect("memory takes everything");
        let (_, counted) = self.hand.done();
        self.counted.extend(counted.iter().map(|one| (one.counter, one.label_value, one.count)));
        self.hand.committed();
    }

    /// What was written to a topic since this was asked last, in order.
    ///
    /// # Panics
    /// When something that was written does not decode.
    pub fn take<K: Key, V: Event>(&mut self, topic: &Topic<K, V>) -> Vec<(K, V)> {
        self.take_records(&topic.log_name(), |record| {
            let key = K::decode(record.key.unwrap_or_default()).expect("its key decodes");
            (key, V::decode(record.value.unwrap_or_default()).expect("it decodes"))
        })
    }

    /// What went to the dead letters since this was asked last: which stage or table has refused it, and why, with
    /// `": "` between.
    pub fn take_dead_letters(&mut self) -> Vec<String> {
        let topic = self.service.targets()[DEAD_LETTERS.0].clone();
        let text = |record: &Record<'_>, name| {
            let value = record.headers.value_of(name).unwrap_or_default();
            String::from_utf8_lossy(value).into_owned()
        };
        self.take_records(&topic, |record| {
            format!("{}: {}", text(&record, "linecook-stage"), text(&record, "linecook-reason"))
        })
    }

    fn take_records<T>(&mut self, topic: &TopicName, read: impl Fn(Record<'_>) -> T) -> Vec<T> {
        let batches = self.memory.take_written(topic);
        batches.iter().flat_map(|batch| batch.records().map(&read)).collect()
    }

    /// One of its tables.
    pub fn table<K: Key, S: State, I: Event>(&self, table: Table<K, S, I>) -> TableReader<K, S, I> {
        TableReader::new(self.memory.rows_of(table.log_name()), 1)
    }

    /// One of its counts.
    pub fn counts<K: Key + Ord>(&self, counts: PartialCounts<K>) -> CountsReader<K> {
        CountsReader::new(self.memory.rows_of(counts.log_name()), 1)
    }

    /// How often handlers have counted that value of the counter's label.
    pub fn counted(&self, counter: Counter, label_value: &str) -> u64 {
        let of_value = self.counted.iter().filter(|(of, value, _)| *of == counter && *value == label_value);
        of_value.map(|(_, _, count)| count).sum()
    }
}

impl fmt::Debug for ServiceTrial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceTrial").field("service", self.service.name()).finish_non_exhaustive()
    }
}

fn batch_of(base: Offset, key: Option<&[u8]>, value: &[u8], now: Timestamp) -> Batch {
    let service = GroupName::new("trial").expect("this is a name");
    let mut batch = BatchBuilder::new(&Origin { service, taken_at: now, attempt: 1, source: None }, value.len());
    let record = NewRecord { key, value: Some(value), timestamp: now, headers: &[] };
    batch.push(&record).expect("it has no headers");
    batch.finish(base, now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Failure, FailurePolicy};

    const ASKED: Topic<u64, String> = Topic::new("asked");
    const ANSWERED: Topic<u64, String> = Topic::new("answered");

    const SERVICE: Definition = Definition::new("oracle", 5000, |service| {
        let policy = FailurePolicy::skip().backoff(Duration::from_secs(100), Duration::from_secs(100));
        let stage = service.stage(ASKED, ANSWERED, |asked, context| match context.attempt() {
            1 => Err(Failure::retry("not yet")),
            _ => Ok(asked),
        });
        stage.on_failure(policy);
    });

    /// The time of the machine had a say in it, so that all attempts were made at once.
    #[test]
    fn what_waits_is_tried_again_when_its_time_has_come() {
        let mut oracle = ServiceTrial::new(&SERVICE);
        oracle.send(&ASKED, &7, &"why".to_owned());
        oracle.set_time(Timestamp(49_000));
        assert_eq!(oracle.take(&ANSWERED), []);
        oracle.set_time(Timestamp(100_000));
        assert_eq!(oracle.take(&ANSWERED), [(7, "why".to_owned())]);
    }
}
