//! A partition read without a group: librdkafka's simple consumer, which needs neither a group nor a right on one.

use std::{ffi::CStr, sync::Arc};

use rdkafka::{bindings as sys, error::RDKafkaErrorCode};

use super::{Client, queue::Queue, topic::Topic};
use linecook_log::waiting::Wakeup;

/// A partition that is being read from an offset on. A client reads a partition once at a time.
pub(crate) struct PartitionReader<C: Client> {
    topic: Topic,
    partition: i32,
    queue: Queue,
    client: Arc<C>,
}

impl<C: Client> PartitionReader<C> {
    /// Begins to read; `wakeup` is raised when something has come.
    pub(crate) fn start(
        client: &Arc<C>,
        (topic, partition): (&CStr, i32),
        offset: i64,
        wakeup: &Arc<Wakeup>,
    ) -> Result<Self, RDKafkaErrorCode> {
        let mut queue = Queue::new(client);
        queue.raise(wakeup);
        let topic = Topic::new(client, topic)?;
        // SAFETY: topic and queue are alive.
        if unsafe { sys::rd_kafka_consume_start_queue(topic.as_ptr(), partition, offset, queue.as_ptr()) } != 0 {
            // SAFETY: it is what this thread's last call has left.
            return Err(unsafe { sys::rd_kafka_last_error() }.into());
        }
        Ok(Self { topic, partition, queue, client: Arc::clone(client) })
    }

    /// What comes of it.
    pub(crate) fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Behind what was taken from the queue, and behind what follows that and is no record. `None` while nothing was.
    pub(crate) fn position(&self) -> Option<i64> {
        // SAFETY: the handles are alive; the list is ours, with one element.
        unsafe {
            let list = sys::rd_kafka_topic_partition_list_new(1);
            let element = sys::rd_kafka_topic_partition_list_add(list, self.topic.name().as_ptr(), self.partition);
            sys::rd_kafka_position(self.client.native(), list);
            let offset = (*element).offset;
            sys::rd_kafka_topic_partition_list_destroy(list);
            (offset >= 0).then_some(offset)
        }
    }
}

impl<C: Client> Drop for PartitionReader<C> {
    fn drop(&mut self) {
        // SAFETY: the topic is alive.
        unsafe { sys::rd_kafka_consume_stop(self.topic.as_ptr(), self.partition) };
    }
}
