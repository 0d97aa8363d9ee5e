//! An open log with names of the test's own, and the questions that every test asks it.

use std::{collections::BTreeMap, fmt::Debug, sync::Arc, thread, time::Duration};

use super::{Subject, consumer::Consumer, numbers};
use crate::{
    BatchBuilder, Clock, ErrorKind, GroupName, InputSpec, InstanceName, Log, MemberSpec, Offset, Partition, Result,
    Scan, TableName, Ticket, TopicName, TopicPartition, TopicSpec,
};

use numbers::{Stored, number_in, numbered, numbers_of};

/// How much a read or a poll takes at once.
pub(super) const MAX_BYTES: usize = 64 * 1024;

pub(super) struct Fixture<'a> {
    subject: &'a mut dyn Subject,
    pub(super) log: Arc<dyn Log>,
    /// The log may be shared by all tests and keep the data of earlier runs: no two tests have a name in common.
    prefix: String,
    pub(super) timing: Timing,
}

/// What a thread of a test needs to wait.
#[derive(Clone)]
pub(super) struct Timing {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) patience: Duration,
}

impl<'a> Fixture<'a> {
    pub(super) fn open(subject: &'a mut dyn Subject, test: &str) -> Self {
        let prefix = format!("{}.{test}", subject.name_prefix());
        let timing = Timing { clock: subject.clock(), patience: subject.patience() };
        Self { log: subject.open(), subject, prefix, timing }
    }

    pub(super) fn kill_and_reopen(&mut self) {
        self.subject.kill();
        self.log = self.subject.open();
    }

    pub(super) fn kill(&mut self) {
        self.subject.kill();
    }

    pub(super) fn reopen(&mut self) {
        self.log = self.subject.open();
    }

    pub(super) fn max_silence(&self) -> Duration {
        self.subject.max_silence()
    }

    pub(super) fn oversize_bytes(&self) -> usize {
        self.subject.oversize_bytes()
    }

    /// The name of a topic that is not created.
    pub(super) fn topic_name(&self, name: &str) -> TopicName {
        TopicName::new(format!("{}.{name}", self.prefix)).expect("the suite's topic names are names")
    }

    pub(super) fn topic(&self, name: &str, partition_count: u32) -> TopicName {
        let name = self.topic_name(name);
        let spec = TopicSpec { name: name.clone(), partition_count };
        self.log.create_topics(&[spec]).expect("a topic can be created");
        name
    }

    pub(super) fn group(&self, name: &str) -> GroupName {
        GroupName::new(format!("{}.{name}", self.prefix)).expect("the suite's group names are names")
    }

    pub(super) fn table(&self, name: &str) -> TableName {
        TableName::new(name).expect("the suite's table names are names")
    }

    /// One worker of one instance, which may be silent as long as a test lasts.
    pub(super) fn spec(&self, group: &GroupName, inputs: &[&TopicName]) -> MemberSpec {
        MemberSpec {
            group: group.clone(),
            instance: InstanceName::new("instance-1").expect("this is a name"),
            worker: 0,
            inputs: inputs
                .iter()
                .map(|topic| InputSpec { topics: vec![TopicName::clone(topic)], ..Default::default() })
                .collect(),
            max_silence: self.timing.patience * 2,
        }
    }

    pub(super) fn join(&self, spec: MemberSpec) -> Consumer {
        Consumer::join(&*self.log, spec, &self.timing).expect("a member can join")
    }

    /// Joins and polls until all partitions of the inputs are its own.
    pub(super) fn join_alone(&self, spec: MemberSpec) -> Consumer {
        let all = self.partitions_of(spec.topics().iter());
        let mut consumer = self.join(spec);
        consumer.until_owns(&all);
        consumer
    }

