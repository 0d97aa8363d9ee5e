//! A log on a broker as these tests use it: names of the test's own, and questions that wait for their answer.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use kafka_broker::Broker;
use linecook_kafka::{KafkaLog, Options, Properties};
use linecook_log::{
    Batch, BatchBuilder, Clock, Error, ErrorKind, GroupName, InputSpec, InstanceName, Log, Member, MemberSpec,
    NewRecord, Offset, Origin, Partition, Poll, Result, Scan, SystemClock, TableName, Ticket, Timestamp, TopicName,
    TopicPartition, TopicSpec,
};
use tempfile::TempDir;

/// A member is given up after it has been silent for so long.
pub(crate) const SESSION_TIMEOUT: Duration = Duration::from_secs(2);
/// No wait for a condition takes longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

pub(crate) struct Kitchen {
    servers: String,
    prefix: String,
    folder: TempDir,
    pub(crate) clock: Arc<SystemClock>,
}

impl Kitchen {
    /// On the broker of all tests.
    pub(crate) fn shared() -> Self {
        Self::on(Broker::shared().unwrap().bootstrap_servers())
    }

    pub(crate) fn on(servers: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        crate::subject::tell_if_asked();
        let (clock, number) = (Arc::new(SystemClock::new()), NUMBER.fetch_add(1, Ordering::Relaxed));
        let prefix = format!("f{}-{}-{number}", clock.timestamp().0 % 100_000_000, std::process::id());
        Self { servers: servers.to_owned(), prefix, folder: tempfile::tempdir().unwrap(), clock }
    }

    pub(crate) fn servers(&self) -> &str {
        &self.servers
    }

    pub(crate) fn options(&self, instance: &str) -> Options {
        let properties = Properties::of_servers(&self.servers);
        let rows = self.folder.path().join(instance);
        let mut options = Options::new(properties, self.instance(instance), rows);
        options.session_timeout = SESSION_TIMEOUT;
        options
    }

    pub(crate) fn instance(&self, name: &str) -> InstanceName {
        InstanceName::new(format!("{}-{name}", self.prefix)).unwrap()
    }

    pub(crate) fn open(&self, instance: &str) -> Arc<KafkaLog> {
        self.open_with(self.options(instance))
    }

    pub(crate) fn open_with(&self, options: Options) -> Arc<KafkaLog> {
        Arc::new(KafkaLog::open(options, Arc::<SystemClock>::clone(&self.clock)).unwrap())
    }

    pub(crate) fn name(&self, name: &str) -> TopicName {
        TopicName::new(format!("{}.{name}", self.prefix)).unwrap()
    }

    pub(crate) fn topic(&self, log: &KafkaLog, name: &str, partition_count: u32) -> TopicName {
        let name = self.name(name);
        log.create_topics(&[TopicSpec { name: name.clone(), partition_count }]).unwrap();
        name
    }

    pub(crate) fn group(&self, name: &str) -> GroupName {
        GroupName::new(format!("{}.{name}", self.prefix)).unwrap()
    }

    /// Worker 0 of that instance, reading these topics together.
    pub(crate) fn spec(&self, group: &str, instance: &str, topics: &[&TopicName], tables: &[&TableName]) -> MemberSpec {
        let topics = topics.iter().map(|topic| (*topic).clone()).collect();
        let tables = tables.iter().map(|table| (*table).clone()).collect();
        MemberSpec {
            group: self.group(group),
            instance: self.instance(instance),
            worker: 0,
            inputs: vec![InputSpec { topics, tables }],
            max_silence: SESSION_TIMEOUT,
        }
    }

    /// Appends each number as a record of its own.
    pub(crate) fn append(&self, log: &KafkaLog, to: &TopicPartition, numbers: impl IntoIterator<Item = u64>) {
        let tickets: Vec<_> = numbers.into_iter().map(|number| log.append(to, batch_of(&[number])).unwrap()).collect();
        tickets.into_iter().for_each(|ticket| self.wait(ticket).unwrap());
    }

    pub(crate) fn wait(&self, ticket: Ticket) -> Result<()> {
        ticket.wait(PATIENCE, &*self.clock)
    }

    pub(crate) fn until(&self, what: &str, is_so: impl FnMut() -> bool) {
        until(&*self.clock, what, is_so);
    }

