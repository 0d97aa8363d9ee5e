//! What somebody else does to the cluster, by plain rdkafka.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

use linecook_log::{GroupName, Offset, TopicName, TopicPartition};
use rdkafka::{
    ClientConfig, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
    message::{Headers, Message as _},
    producer::{BaseProducer, BaseRecord, Producer as _},
};

const WITHIN: Duration = Duration::from_secs(20);

fn admin(servers: &str) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", servers).create().unwrap()
}

/// A topic of one partition with that setting.
pub(crate) fn create_topic(servers: &str, name: &TopicName, setting: Option<(&str, &str)>) {
    let mut topic = NewTopic::new(name.as_str(), 1, TopicReplication::Fixed(1));
    if let Some((name, value)) = setting {
        topic = topic.set(name, value);
    }
    let admin = admin(servers);
    let created = block_on(admin.create_topics([&topic], &AdminOptions::new())).unwrap();
    created.into_iter().for_each(|outcome| drop(outcome.unwrap()));
}

pub(crate) fn delete_topic(servers: &str, name: &TopicName) {
    let admin = admin(servers);
    let deleted = block_on(admin.delete_topics(&[name.as_str()], &AdminOptions::new())).unwrap();
    deleted.into_iter().for_each(|outcome| drop(outcome.unwrap()));
}

/// Deletes the records of a partition before `offset`.
pub(crate) fn delete_records(servers: &str, at: &TopicPartition, offset: Offset) {
    let admin = admin(servers);
    let mut list = TopicPartitionList::new();
    let before = rdkafka::Offset::Offset(i64::try_from(offset.0).unwrap());
    list.add_partition_offset(at.topic.as_str(), i32::try_from(at.partition.0).unwrap(), before).unwrap();
    let deleted = block_on(admin.delete_records(&list, &AdminOptions::new())).unwrap();
    deleted.elements().iter().for_each(|element| element.error().unwrap());
}

/// A producer with a transaction open.
pub(crate) fn begin_transaction(servers: &str, id: &str) -> BaseProducer {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", servers)
        .set("transactional.id", id)
        .set("transaction.timeout.ms", "60000")
        .create()
        .unwrap();
    producer.init_transactions(WITHIN).unwrap();
    producer.begin_transaction().unwrap();
    producer
}

/// Whether the transaction of a producer is over, since another has its name.
pub(crate) fn cannot_commit(producer: &BaseProducer) -> bool {
    producer.commit_transaction(WITHIN).is_err()
}

/// Sends a record and waits until it lies in the partition, be it committed or not.
pub(crate) fn send(producer: &BaseProducer, to: &TopicPartition, key: &str, value: &str) {
    let partition = i32::try_from(to.partition.0).unwrap();
    let record = BaseRecord::to(to.topic.as_str()).partition(partition).key(key).payload(value);
    producer.send(record).map_err(|(error, _)| error).unwrap();
    producer.flush(WITHIN).unwrap();
}

/// The names of the headers of so many records, from the first on.
pub(crate) fn headers(servers: &str, at: &TopicPartition, count: usize) -> Vec<Vec<String>> {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", servers).set("group.id", "stranger").create().unwrap();
    let mut list = TopicPartitionList::new();
    let partition = i32::try_from(at.partition.0).unwrap();
    list.add_partition_offset(at.topic.as_str(), partition, rdkafka::Offset::Beginning).unwrap();
    consumer.assign(&list).unwrap();
    let names = |_| {
        let message = consumer.poll(WITHIN).expect("a record in time").unwrap();
        let headers = message.headers().into_iter().flat_map(Headers::iter);
        headers.map(|header| header.key.to_owned()).collect()
    };
    (0..count).map(names).collect()
}

/// Says in the transaction what a group has consumed in which nobody is.
pub(crate) fn send_offset(
    producer: &BaseProducer,
    servers: &str,
    (group, at): (&GroupName, &TopicPartition),
    offset: Offset,
) {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", servers).set("group.id", group.as_str()).create().unwrap();
    let mut offsets = TopicPartitionList::new();
    let next = rdkafka::Offset::Offset(i64::try_from(offset.0).unwrap());
    offsets.add_partition_offset(at.topic.as_str(), i32::try_from(at.partition.0).unwrap(), next).unwrap();
    producer.send_offsets_to_transaction(&offsets, &consumer.group_metadata().unwrap(), WITHIN).unwrap();
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        thread::park();
    }
}
