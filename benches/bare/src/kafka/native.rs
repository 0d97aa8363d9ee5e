//! What rdkafka does not offer of librdkafka's C interface: records by the batch, and a wait for deliveries that neither
//! spins nor sleeps too long. Nothing else here is unsafe.
#![expect(unsafe_code, reason = "this is where the C interface is called")]

use std::{ffi::CStr, ptr::NonNull, slice, time::Duration};

use rdkafka::{
    bindings as sys,
    consumer::Consumer as _,
    error::RDKafkaErrorCode,
    producer::{BaseProducer, Producer as _},
};

use super::clients::Consumer;

/// The queue that the records of all partitions come to. The consumer's own has rebalances in it, which a batch would
/// swallow. It goes before its consumer.
pub(super) struct RecordQueue {
    client: *mut sys::rd_kafka_t,
    queue: *mut sys::rd_kafka_queue_t,
    taken: Vec<*mut sys::rd_kafka_message_t>,
}

// SAFETY: librdkafka's handles may be used from any thread, and between two calls `taken` is empty.
unsafe impl Send for RecordQueue {}

impl RecordQueue {
    pub(super) fn new(consumer: &Consumer, records_max: usize) -> Self {
        let client = consumer.client().native_ptr();
        // SAFETY: the client is alive.
        Self { client, queue: unsafe { sys::rd_kafka_queue_new(client) }, taken: Vec::with_capacity(records_max) }
    }

    /// Before the partition is assigned, so that none of its records goes anywhere else.
    pub(super) fn forward(&self, topic: &CStr, partition: i32) {
        // SAFETY: client and queues are alive, the name ends with a zero; librdkafka counts the references.
        unsafe {
            let queue = sys::rd_kafka_queue_get_partition(self.client, topic.as_ptr(), partition);
            sys::rd_kafka_queue_forward(queue, self.queue);
            sys::rd_kafka_queue_destroy(queue);
        }
    }

    /// Waits for one record: a batch would wait its whole time, unless it is full before.
    pub(super) fn wait_for_one(&self, max_wait: Duration) -> Option<Record> {
        let millis = i32::try_from(max_wait.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the queue is alive, and the message is ours.
        NonNull::new(unsafe { sys::rd_kafka_consume_queue(self.queue, millis) }).map(Record)
    }

    /// Takes what is there, as many as there is room for.
    pub(super) fn take(&mut self) -> impl ExactSizeIterator<Item = Record> {
        self.taken.clear();
        // SAFETY: there is room for that many addresses; as many as are returned were written, each a message of ours.
        unsafe {
            let room = self.taken.capacity();
            let count = sys::rd_kafka_consume_batch_queue(self.queue, 0, self.taken.as_mut_ptr(), room);
            self.taken.set_len(usize::try_from(count).unwrap_or(0));
        }
        self.taken.drain(..).map(|message| Record(NonNull::new(message).expect("a batch has no holes")))
    }
}

impl Drop for RecordQueue {
    fn drop(&mut self) {
        // SAFETY: it is used no more, and its client is still alive.
        unsafe { sys::rd_kafka_queue_destroy(self.queue) }
    }
}

/// A record in librdkafka's memory.
pub(super) struct Record(NonNull<sys::rd_kafka_message_t>);

impl Record {
    fn fields(&self) -> &sys::rd_kafka_message_t {
        // SAFETY: it is alive until it is dropped, and nobody writes to it.
        unsafe { self.0.as_ref() }
    }

    /// Why it is none, if it is none.
    pub(super) fn fault(&self) -> Option<RDKafkaErrorCode> {
        let code = self.fields().err;
        (code != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR).then(|| code.into())
    }

    pub(super) fn partition(&self) -> i32 {
        self.fields().partition
    }

    pub(super) fn offset(&self) -> i64 {
        self.fields().offset
    }

    pub(super) fn key(&self) -> &[u8] {
        // SAFETY: key and length are those of the message, and live as long.
        unsafe { bytes(self.fields().key.cast(), self.fields().key_len) }
    }

    pub(super) fn value(&self) -> &[u8] {
        // SAFETY: value and length are those of the message, and live as long.
        unsafe { bytes(self.fields().payload.cast(), self.fields().len) }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        // SAFETY: it was given to us, and is destroyed once.
        unsafe { sys::rd_kafka_message_destroy(self.0.as_ptr()) }
    }
}

/// Nothing for what is absent.
///
/// # Safety
/// `start` is null, or the start of `length` bytes that live for `'a`.
unsafe fn bytes<'a>(start: *const u8, length: usize) -> &'a [u8] {
    // SAFETY: as the caller has promised.
    if start.is_null() { &[] } else { unsafe { slice::from_raw_parts(start, length) } }
}

/// Waits until every record is stored or given up, on the queue where that is told: `BaseProducer::poll` waits its whole
/// time, and `flush` in slices of 100 ms. One that was given up makes the commit fail, so nobody looks at them here.
pub(super) fn wait_for_deliveries(producer: &BaseProducer) {
    let client = producer.client().native_ptr();
    // SAFETY: the client is alive; queue and events are ours, and are given back.
    unsafe {
        let queue = sys::rd_kafka_queue_get_main(client);
        while sys::rd_kafka_outq_len(client) > 0 {
            let event = sys::rd_kafka_queue_poll(queue, 20);
            if !event.is_null() {
                sys::rd_kafka_event_destroy(event);
            }
        }
        sys::rd_kafka_queue_destroy(queue);
    }
}
