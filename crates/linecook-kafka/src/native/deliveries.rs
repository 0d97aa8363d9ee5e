//! What a producer hears of its records.

use std::{sync::Arc, time::Duration};

use rdkafka::{bindings as sys, error::RDKafkaErrorCode};

use super::{
    fault_of,
    queue::{Queue, millis},
    text_of,
};

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// What its sender gave along with it.
    pub(crate) opaque: usize,
    /// Where it lies, if it was stored.
    pub(crate) offset: i64,
    pub(crate) fate: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Stored,
    /// It is in no partition, and will be in none.
    NotStored(RDKafkaErrorCode),
    /// It may be.
    Unknown(RDKafkaErrorCode),
}

/// Something that a producer's queue had.
#[derive(Debug)]
pub(crate) enum Event {
    Delivery(Delivery),
    /// Of the client as a whole, as when no broker is there.
    Fault(RDKafkaErrorCode, String),
}

/// Takes one event of the queue, waiting at most `max_wait`, and tells what is in it. Returns whether there was one.
pub(crate) fn serve(queue: &Queue, max_wait: Duration, mut see: impl FnMut(Event)) -> bool {
    // SAFETY: the queue is alive; the event is ours, and is destroyed below, after its messages were seen.
    unsafe {
        let event = sys::rd_kafka_queue_poll(queue.as_ptr(), millis(max_wait));
        if event.is_null() {
            return false;
        }
        match sys::rd_kafka_event_type(event) {
            sys::RD_KAFKA_EVENT_DR => loop {
                let message = sys::rd_kafka_event_message_next(event);
                if message.is_null() {
                    break;
                }
                see(Event::Delivery(delivery(message)));
            },
            sys::RD_KAFKA_EVENT_ERROR => {
                let code = sys::rd_kafka_event_error(event).into();
                see(Event::Fault(code, text_of(sys::rd_kafka_event_error_string(event))));
            }
            sys::RD_KAFKA_EVENT_LOG => log(event),
            _ => {}
        }
        sys::rd_kafka_event_destroy(event);
    }
    true
}

/// # Safety
/// `message` is one of an event that is alive.
unsafe fn delivery(message: *const sys::rd_kafka_message_t) -> Delivery {
    // SAFETY: as the caller has promised.
    let (fields, status) = unsafe { (&*message, sys::rd_kafka_message_status(message)) };
    let fate = match fault_of(fields.err) {
        None => Fate::Stored,
        Some(code) if status == sys::rd_kafka_msg_status_t::RD_KAFKA_MSG_STATUS_NOT_PERSISTED => Fate::NotStored(code),
        Some(code) => Fate::Unknown(code),
    };
    Delivery { opaque: fields._private as usize, offset: fields.offset, fate }
}

/// # Safety
/// `event` is a log event that is alive.
unsafe fn log(event: *mut sys::rd_kafka_event_t) {
    let (mut facility, mut text, mut level) = (std::ptr::null(), std::ptr::null(), 0);
    // SAFETY: the three are ours; the texts live as long as the event.
    unsafe {
        if sys::rd_kafka_event_log(event, &raw mut facility, &raw mut text, &raw mut level) == 0 {
            crate::client::tell(level, &text_of(facility), &text_of(text));
        }
    }
}

/// How many records of the client are not yet stored or given up, their deliveries told.
pub(crate) fn outstanding_count(client: &Arc<impl super::Client>) -> usize {
    // SAFETY: the client is alive.
    usize::try_from(unsafe { sys::rd_kafka_outq_len(client.native()) }).unwrap_or(0)
}
