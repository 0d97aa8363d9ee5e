//! Records on their way to a partition.

use std::{
    ffi::{CStr, c_void},
    ptr,
    sync::Arc,
};

use linecook_log::Headers;
use rdkafka::{bindings as sys, error::RDKafkaErrorCode};
use sys::rd_kafka_vtype_t::{
    RD_KAFKA_VTYPE_END, RD_KAFKA_VTYPE_HEADERS, RD_KAFKA_VTYPE_KEY, RD_KAFKA_VTYPE_MSGFLAGS, RD_KAFKA_VTYPE_OPAQUE,
    RD_KAFKA_VTYPE_PARTITION, RD_KAFKA_VTYPE_TIMESTAMP, RD_KAFKA_VTYPE_TOPIC, RD_KAFKA_VTYPE_VALUE,
};

use super::{Client, fault_of};

/// A record to be sent. librdkafka copies it.
pub(crate) struct Outgoing<'a> {
    pub(crate) topic: &'a CStr,
    pub(crate) partition: i32,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
    /// In milliseconds since 1970; 0 is the time of sending.
    pub(crate) timestamp: i64,
    pub(crate) headers: Headers<'a>,
    /// The last header, if there is one.
    pub(crate) own_header: Option<(&'a CStr, &'a [u8])>,
    /// Comes back with its delivery.
    pub(crate) opaque: usize,
}

/// Puts a record into the producer's queue.
///
/// # Errors
/// `QueueFull`: serve deliveries and send it again. Anything else: it is not sent.
pub(crate) fn send(producer: &Arc<impl Client>, record: &Outgoing<'_>) -> Result<(), RDKafkaErrorCode> {
    let (key, key_length) = parts(record.key);
    let (value, value_length) = parts(record.value);
    // SAFETY: the client is alive; all lengths are those of the bytes before them; librdkafka copies what it is given
    // (`F_COPY`) and takes the headers when, and only when, it takes the record.
    unsafe {
        let headers = headers(record);
        let error = sys::rd_kafka_producev(
            producer.native(),
            RD_KAFKA_VTYPE_TOPIC,
            record.topic.as_ptr(),
            RD_KAFKA_VTYPE_PARTITION,
            record.partition,
            RD_KAFKA_VTYPE_MSGFLAGS,
            sys::RD_KAFKA_MSG_F_COPY,
            RD_KAFKA_VTYPE_KEY,
            key,
            key_length,
            RD_KAFKA_VTYPE_VALUE,
            value,
            value_length,
            RD_KAFKA_VTYPE_TIMESTAMP,
            record.timestamp,
            RD_KAFKA_VTYPE_HEADERS,
            headers,
            RD_KAFKA_VTYPE_OPAQUE,
            record.opaque as *mut c_void,
            RD_KAFKA_VTYPE_END,
        );
        match fault_of(error) {
            None => Ok(()),
            Some(code) => {
                if !headers.is_null() {
                    sys::rd_kafka_headers_destroy(headers);
                }
                Err(code)
            }
        }
    }
}

/// Null for what is absent. What is empty is not: an empty slice has an address.
fn parts(bytes: Option<&[u8]>) -> (*const c_void, usize) {
    bytes.map_or((ptr::null(), 0), |bytes| (bytes.as_ptr().cast(), bytes.len()))
}

/// The headers of a record, to be taken by librdkafka or destroyed; null for none.
///
/// # Safety
/// None beyond what the caller of `send` gives; it is unsafe for what it calls.
unsafe fn headers(record: &Outgoing<'_>) -> *mut sys::rd_kafka_headers_t {
    let mut count = usize::from(record.own_header.is_some());
    count += record.headers.count();
    if count == 0 {
        return ptr::null_mut();
    }
    // SAFETY: names and values are copied, with their lengths. A length of 0 is no "until the zero": that is -1.
    unsafe {
        let headers = sys::rd_kafka_headers_new(count);
        for header in record.headers {
            add(headers, header.name.as_bytes(), header.value);
        }
        if let Some((name, value)) = record.own_header {
            add(headers, name.to_bytes(), value);
        }
        headers
    }
}

/// # Safety
/// `headers` is alive and ours.
unsafe fn add(headers: *mut sys::rd_kafka_headers_t, name: &[u8], value: &[u8]) {
    let length = isize::try_from(name.len()).unwrap_or(isize::MAX);
    // SAFETY: both are copied, with their lengths.
    unsafe {
        sys::rd_kafka_header_add(
            headers,
            name.as_ptr().cast(),
            length,
            value.as_ptr().cast(),
            isize::try_from(value.len()).unwrap_or(isize::MAX),
        );
    }
}