    pub(super) fn partitions_of<'t>(&self, topics: impl Iterator<Item = &'t TopicName>) -> Vec<TopicPartition> {
        topics
            .flat_map(|topic| {
                let partition_count = self.describe(topic).len();
                (0..partition_count).map(|p| at(topic, u32::try_from(p).expect("few partitions")))
            })
            .collect()
    }

    pub(super) fn append(&self, to: &TopicPartition, batch: BatchBuilder) -> Ticket {
        self.log.append(to, batch).expect("an append is taken")
    }

    /// Appends the numbers to the partition, and waits until they are durable.
    pub(super) fn store(&self, to: &TopicPartition, numbers: impl IntoIterator<Item = u64>) {
        self.wait(self.append(to, numbered(numbers)));
    }

    /// Appends the numbers to the partitions of their keys, and waits until they are durable.
    pub(super) fn store_by_key(&self, to: &TopicName, partition_count: u32, numbers: impl IntoIterator<Item = u64>) {
        for (partition, numbers) in numbers::by_partition(numbers, partition_count).into_iter().enumerate() {
            if !numbers.is_empty() {
                self.store(&at(to, u32::try_from(partition).expect("few partitions")), numbers);
            }
        }
    }

    pub(super) fn wait(&self, ticket: Ticket) {
        self.timing.wait(ticket).expect("the write becomes durable");
    }

    /// All durable records of the partition, read as an outsider.
    pub(super) fn read(&self, from: &TopicPartition) -> Vec<Stored> {
        self.read_from(from, Offset(0))
    }

    pub(super) fn read_from(&self, from: &TopicPartition, mut offset: Offset) -> Vec<Stored> {
        let mut records: Vec<Stored> = Vec::new();
        loop {
            let batches = self.log.read(from, offset, MAX_BYTES).expect("a partition can be read");
            if batches.is_empty() {
                return records;
            }
            for batch in &batches {
                assert!(batch.end() > offset, "{from}: a read at {offset} gave a batch that ends at {}", batch.end());
                records.extend(Stored::of_batch(from, batch, offset));
                offset = batch.end();
            }
        }
    }

    pub(super) fn read_numbers(&self, from: &TopicPartition) -> Vec<u64> {
        numbers_of(&self.read(from))
    }

    /// The start and end of each partition.
    pub(super) fn describe(&self, topic: &TopicName) -> Vec<(Offset, Offset)> {
        let topics = self.log.describe().expect("topics can be described");
        let topic = topics.iter().find(|description| description.name == *topic);
        let topic = topic.expect("the test's topic is described");
        topic.partitions.iter().map(|partition| (partition.start, partition.end)).collect()
    }

    /// What the group has durably consumed; nothing for a group that is not known.
    pub(super) fn committed(&self, group: &GroupName) -> BTreeMap<TopicPartition, Offset> {
        let groups = self.log.groups().expect("groups can be listed");
        groups.into_iter().filter(|description| description.name == *group).flat_map(|found| found.offsets).collect()
    }

    pub(super) fn committed_at(&self, group: &GroupName, from: &TopicPartition) -> Offset {
        self.committed(group).get(from).copied().unwrap_or_default()
    }

    /// The rows of a table that counts numbers, seen from outside; waits while the partition is not here yet.
    pub(super) fn counts(&self, group: &GroupName, table: &TableName, partition: Partition) -> BTreeMap<u64, u64> {
        let rows = self.log.rows(group, table).expect("a reader of rows can be made");
        let mut found = Vec::new();
        self.until("rows are readable from outside", || match rows.scan(partition, Scan::prefix(b"")) {
            Ok(rows) => {
                found = rows;
                true
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
                false
            }
        });
        found.iter().map(|(key, value)| (number_in(key), number_in(value))).collect()
    }

    /// Waits until `condition` holds.
    pub(super) fn until(&self, what: &str, condition: impl FnMut() -> bool) {
        self.timing.until(what, condition);
    }

    /// Waits until `check` finds nothing wrong: for what may take its time after a kill, but has to come right.
    pub(super) fn settles(&self, what: &str, mut check: impl FnMut() -> Result<(), String>) {
        let mut last = String::new();
        let is_settled = self.timing.holds_in_time(|| check().map_err(|wrong| last = wrong).is_ok());
        assert!(is_settled, "{what}: {last}");
    }
}

impl Timing {
    pub(super) fn wait(&self, ticket: Ticket) -> Result<()> {
        ticket.wait(self.patience, &*self.clock)
    }

    pub(super) fn until(&self, what: &str, condition: impl FnMut() -> bool) {
        assert!(self.holds_in_time(condition), "not within {:?}: {what}", self.patience);
    }

    fn holds_in_time(&self, mut condition: impl FnMut() -> bool) -> bool {
        let deadline = self.clock.monotonic() + self.patience;
        loop {
            if condition() {
                return true;
            }
            if self.clock.monotonic() >= deadline {
                return false;
            }
            // The contract has no call that blocks until an outsider sees something: ask again, but leave the core free.
            thread::park_timeout(Duration::from_millis(1));
        }
    }
}

pub(super) fn at(topic: &TopicName, partition: u32) -> TopicPartition {
    TopicPartition::new(topic, Partition(partition))
}

/// The error of a call that has to be refused.
#[track_caller]
pub(super) fn refusal<T: Debug>(outcome: Result<T>, kind: ErrorKind) -> String {
    match outcome {
        Ok(value) => panic!("not refused as {kind:?}, but {value:?}"),
        Err(error) => {
            assert_eq!(error.kind(), kind, "{error}");
            error.to_string()
        }
    }
}
