//! Requests to brokers on behalf of nobody in particular, each with an answer of its own.

mod groups;
mod offsets;
mod topics;

use std::{ptr, sync::Arc, time::Duration};

use linecook_log::{Offset, Partition, TopicName, TopicPartition};
use rdkafka::{
    Offset as NativeOffset, TopicPartitionList,
    bindings::{self as sys, rd_kafka_admin_op_t as Operation},
    error::RDKafkaErrorCode,
};

pub(crate) use self::{
    groups::{
        DescribedGroup, DescribedMember, Stable, alter_offsets, committed_offsets, delete_group, described, group_names,
    },
    offsets::{End, Isolation, offsets_at},
    topics::{FoundTopic, NewTopic, create_topics, ping, settings, topic_ids, topics},
};
use super::{
    Client, Fault, fault_of,
    queue::{Queue, millis},
    text_of,
};

/// A request's answer, which owns what the results point to.
struct Answer(*mut sys::rd_kafka_event_t);

impl Drop for Answer {
    fn drop(&mut self) {
        // SAFETY: it is ours, and nothing taken from it outlives it: all results are copied.
        unsafe { sys::rd_kafka_event_destroy(self.0) }
    }
}

/// The longest that a request may take for librdkafka.
const LONGEST: Duration = Duration::from_hours(1);

/// A request's options.
struct Options {
    native: *mut sys::rd_kafka_AdminOptions_t,
    /// How long we wait for the answer.
    patience: Duration,
}

impl Options {
    fn new(client: &Arc<impl Client>, operation: Operation, timeout: Duration) -> Self {
        // The request always answers in time; a little more, so that it is heard.
        Self { native: native_options(client, operation, timeout), patience: timeout + Duration::from_secs(1) }
    }

    /// Of a request to the coordinator of a group.
    ///
    /// One that ends by its own time-out while the coordinator is away leaves librdkafka with an address that it has
    /// freed: when the coordinator is back, an assertion ends the process (confluentinc/librdkafka#3663). So we give it
    /// up, and it does not: its answer comes to a queue that is not there any more, or its client goes first, as it does
    /// when brokers were silent.
    fn of_coordinator(client: &Arc<impl Client>, operation: Operation, timeout: Duration) -> Self {
        Self { native: native_options(client, operation, LONGEST), patience: timeout }
    }
}

fn native_options(
    client: &Arc<impl Client>,
    operation: Operation,
    timeout: Duration,
) -> *mut sys::rd_kafka_AdminOptions_t {
    // SAFETY: the client is alive; the options are the caller's. A time is in the range that it takes.
    unsafe {
        let options = sys::rd_kafka_AdminOptions_new(client.native(), operation);
        let timeout = millis(timeout).clamp(1, millis(LONGEST));
        sys::rd_kafka_AdminOptions_set_request_timeout(options, timeout, ptr::null_mut(), 0);
        options
    }
}

impl Drop for Options {
    fn drop(&mut self) {
        // SAFETY: they are ours.
        unsafe { sys::rd_kafka_AdminOptions_destroy(self.native) }
    }
}

/// Sends a request by `send`, which is given the options and the queue for the answer, and waits for that.
fn ask(
    client: &Arc<impl Client>,
    options: &Options,
    send: impl FnOnce(*const sys::rd_kafka_AdminOptions_t, *mut sys::rd_kafka_queue_t),
) -> Result<Answer, Fault> {
    let queue = Queue::new(client);
    send(options.native, queue.as_ptr());
    // SAFETY: the queue is alive; the event is ours from here on.
    unsafe {
        let event = sys::rd_kafka_queue_poll(queue.as_ptr(), millis(options.patience));
        if event.is_null() {
            return Err(Fault::of_code(RDKafkaErrorCode::OperationTimedOut));
        }
        let answer = Answer(event);
        match fault_of(sys::rd_kafka_event_error(event)) {
            None => Ok(answer),
            Some(code) => Err(Fault::new(code, text_of(sys::rd_kafka_event_error_string(event)))),
        }
    }
}

/// A list of results.
///
/// # Safety
/// `start` is that of `count` pointers that are alive.
unsafe fn results<'a, T>(start: *mut *const T, count: usize) -> &'a [*const T] {
    if start.is_null() {
        return &[];
    }
    // SAFETY: as the caller has promised.
    unsafe { std::slice::from_raw_parts(start, count) }
}

/// A partition in an answer: its offset, or why there is none.
type Answered = (TopicPartition, Result<i64, RDKafkaErrorCode>);

/// Those of a list in an answer. Topics whose names are longer than ours may be are somebody else's.
///
/// # Safety
/// `list` is null or alive.
unsafe fn partitions(list: *const sys::rd_kafka_topic_partition_list_t) -> Vec<Answered> {
    if list.is_null() {
        return Vec::new();
    }
    // SAFETY: the list has that many elements.
    unsafe {
        let count = usize::try_from((*list).cnt).unwrap_or(0);
        (0..count).filter_map(|index| partition(&*(*list).elems.add(index))).collect()
    }
}

/// # Safety
/// `element` is one of a list that is alive.
unsafe fn partition(element: &sys::rd_kafka_topic_partition_t) -> Option<Answered> {
    // SAFETY: the name of a topic in a list is a C string.
    let topic = TopicName::new(unsafe { text_of(element.topic) }).ok()?;
    let at = TopicPartition { topic, partition: Partition(u32::try_from(element.partition).ok()?) };
    Some((at, fault_of(element.err).map_or(Ok(element.offset), Err)))
}

/// These partitions at these offsets, as librdkafka takes them.
pub(crate) fn list<'a>(partitions: impl IntoIterator<Item = (&'a TopicPartition, NativeOffset)>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (at, offset) in partitions {
        list.add_partition_offset(at.topic.as_str(), native_partition(at.partition), offset)
            .expect("names of topics have no zero byte, and an offset is one");
    }
    list
}

/// A partition's number as librdkafka takes it.
pub(crate) fn native_partition(partition: Partition) -> i32 {
    i32::try_from(partition.0).unwrap_or(i32::MAX)
}

/// An offset as librdkafka takes it.
pub(crate) fn native_offset(offset: Offset) -> NativeOffset {
    NativeOffset::Offset(i64::try_from(offset.0).unwrap_or(i64::MAX))
}
