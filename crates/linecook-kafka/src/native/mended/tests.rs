use std::{
    ffi::{CStr, c_int},
    time::Duration,
};

use linecook_log::{Clock as _, SystemClock};
use parking_lot::Mutex;
use rdkafka::{
    ClientConfig, ClientContext, Offset, TopicPartitionList, bindings as sys,
    config::{FromClientConfigAndContext as _, RDKafkaLogLevel},
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
};

use crate::native::{Client as _, fault_of};

const PATIENCE: Duration = Duration::from_secs(30);
const TOPIC: &CStr = c"orders";
/// Of partitions.
const LED: i32 = 0;
const NOT_LED: i32 = 1;

/// Keeps what librdkafka tells of its partitions' leaders.
#[derive(Default)]
struct Listener(Mutex<Vec<String>>);

impl ClientContext for Listener {
    fn log(&self, _: RDKafkaLogLevel, what: &str, text: &str) {
        if what == "METADATAUPDATE" {
            self.0.lock().push(text.to_owned());
        }
    }
}

impl ConsumerContext for Listener {}

/// A service was gone now and then after its broker had been killed: by SIGSEGV, in a thread of librdkafka's, just when
/// brokers answered again. A broker that comes up leads partition after partition. Asked in between, it says of some who
/// leads them and of others that nobody does; librdkafka made room for both and wrote down the first. What was in the memory
/// behind them it took for a partition's number. Here the memory is filled, so that it is one that would be seen.
#[test]
fn a_partition_that_nobody_leads_is_no_partition_of_any_number() {
    fill_new_memory();
    let mut config = ClientConfig::new();
    config.set("test.mock.num.brokers", "2").set("group.id", "cooks").set("fetch.wait.max.ms", "10");
    config.set("debug", "metadata").set_log_level(RDKafkaLogLevel::Debug);
    let consumer = BaseConsumer::from_config_and_context(&config, Listener::default()).unwrap();
    // SAFETY: the client is alive, and has such a cluster, which lives as long as it does.
    let brokers = unsafe { sys::rd_kafka_handle_mock_cluster(consumer.native()) };
    // SAFETY: as above.
    assert_eq!(fault_of(unsafe { sys::rd_kafka_mock_topic_create(brokers, TOPIC.as_ptr(), 2, 2) }), None);
    lead(brokers, 1);
    let mut partitions = TopicPartitionList::new();
    for partition in [LED, NOT_LED] {
        partitions.add_partition_offset(TOPIC.to_str().unwrap(), partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&partitions).unwrap();

    let clock = SystemClock::new();
    // The mock counts how often a leader was set.
    let (mut leader, mut epoch) = (1, 1);
    let moved = format!("[{LED}]: updated with leader");
    // At times whoever asks for the whole topic hears what was meant for the reply to a fetch.
    while consumer.context().0.lock().iter().filter(|text| text.contains(&moved)).count() < 5 {
        assert!(clock.monotonic() < PATIENCE, "no broker says that the leader is another");
        for _ in 0..10 {
            consumer.poll(Duration::from_millis(20));
        }
        (leader, epoch) = (3 - leader, epoch + 1);
        say_of(brokers, LED, (leader, epoch));
        say_of(brokers, NOT_LED, (-1, epoch));
        lead(brokers, leader);
        for _ in 0..10 {
            consumer.poll(Duration::from_millis(20));
        }
    }
    let told = consumer.context().0.lock();
    assert!(!told.iter().any(|text| text.contains("not found")), "{told:#?}");
}

fn lead(brokers: *mut sys::rd_kafka_mock_cluster_t, broker: i32) {
    // Whoever asks in between hears of the second alone.
    for partition in [NOT_LED, LED] {
        // SAFETY: the cluster is alive.
        let set = unsafe { sys::rd_kafka_mock_partition_set_leader(brokers, TOPIC.as_ptr(), partition, broker) };
        assert_eq!(fault_of(set), None);
    }
}

/// What the next who asks hears of the partition.
fn say_of(brokers: *mut sys::rd_kafka_mock_cluster_t, partition: i32, (leader, epoch): (i32, i32)) {
    // SAFETY: the cluster is alive.
    let pushed =
        unsafe { sys::rd_kafka_mock_partition_push_leader_response(brokers, TOPIC.as_ptr(), partition, leader, epoch) };
    assert_eq!(fault_of(pushed), None);
}

/// Where the C library can do that.
fn fill_new_memory() {
    #[cfg(target_env = "gnu")]
    {
        unsafe extern "C" {
            safe fn mallopt(what: c_int, value: c_int) -> c_int;
        }
        const M_PERTURB: c_int = -6;
        assert_eq!(mallopt(M_PERTURB, 0xaa), 1); // new memory is all 0x55
    }
}
