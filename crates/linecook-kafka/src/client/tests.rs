use std::{ffi::CString, time::Duration};

use linecook_log::InstanceName;
use rdkafka::{
    Message as _, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    mocking::MockCluster,
    types::{RDKafkaApiKey, RDKafkaRespErr},
};

use super::*;
use crate::native::{
    deliveries::{Event, Fate, serve},
    produce::{Outgoing, send},
    queue::Queue,
};

const ROUND_TRIP: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(20);

fn record<'a>(topic: &'a CString, value: &'a str) -> Outgoing<'a> {
    Outgoing {
        topic,
        partition: 0,
        key: None,
        value: Some(value.as_bytes()),
        timestamp: 0,
        headers: linecook_log::Headers::default(),
        own_header: None,
        opaque: 0,
    }
}

/// Serves what becomes of so many records.
fn await_deliveries(queue: &Queue, mut count: usize) {
    while count > 0 {
        let served = serve(queue, PATIENCE, |event| {
            if let Event::Delivery(delivery) = event {
                assert_eq!(delivery.fate, Fate::Stored);
                count -= 1;
            }
        });
        assert!(served, "{count} are not told of");
    }
}

/// The values in the topic, of which there are to be so many.
fn stored(servers: &str, topic: &str, count: usize) -> Vec<String> {
    let reader: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", servers).set("group.id", "reader").create().unwrap();
    let mut at = TopicPartitionList::new();
    at.add_partition_offset(topic, 0, rdkafka::Offset::Beginning).unwrap();
    reader.assign(&at).unwrap();
    let mut values = Vec::new();
    while values.len() < count {
        let Some(message) = reader.poll(Duration::from_secs(2)) else { break };
        values.push(String::from_utf8(message.unwrap().payload().unwrap().to_vec()).unwrap());
    }
    values
}

/// Once, a conformance test missed the first record of a topic that had just been made, which had been acknowledged. So it
/// comes to that when the first request is refused for a moment and the one behind it is not: of a producer that it knows
/// nothing of a broker takes any number for its first, and librdkafka takes what lies before a record that was stored for
/// stored as well (`rd_kafka_dr_implicit_ack`).
#[test]
fn a_record_is_not_acknowledged_because_one_behind_it_was_stored() {
    let cluster = MockCluster::new(1).unwrap();
    let servers = cluster.bootstrap_servers();
    cluster.create_topic("orders", 1, 1).unwrap();
    let options =
        Options::new(crate::Properties::of_servers(&servers), InstanceName::new("cook").unwrap(), "unused".into());
    let producer = Arc::new(appending(&options, &Arc::default(), PATIENCE).unwrap());
    let (queue, topic) = (Queue::main(&producer), CString::new("orders").unwrap());
    // From here on it knows who leads.
    send(&producer, &record(&topic, "first")).unwrap();
    await_deliveries(&queue, 1);
    cluster.broker_round_trip_time(1, ROUND_TRIP).unwrap();
    cluster.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION]);
    for value in ["refused", "behind it"] {
        send(&producer, &record(&topic, value)).unwrap();
        std::thread::sleep(ROUND_TRIP / 4); // a request each, on their way at the same time if that is allowed
    }
    await_deliveries(&queue, 2);
    assert_eq!(stored(&servers, "orders", 3), ["first", "refused", "behind it"]);
}
