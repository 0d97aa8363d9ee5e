//! Records as a consumer gets them.

use std::{ffi::CStr, ptr, ptr::NonNull, slice};

use linecook_log::Timestamp;
use rdkafka::{bindings as sys, error::RDKafkaErrorCode};

use super::{fault_of, queue::Queue, text_of};

/// A message in librdkafka's memory: a record, or what is wrong with its partition.
pub(crate) struct Message(NonNull<sys::rd_kafka_message_t>);

// SAFETY: a message is owned by who took it; librdkafka counts the references to what it lies in.
unsafe impl Send for Message {}

impl Message {
    fn fields(&self) -> &sys::rd_kafka_message_t {
        // SAFETY: it is alive until it is dropped, and nobody writes to it.
        unsafe { self.0.as_ref() }
    }

    /// Why it is no record; the text is librdkafka's.
    pub(crate) fn fault(&self) -> Option<(RDKafkaErrorCode, String)> {
        let code = fault_of(self.fields().err)?;
        // SAFETY: of a message with an error the value is a text, which lives as long as the message.
        Some((code, unsafe { text_of(sys::rd_kafka_message_errstr(self.0.as_ptr())) }))
    }

    pub(crate) fn partition(&self) -> i32 {
        self.fields().partition
    }

    pub(crate) fn offset(&self) -> i64 {
        self.fields().offset
    }

    /// Partition and offset.
    pub(crate) fn place(&self) -> (i32, i64) {
        (self.partition(), self.offset())
    }

    pub(crate) fn key(&self) -> Option<&[u8]> {
        let fields = self.fields();
        // SAFETY: key and length are those of the message, and live as long.
        unsafe { bytes(fields.key.cast(), fields.key_len) }
    }

    pub(crate) fn value(&self) -> Option<&[u8]> {
        let fields = self.fields();
        // SAFETY: value and length are those of the message, and live as long.
        unsafe { bytes(fields.payload.cast(), fields.len) }
    }

    /// Without one it is older than Kafka's timestamps.
    pub(crate) fn timestamp(&self) -> Option<Timestamp> {
        let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is alive, and the kind is ours.
        let timestamp = unsafe { sys::rd_kafka_message_timestamp(self.0.as_ptr(), &raw mut kind) };
        (kind != sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE).then_some(Timestamp(timestamp))
    }

    /// Name and value of each, in order. A name that is not UTF-8, which Kafka's protocol forbids, is empty.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let mut headers = ptr::null_mut();
        // SAFETY: the message is alive and owns its headers; without any the pointer stays null.
        unsafe { sys::rd_kafka_message_headers(self.0.as_ptr(), &raw mut headers) };
        (0..).map_while(move |index| {
            if headers.is_null() {
                return None;
            }
            let (mut name, mut value, mut length) = (ptr::null(), ptr::null(), 0);
            // SAFETY: the headers live as long as the message; the three are ours.
            let end =
                unsafe { sys::rd_kafka_header_get_all(headers, index, &raw mut name, &raw mut value, &raw mut length) };
            if fault_of(end).is_some() {
                return None;
            }
            // SAFETY: name and value are those of the header, and live as long as the message.
            let (name, value) = unsafe { (CStr::from_ptr(name), bytes(value.cast(), length)) };
            Some((name.to_str().unwrap_or_default(), value.unwrap_or_default()))
        })
    }

    /// Key, value and an allowance for the rest.
    pub(crate) fn size_bytes(&self) -> usize {
        self.fields().len + self.fields().key_len + 32
    }
}

/// # Safety
/// `start` is null, or the start of `length` bytes that live for `'a`.
unsafe fn bytes<'a>(start: *const u8, length: usize) -> Option<&'a [u8]> {
    // SAFETY: as the caller has promised.
    (!start.is_null()).then(|| unsafe { slice::from_raw_parts(start, length) })
}

impl Drop for Message {
    fn drop(&mut self) {
        // SAFETY: it was given to us, and is destroyed once.
        unsafe { sys::rd_kafka_message_destroy(self.0.as_ptr()) }
    }
}

/// Where messages are put: kept, so that a poll allocates nothing.
#[derive(Default)]
pub(crate) struct Taken {
    addresses: Vec<*mut sys::rd_kafka_message_t>,
    messages: Vec<Message>,
}

// SAFETY: between two calls it has no addresses; messages may go from thread to thread.
unsafe impl Send for Taken {}

impl Taken {
    /// Takes what is in the queue, `max_count` messages at most, without waiting. The consumer's position is behind them
    /// from here on, and behind what follows them and is no record.
    pub(crate) fn take(&mut self, queue: &Queue, max_count: usize) -> impl ExactSizeIterator<Item = Message> {
        self.addresses.clear();
        self.addresses.reserve(max_count);
        // SAFETY: there is room for that many addresses; as many as are returned were written, each a message that is
        // ours from here on.
        unsafe {
            let taken = sys::rd_kafka_consume_batch_queue(queue.as_ptr(), 0, self.addresses.as_mut_ptr(), max_count);
            self.addresses.set_len(usize::try_from(taken).unwrap_or(0));
        }
        // Each is in a `Message` before anybody can stop half-way: one that is not given back keeps its client for ever.
        self.messages.extend(self.addresses.drain(..).filter_map(NonNull::new).map(Message));
        self.messages.drain(..)
    }
}
