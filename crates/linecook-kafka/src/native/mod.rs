//! What rdkafka does not offer of librdkafka's C interface. Nothing else in this crate is unsafe.
//!
//! | file | why |
//! |---|---|
//! | `queue` | partitions forwarded to a queue of their topic, and a call when one is no longer empty: nobody spins, nobody sleeps |
//! | `record` | messages taken by the hundred: a call each costs a third of the throughput |
//! | `deliveries` | events of a producer one by one: `BaseProducer::poll` waits its whole time, and hides whether a failed record may have been stored |
//! | `topic` | topics that a client looks for before a partition of them is assigned |
//! | `produce` | records sent without an allocation each |
//! | `member` | generation and member id of a consumer: who is out of its group must not commit as if it had none; partitions given up so that to be fenced meanwhile does no harm |
//! | `mended` | a file of librdkafka's that reads past a list when a partition has no leader, built once more by `build.rs` |
//! | `brokers` | a client that was told that there are no brokers forgets all that it knows |
//! | `admin` | requests that rdkafka has no method for: offsets of groups, stable or not, ends of partitions at either isolation |
//!
//! Handles of librdkafka may be used from any thread; each here keeps its client alive, so that it cannot outlive it.
#![expect(unsafe_code, reason = "this is where the C interface is called")]

pub(crate) mod admin;
pub(crate) mod brokers;
pub(crate) mod deliveries;
pub(crate) mod member;
pub(crate) mod mended;
pub(crate) mod produce;
pub(crate) mod queue;
pub(crate) mod reader;
pub(crate) mod record;
pub(crate) mod topic;

use std::ffi::{CStr, c_char};

use rdkafka::{bindings as sys, error::RDKafkaErrorCode};

/// A client as the C interface takes it.
pub(crate) trait Client: Send + Sync + 'static {
    fn native(&self) -> *mut sys::rd_kafka_t;
}

impl<C: rdkafka::consumer::ConsumerContext + 'static> Client for rdkafka::consumer::BaseConsumer<C> {
    fn native(&self) -> *mut sys::rd_kafka_t {
        rdkafka::consumer::Consumer::client(self).native_ptr()
    }
}

impl<C: rdkafka::producer::ProducerContext + 'static> Client for rdkafka::producer::BaseProducer<C> {
    fn native(&self) -> *mut sys::rd_kafka_t {
        rdkafka::producer::Producer::client(self).native_ptr()
    }
}

/// What went wrong, in librdkafka's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: RDKafkaErrorCode,
    pub(crate) text: String,
}

impl Fault {
    /// Without what librdkafka adds about itself: for how long it was in which state, and what it has not told.
    pub(crate) fn new(code: RDKafkaErrorCode, text: impl Into<String>) -> Self {
        let mut text = text.into();
        if let Some(at) = text.find(" (after ").filter(|_| text.ends_with(')')) {
            text.truncate(at);
        }
        Self { code, text }
    }

    pub(crate) fn of_code(code: RDKafkaErrorCode) -> Self {
        Self::new(code, code.to_string())
    }
}

/// `None` for no error.
fn fault_of(error: sys::rd_kafka_resp_err_t) -> Option<RDKafkaErrorCode> {
    (error != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR).then(|| error.into())
}

/// What an error says; `None` for none.
///
/// # Safety
/// `error` is null or alive.
unsafe fn error_in(error: *const sys::rd_kafka_error_t) -> Option<Fault> {
    // SAFETY: as the caller has promised.
    unsafe {
        let code: RDKafkaErrorCode = sys::rd_kafka_error_code(error).into();
        let is_error = !error.is_null() && code != RDKafkaErrorCode::NoError;
        is_error.then(|| Fault::new(code, text_of(sys::rd_kafka_error_string(error))))
    }
}

/// A text that librdkafka owns.
///
/// # Safety
/// `text` is null or a C string that lives as long as what it is taken from.
unsafe fn text_of(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: as the caller has promised.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_says_of_itself_is_no_part_of_a_fault() {
        let text_of = |text: &str| Fault::new(RDKafkaErrorCode::BrokerTransportFailure, text).text;
        let told = "127.0.0.1:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state \
                    CONNECT, 1 identical error(s) suppressed)";
        assert_eq!(text_of(told), "127.0.0.1:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused");
        for text in ["refused", "no word (after all) of it", ""] {
            assert_eq!(text_of(text), text);
        }
    }
}
