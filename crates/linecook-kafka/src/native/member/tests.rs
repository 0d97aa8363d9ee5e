use std::{
    ffi::{CStr, c_char, c_int},
    ptr,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use linecook_log::{Clock as _, SystemClock};
use rdkafka::{ClientConfig, mocking::MockCluster};
use sys::{
    rd_kafka_resp_err_t::{
        RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS as REVOKED, RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID as FENCED,
    },
    rd_kafka_type_t::RD_KAFKA_CONSUMER,
};

use super::*;
use crate::native::{fault_of, queue::Queue};

const PATIENCE: Duration = Duration::from_secs(30);
/// Whether the partitions of the one that is put out are being stopped by its own doing.
static GIVES_UP: AtomicBool = AtomicBool::new(false);

/// A consumer as the C interface has it: rdkafka's tell what they do later, and on other threads.
struct Plain(*mut sys::rd_kafka_t);

// SAFETY: librdkafka's handles may be used from any thread.
unsafe impl Send for Plain {}
// SAFETY: as above.
unsafe impl Sync for Plain {}

impl Client for Plain {
    fn native(&self) -> *mut sys::rd_kafka_t {
        self.0
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        // SAFETY: it is used no more.
        unsafe { sys::rd_kafka_destroy_flags(self.0, sys::RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE as c_int) }
    }
}

/// A member of the group that reads the topic.
fn member(servers: &str, name: &str, topic: &str) -> Arc<Plain> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", servers).set("group.id", "cooks").set("heartbeat.interval.ms", "200");
    config.set("session.timeout.ms", "6000").set("group.instance.id", name);
    config.set("partition.assignment.strategy", "cooperative-sticky").set("debug", "cgrp");
    config.set("log_level", "7");
    let config = config.create_native_config().unwrap();
    // SAFETY: the client takes the settings; the text is as long as it says; the list is copied.
    unsafe {
        sys::rd_kafka_conf_set_log_cb(config.ptr(), Some(put_out_at_the_worst_moment));
        sys::rd_kafka_conf_set_events(config.ptr(), sys::RD_KAFKA_EVENT_REBALANCE as c_int);
        let mut why = [0; 512];
        let client = sys::rd_kafka_new(RD_KAFKA_CONSUMER, config.ptr(), why.as_mut_ptr(), why.len());
        std::mem::forget(config);
        assert!(!client.is_null(), "{}", text_of(why.as_ptr()));
        sys::rd_kafka_poll_set_consumer(client);
        let mut subscribed = TopicPartitionList::new();
        subscribed.add_partition(topic, -1);
        assert_eq!(fault_of(sys::rd_kafka_subscribe(client, subscribed.ptr())), None);
        Arc::new(Plain(client))
    }
}

/// Called on the thread on which a client handles what brokers answer, as that somebody else has come under its name.
extern "C" fn put_out_at_the_worst_moment(
    client: *const sys::rd_kafka_t,
    _: c_int,
    _: *const c_char,
    text: *const c_char,
) {
    // SAFETY: the text lives as long as the call.
    let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
    let is_stopping = text.contains(" partitions awaiting stop") && !text.contains(" 0 partitions awaiting stop");
    if is_stopping && GIVES_UP.swap(false, Ordering::AcqRel) {
        // SAFETY: the client is alive, since it calls; the reason ends with a zero.
        unsafe { sys::rd_kafka_test_fatal_error(client.cast_mut(), FENCED, c"by itself".as_ptr()) };
    }
}

/// Answers what the group wants, if it wants something, and says whether that was to give up partitions.
fn serve(member: &Arc<Plain>, all: &TopicPartitionList) -> Option<bool> {
    let events = Queue::of_consumer(member);
    // SAFETY: the queue is alive; the event is ours, and may be null when it is destroyed.
    unsafe {
        let event = sys::rd_kafka_queue_poll(events.as_ptr(), 20);
        let is_rebalance = !event.is_null() && sys::rd_kafka_event_type(event) == sys::RD_KAFKA_EVENT_REBALANCE;
        let is_revoked = is_rebalance.then(|| sys::rd_kafka_event_error(event) == REVOKED);
        match is_revoked {
            Some(true) => {
                GIVES_UP.store(true, Ordering::Release);
                give_up(member, all).unwrap();
            }
            Some(false) => {
                let partitions = sys::rd_kafka_event_topic_partition_list(event);
                sys::rd_kafka_error_destroy(sys::rd_kafka_incremental_assign(member.native(), partitions));
            }
            None => {}
        }
        sys::rd_kafka_event_destroy(event);
        is_revoked
    }
}

fn is_put_out(member: &Arc<Plain>) -> bool {
    // SAFETY: the client is alive; no text is wanted.
    fault_of(unsafe { sys::rd_kafka_fatal_error(member.native(), ptr::null_mut(), 0) }).is_some()
}

/// Now and then a service was gone after a broker had been killed on a busy machine: by a signal, without a word. A member
/// had been told to give up partitions, so that another of its process could have them, and was fenced, by itself, before
/// they had stopped. librdkafka then calls itself until the stack ends (`rd_kafka_rebalance_op_incr`, by way of
/// `rd_kafka_assignment_serve` and `rd_kafka_cgrp_incr_unassign_done`): it forgets that an assignment follows the
/// revocation only after it has told of it. That goes on for as long as there is nothing to stop, so the member gives up all
/// that it has. When this fails, it takes the process along.
#[test]
fn a_member_that_is_put_out_while_its_partitions_stop_ends_alone() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("orders", 2, 1).unwrap();
    let mut all = TopicPartitionList::new();
    all.add_partition_range("orders", 0, 1);
    let first = member(&cluster.bootstrap_servers(), "first", "orders");
    let clock = SystemClock::new();
    let in_time = || assert!(clock.monotonic() < PATIENCE);
    while serve(&first, &all) != Some(false) {
        in_time();
    }
    let second = member(&cluster.bootstrap_servers(), "second", "orders");
    while !is_put_out(&first) {
        serve(&first, &all);
        serve(&second, &all);
        in_time();
    }
    // It has still to answer the assignment that follows.
    while serve(&first, &all) != Some(false) {
        in_time();
    }
}
