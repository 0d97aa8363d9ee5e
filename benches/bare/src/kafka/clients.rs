//! The clients of a stage, set up as the product's are, but for requests on their way: librdkafka's five at a time.

use parking_lot::Mutex;
use rdkafka::{
    ClientConfig, ClientContext, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::KafkaResult,
    producer::BaseProducer,
    types::RDKafkaRespErr,
};

pub(super) type Consumer = BaseConsumer<Assignments>;

/// What the group has given to a consumer and nobody has taken up yet.
#[derive(Default)]
pub(super) struct Assignments(Mutex<Vec<TopicPartitionList>>);

impl Assignments {
    pub(super) fn take(&self) -> Vec<TopicPartitionList> {
        std::mem::take(&mut *self.0.lock())
    }
}

impl ClientContext for Assignments {}

impl ConsumerContext for Assignments {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, event: RDKafkaRespErr, list: &mut TopicPartitionList) {
        if event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            self.0.lock().push(list.clone());
        } else {
            // Nobody else is in the group, so this happens at the end only.
            drop(consumer.incremental_unassign(list));
        }
    }
}

/// How long a transaction may take, and a process may be gone.
const TIMEOUT_MS: &str = "10000";

pub(super) fn consumer(servers: &str, name: &str) -> KafkaResult<Consumer> {
    let mut config = base(servers);
    config.set("group.id", name).set("group.instance.id", name).set("session.timeout.ms", TIMEOUT_MS);
    config.set("partition.assignment.strategy", "cooperative-sticky");
    config.set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
    config.set("isolation.level", "read_committed").set("auto.offset.reset", "earliest");
    config.set("fetch.queue.backoff.ms", "10").set("fetch.error.backoff.ms", "50").set("fetch.wait.max.ms", "100");
    config.set("queued.max.messages.kbytes", "16384");
    config.create_with_context(Assignments::default())
}

pub(super) fn producer(servers: &str, name: &str) -> KafkaResult<BaseProducer> {
    let mut config = base(servers);
    config.set("transactional.id", name).set("transaction.timeout.ms", TIMEOUT_MS);
    config.set("enable.idempotence", "true");
    config.set("linger.ms", "0").set("batch.size", "1000000").set("queue.buffering.max.messages", "1000000");
    config.create()
}

fn base(servers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", servers).set("socket.nagle.disable", "true");
    config
}