    /// Polls until it owns so many partitions; where they begin.
    pub(crate) fn until_owns(&self, member: &mut dyn Member, count: usize) -> BTreeMap<TopicPartition, Offset> {
        let mut owned = BTreeMap::new();
        self.until(&format!("a member owns {count} partitions"), || {
            match member.poll(Duration::from_millis(50), 1 << 20) {
                Ok(Poll::Assigned(new)) => owned.extend(new.into_iter().map(|it| (it.partition, it.position))),
                Ok(_) => {}
                Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", error.chain()),
            }
            owned.len() >= count
        });
        owned
    }

    /// Polls until so many records have come: their numbers.
    pub(crate) fn take(&self, member: &mut dyn Member, count: usize) -> Vec<u64> {
        let mut taken = Vec::new();
        self.until(&format!("a member polls {count} records"), || {
            if let Ok(Poll::Records(fetches)) = member.poll(Duration::from_millis(50), 1 << 20) {
                taken.extend(fetches.iter().flat_map(|fetch| numbers_in(&fetch.batch, fetch.position)));
            }
            taken.len() >= count
        });
        taken
    }

    /// Polls until that ends with an error that is not only for now.
    pub(crate) fn until_refused(&self, member: &mut dyn Member) -> Error {
        let mut refusal = None;
        self.until("a poll is refused", || {
            refusal = member.poll(Duration::from_millis(50), 1 << 20).err();
            refusal.is_some()
        });
        refusal.unwrap()
    }
}

pub(crate) fn until(clock: &dyn Clock, what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = clock.monotonic() + PATIENCE;
    while !is_so() {
        assert!(clock.monotonic() < deadline, "in vain: {what}");
        thread::park_timeout(Duration::from_millis(5));
    }
}

pub(crate) fn batch_of(numbers: &[u64]) -> BatchBuilder {
    batch_by("kitchen", numbers)
}

/// One that a service makes.
pub(crate) fn batch_by(service: &str, numbers: &[u64]) -> BatchBuilder {
    let service = GroupName::new(service).unwrap();
    let mut batch = BatchBuilder::new(&Origin { service, taken_at: Timestamp(1), attempt: 1, source: None }, 0);
    for number in numbers {
        let text = text_of(*number);
        batch
            .push(&NewRecord { key: None, value: Some(text.as_bytes()), timestamp: Timestamp(1), headers: &[] })
            .unwrap();
    }
    batch
}

pub(crate) fn text_of(number: u64) -> String {
    format!("{number:08}")
}

pub(crate) fn number_of(text: &[u8]) -> u64 {
    str::from_utf8(text).unwrap().parse().unwrap()
}

pub(crate) fn numbers_in(batch: &Batch, from: Offset) -> Vec<u64> {
    batch.records_from(from).map(|record| number_of(record.value.unwrap())).collect()
}

/// All that is committed in a partition.
pub(crate) fn read_all(log: &KafkaLog, from: &TopicPartition) -> Vec<u64> {
    let mut follower = Follower::new(from);
    follower.read_on(log).unwrap();
    follower.numbers
}

/// Reads on where it was: who waits for records must not be what they wait for.
pub(crate) struct Follower {
    from: TopicPartition,
    next: Offset,
    numbers: Vec<u64>,
}

impl Follower {
    pub(crate) fn new(from: &TopicPartition) -> Self {
        Self { from: from.clone(), next: Offset(0), numbers: Vec::new() }
    }

    fn read_on(&mut self, log: &KafkaLog) -> Result<()> {
        loop {
            let batches = log.read(&self.from, self.next, 1 << 20)?;
            let Some(last) = batches.last() else { return Ok(()) };
            for batch in &batches {
                self.numbers.extend(numbers_in(batch, self.next));
            }
            self.next = last.end();
        }
    }

    /// How many are committed, as far as the broker says so.
    pub(crate) fn count(&mut self, log: &KafkaLog) -> u64 {
        if let Err(error) = self.read_on(log) {
            assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", error.chain());
        }
        self.numbers.len() as u64
    }
}

pub(crate) fn rows_of(member: &mut dyn Member, table: &TableName, partition: Partition) -> BTreeMap<u64, u64> {
    let all = Scan { prefix: b"", after: None, limit: usize::MAX };
    let rows = member.scan(table, partition, all).unwrap();
    rows.into_iter().map(|(key, value)| (number_of(&key), number_of(&value))).collect()
}

pub(crate) fn at(topic: &TopicName, partition: u32) -> TopicPartition {
    TopicPartition::new(topic, Partition(partition))
}
