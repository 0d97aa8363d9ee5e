//! Topics and clients of a chain of stages.

use std::{thread, time::Duration};

use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    producer::BaseProducer,
};

use crate::{Result, clock};

/// In the order in which a pizza gets there.
pub(crate) const TOPICS: [&str; 5] =
    ["pizza", "pizza-with-sauce", "pizza-with-cheese", "pizza-with-meats", "pizza-with-veggies"];

/// How long the cluster may take to answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Some stages, whoever they are.
#[derive(Debug, Clone)]
pub(crate) struct Chain {
    pub(crate) servers: String,
    /// Of the topics' names.
    pub(crate) prefix: String,
}

impl Chain {
    pub(crate) fn input(&self) -> String {
        self.topic(TOPICS[0])
    }

    pub(crate) fn output(&self) -> String {
        self.topic(TOPICS[TOPICS.len() - 1])
    }

    pub(crate) fn topic(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    pub(crate) fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.servers).set("socket.nagle.disable", "true");
        config
    }

    /// A producer that waits so long for more to send along.
    pub(crate) fn producer(&self, linger: Duration) -> Result<BaseProducer> {
        let mut config = self.config();
        config.set("enable.idempotence", "true").set("linger.ms", linger.as_millis().to_string());
        config.set("queue.buffering.max.messages", "1000000");
        // Where linecook and Java's clients put a key.
        config.set("partitioner", "murmur2_random");
        Ok(config.create()?)
    }

    /// What sees only what is committed.
    pub(crate) fn consumer(&self) -> Result<BaseConsumer> {
        let mut config = self.config();
        config.set("group.id", "kafka-load").set("enable.auto.commit", "false"); // a name that nothing is kept under
        config.set("isolation.level", "read_committed").set("fetch.wait.max.ms", "100");
        Ok(config.create()?)
    }

    /// Where the partitions of the output start or end. Asked again for a while: a broker does not know a new topic at
    /// once, nor answers always while others use the machine.
    pub(crate) fn bounds(&self, consumer: &BaseConsumer, bound: Bound) -> Result<TopicPartitionList> {
        let begin = clock::now();
        loop {
            match self.ask_for_bounds(consumer, bound) {
                Err(_) if begin.elapsed() < PATIENCE => thread::sleep(Duration::from_millis(50)),
                answer => return answer,
            }
        }
    }

    fn ask_for_bounds(&self, consumer: &BaseConsumer, bound: Bound) -> Result<TopicPartitionList> {
        let output = self.output();
        let metadata = consumer.fetch_metadata(Some(&output), PATIENCE)?;
        let topic = metadata.topics().first().ok_or_else(|| format!("there is no such topic: topic={output}"))?;
        if topic.partitions().is_empty() {
            return Err(format!("there is no such topic: topic={output}").into());
        }
        let mut bounds = TopicPartitionList::new();
        for partition in topic.partitions() {
            let (start, end) = consumer.fetch_watermarks(&output, partition.id(), PATIENCE)?;
            let offset = if bound == Bound::Start { start } else { end };
            bounds.add_partition_offset(&output, partition.id(), Offset::Offset(offset))?;
        }
        Ok(bounds)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    Start,
    End,
}
