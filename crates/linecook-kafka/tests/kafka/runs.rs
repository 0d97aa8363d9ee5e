//! Where records come from that have no header.

use std::{sync::Arc, time::Duration};

use linecook_kafka::KafkaLog;
use linecook_log::{Batch, Log as _, Offset, Poll, TopicPartition};
use rdkafka::{ClientConfig, producer::BaseProducer};

use crate::{
    kitchen::{Kitchen, at, batch_by},
    stranger,
};

const COUNT: usize = 200;

/// A partition with records of a service, and one of somebody else behind them.
struct Subject {
    kitchen: Kitchen,
    log: Arc<KafkaLog>,
    from: TopicPartition,
}

impl Subject {
    fn new() -> Self {
        let kitchen = Kitchen::shared();
        let log = kitchen.open("writer");
        let from = at(&kitchen.topic(&log, "numbers", 1), 0);
        let numbers: Vec<_> = (0..COUNT as u64).collect();
        kitchen.wait(log.append(&from, batch_by("pizza-service", &numbers)).unwrap()).unwrap();
        let somebody: BaseProducer = ClientConfig::new().set("bootstrap.servers", kitchen.servers()).create().unwrap();
        stranger::send(&somebody, &from, "key", "00000200");
        Self { kitchen, log, from }
    }

    fn read_from(&self, offset: usize) -> Vec<(u64, String)> {
        let (mut read, mut next) = (Vec::new(), Offset(offset as u64));
        loop {
            let batches = self.log.read(&self.from, next, usize::MAX).unwrap();
            let Some(last) = batches.last() else { return read };
            next = last.end();
            read.extend(batches.iter().flat_map(services));
        }
    }
}

/// The offset of each record, and the service that it comes from.
fn services(batch: &Batch) -> Vec<(u64, String)> {
    let service = batch.origin().unwrap().service.to_string();
    batch.records().map(|record| (record.offset.0, service.clone())).collect()
}

fn expected_from(offset: u64) -> Vec<(u64, String)> {
    let service = |offset| if offset < COUNT as u64 { "pizza-service" } else { "unknown" };
    (offset..).map(|offset| (offset, service(offset).to_owned())).take_while(|(_, it)| it != "unknown").collect()
}

#[test]
fn one_record_in_64_has_a_header() {
    let subject = Subject::new();
    let headers = stranger::headers(subject.kitchen.servers(), &subject.from, COUNT);
    for (index, headers) in headers.iter().enumerate() {
        let expected: &[&str] = if index % 64 == 0 { &["linecook"] } else { &[] };
        assert_eq!(headers, expected, "{index}");
    }
}

#[test]
fn whoever_reads_from_any_offset_knows_where_records_come_from() {
    let subject = Subject::new();
    for offset in [0, 1, 63, 64, 65, 100, COUNT - 1] {
        let mut read = subject.read_from(offset);
        let (_, of_somebody) = read.pop().unwrap();
        assert_eq!(of_somebody, "unknown");
        assert_eq!(read, expected_from(offset as u64), "from {offset}");
    }
}

#[test]
fn a_member_that_polls_little_at_a_time_knows_where_records_come_from() {
    let subject = Subject::new();
    let spec = subject.kitchen.spec("reader", "reader", &[&subject.from.topic], &[]);
    let mut member = subject.log.join(spec).unwrap();
    let mut polled = Vec::new();
    let mut poll_count = 0;
    subject.kitchen.until("all records are polled", || {
        if let Poll::Records(fetches) = member.poll(Duration::from_millis(50), 500).unwrap() {
            poll_count += 1;
            polled.extend(fetches.iter().flat_map(|fetch| services(&fetch.batch)));
        }
        polled.len() > COUNT
    });
    assert!(poll_count > 4, "{poll_count}");
    assert_eq!(polled.pop().unwrap().1, "unknown");
    assert_eq!(polled, expected_from(0));
}
