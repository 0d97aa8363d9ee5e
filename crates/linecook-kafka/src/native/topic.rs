//! A topic that a client knows of.

use std::{
    ffi::CStr,
    ptr::{self, NonNull},
    sync::Arc,
};

use rdkafka::{bindings as sys, error::RDKafkaErrorCode};

use super::Client;

/// A topic whose leaders the client looks for, and goes on looking for, as long as this lives.
///
/// Of a topic that it was not told of, a consumer looks for the leader when a partition of it is assigned, at the next
/// round of a timer: a second later, at the worst.
pub(crate) struct Topic {
    topic: NonNull<sys::rd_kafka_topic_t>,
    /// Dropped last.
    _client: Arc<dyn Client>,
}

// SAFETY: librdkafka's handles may be used from any thread.
unsafe impl Send for Topic {}
// SAFETY: as above.
unsafe impl Sync for Topic {}

impl Topic {
    /// # Errors
    /// A name that librdkafka does not take.
    pub(crate) fn new(client: &Arc<impl Client>, name: &CStr) -> Result<Self, RDKafkaErrorCode> {
        // SAFETY: the client is alive, the name ends with a zero; the handle is ours.
        unsafe {
            let handle = sys::rd_kafka_topic_new(client.native(), name.as_ptr(), ptr::null_mut());
            let topic = NonNull::new(handle).ok_or_else(|| RDKafkaErrorCode::from(sys::rd_kafka_last_error()))?;
            Ok(Self { topic, _client: Arc::clone(client) as Arc<dyn Client> })
        }
    }

    pub(crate) fn name(&self) -> &CStr {
        // SAFETY: the name lives as long as the handle.
        unsafe { CStr::from_ptr(sys::rd_kafka_topic_name(self.as_ptr())) }
    }

    pub(super) fn as_ptr(&self) -> *mut sys::rd_kafka_topic_t {
        self.topic.as_ptr()
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        // SAFETY: the client is alive, and the handle is used no more.
        unsafe { sys::rd_kafka_topic_destroy(self.as_ptr()) }
    }
}
