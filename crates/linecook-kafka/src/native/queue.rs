//! Queues of a client.

use std::{
    ffi::{CStr, c_void},
    fmt,
    ptr::{self, NonNull},
    sync::Arc,
    time::Duration,
};

use rdkafka::bindings as sys;

use super::Client;
use linecook_log::waiting::Wakeup;

/// A queue of a client: of its own, or one that the client has.
pub(crate) struct Queue {
    queue: NonNull<sys::rd_kafka_queue_t>,
    /// What is raised when it is no longer empty. The client has its address.
    raised: Option<Arc<Wakeup>>,
    /// Whether it was made by us, and goes with this handle.
    is_own: bool,
    /// Dropped last.
    _client: Arc<dyn Client>,
}

// SAFETY: librdkafka locks its queues, and `raised` is only what the callback reads.
unsafe impl Send for Queue {}
// SAFETY: as above.
unsafe impl Sync for Queue {}

impl Queue {
    /// A new one.
    pub(crate) fn new(client: &Arc<impl Client>) -> Self {
        // SAFETY: the client is alive.
        let mut queue = Self::of(client, unsafe { sys::rd_kafka_queue_new(client.native()) });
        queue.is_own = true;
        queue
    }

    /// The one that a producer's events come to.
    pub(crate) fn main(client: &Arc<impl Client>) -> Self {
        // SAFETY: the client is alive.
        Self::of(client, unsafe { sys::rd_kafka_queue_get_main(client.native()) })
    }

    /// The one that a consumer's events come to: rebalances, errors. A consumer without a group has none.
    pub(crate) fn of_consumer(client: &Arc<impl Client>) -> Self {
        // SAFETY: the client is alive.
        Self::of(client, unsafe { sys::rd_kafka_queue_get_consumer(client.native()) })
    }

    /// The one that the records of a partition come to.
    pub(crate) fn of_partition(client: &Arc<impl Client>, topic: &CStr, partition: i32) -> Self {
        // SAFETY: the client is alive, the name ends with a zero.
        Self::of(client, unsafe { sys::rd_kafka_queue_get_partition(client.native(), topic.as_ptr(), partition) })
    }

    fn of(client: &Arc<impl Client>, queue: *mut sys::rd_kafka_queue_t) -> Self {
        let queue = NonNull::new(queue).expect("a consumer has its queues, and any client can make more");
        Self { queue, raised: None, is_own: false, _client: Arc::clone(client) as Arc<dyn Client> }
    }

    pub(crate) fn as_ptr(&self) -> *mut sys::rd_kafka_queue_t {
        self.queue.as_ptr()
    }

    /// What comes to this one, a partition's, goes to the other as long as what is returned lives; after that to
    /// `events`, its consumer's.
    pub(crate) fn forward_to(self, other: &Self, events: Self) -> Forwarded {
        // SAFETY: both queues are alive; librdkafka counts the reference.
        unsafe { sys::rd_kafka_queue_forward(self.as_ptr(), other.as_ptr()) }
        Forwarded { queue: self, events }
    }

    /// Throws away what is in it.
    fn drain(&self) {
        // SAFETY: the queue is alive, and the events are ours.
        unsafe {
            loop {
                let event = sys::rd_kafka_queue_poll(self.as_ptr(), 0);
                if event.is_null() {
                    break;
                }
                sys::rd_kafka_event_destroy(event);
            }
        }
    }

    /// Whether something is in it, be it of a partition that is not read any more.
    pub(crate) fn has_any(&self) -> bool {
        // SAFETY: the queue is alive.
        unsafe { sys::rd_kafka_queue_length(self.as_ptr()) > 0 }
    }

    /// Raises `wakeup` whenever it is no longer empty. What is in it by now raises nothing: look once more afterwards.
    pub(crate) fn raise(&mut self, wakeup: &Arc<Wakeup>) {
        extern "C" fn on_event(_client: *mut sys::rd_kafka_t, wakeup: *mut c_void) {
            // SAFETY: it is the address of what `raised` holds, which goes after the callback was taken back.
            unsafe { &*wakeup.cast::<Wakeup>() }.raise();
        }
        let raised = Arc::clone(wakeup);
        // SAFETY: the address stays that of what `raised` holds as long as the callback is set.
        unsafe {
            let opaque = Arc::as_ptr(&raised).cast_mut().cast();
            sys::rd_kafka_queue_cb_event_enable(self.as_ptr(), Some(on_event), opaque);
        }
        self.raised = Some(raised);
    }
}

/// A queue of a partition that is forwarded to one of ours.
///
/// A queue that others are forwarded to lives as long as they do, and so do the records in it, and their partitions: a
/// client that still had such a circle would never end. A partition's own queue is one as well, so what comes late goes
/// where the client looks when it ends.
#[derive(Debug)]
pub(crate) struct Forwarded {
    queue: Queue,
    events: Queue,
}

impl Drop for Forwarded {
    fn drop(&mut self) {
        // SAFETY: both queues are alive.
        unsafe { sys::rd_kafka_queue_forward(self.queue.as_ptr(), self.events.as_ptr()) }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        if self.is_own {
            self.drain();
        }
        // SAFETY: the client is alive, and this handle is used no more. The callback is taken back under the queue's lock.
        unsafe {
            if self.raised.is_some() {
                sys::rd_kafka_queue_cb_event_enable(self.as_ptr(), None, ptr::null_mut());
            }
            sys::rd_kafka_queue_destroy(self.as_ptr());
        }
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Queue")
    }
}

/// As the C interface takes a time; more than it can count is for ever, about.
pub(super) fn millis(time: Duration) -> i32 {
    i32::try_from(time.as_millis()).unwrap_or(i32::MAX)
}
