//! Records that nobody can process.

use std::{sync::Arc, time::Duration};

use linecook::{Running, settings::Sources};
use linecook_embedded::{EmbeddedLog, Options, fault::FaultyFiles};
use linecook_log::{
    BatchBuilder, Clock, GroupName, Log, NewRecord, Offset, Origin, Partition, SystemClock, Timestamp, TopicName,
    TopicPartition,
};

use crate::{http::Client, process::until};

fn at(topic: &str) -> TopicPartition {
    TopicPartition::new(&TopicName::new(topic).unwrap(), Partition(0))
}

/// Under a key each, from that on: one that fails holds up what comes behind it.
fn append(log: &dyn Log, topic: &str, first_key: u32, values: &[&[u8]], clock: &dyn Clock) {
    let service = GroupName::new("stranger").unwrap();
    let mut batch = BatchBuilder::new(&Origin { service, taken_at: Timestamp(0), attempt: 1, source: None }, 0);
    for (key, value) in (first_key..).zip(values) {
        let key = key.to_string();
        batch
            .push(&NewRecord { key: Some(key.as_bytes()), value: Some(value), timestamp: Timestamp(0), headers: &[] })
            .unwrap();
    }
    log.append(&at(topic), batch).unwrap().wait(Duration::from_secs(10), clock).unwrap();
}

/// The values of a topic of one partition, and the reason in their headers.
fn read(log: &dyn Log, topic: &str) -> Vec<(String, String)> {
    let batches = log.read(&at(topic), Offset(0), 1 << 20).unwrap();
    let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap_or_default().to_vec()).unwrap();
    let records = batches.iter().flat_map(|batch| batch.records());
    records.map(|record| (text(record.value), text(record.headers.value_of("linecook-reason")))).collect()
}

#[test]
fn what_is_no_pizza_is_kept_with_its_reason_and_the_partition_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(SystemClock::new());
    let files = Arc::new(FaultyFiles::default());
    let log = EmbeddedLog::open_with_files(files, &folder.path().join("rows"), Options::default(), clock.clone(), None);
    let log: Arc<dyn Log> = Arc::new(log.unwrap());
    let flags = [("http-address", "127.0.0.1:0"), ("partitions", "1")];
    let settings = Sources::new().with_flags(flags.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let pizzeria = Running::start(&pizzeria::program(), settings, Arc::clone(&log), clock.clone()).unwrap();
    let client = Client::new(&format!("http://{}", pizzeria.address()));

    let lacking = br#"{"order_id":"7","cheese":"","meats":"","veggies":"","number":1}"#;
    append(&*log, "pizza", 7, &[b"not JSON", lacking, b""], &*clock);
    append(&*log, "orders", 7, &[br#"{"order_id":"7","count":2000000000}"#, br#"{"order_id":"9","count":1}"#], &*clock);
    let location = client.post("/order/2").location.unwrap();
    until("the order behind them is ready", || client.get(&location).is_ready().then_some(()));

    let letters = read(&*log, "sauce-service.dead-letters");
    let reasons: Vec<_> = letters.iter().map(|(_, reason)| reason.as_str()).collect();
    assert_eq!(letters.len(), 3, "{letters:?}");
    assert_eq!(letters[0].0, "not JSON");
    assert!(reasons[1].contains("sauce"), "{reasons:?}");
    let letters = read(&*log, "pizza-service.dead-letters");
    assert!(letters[0].1.contains("count=2000000000") && letters[1].1.contains("the key is not"), "{letters:?}");
    let metrics = client.get("/metrics").text;
    let counted = r#"linecook_dead_letters_total{service="sauce-service",stage="pizza-with-sauce",partition="0"} 3"#;
    assert!(metrics.contains(counted), "{metrics}");

    append(
        &*log,
        "pizza-with-veggies",
        9,
        &[br#"{"order_id":"9","sauce":"","cheese":"","meats":"","veggies":""}"#],
        &*clock,
    );
    until("a pizza of an order that nobody placed is counted", || {
        client.get("/metrics").text.contains(r#"reason="unknown_order"} 1"#).then_some(())
    });
    pizzeria.stop().unwrap();
}

/// A letter is its record and some headers more, so that of a record which just fitted was refused, and so was the next.
/// The service ended there, and again after every restart.
#[test]
fn a_record_that_just_fits_and_is_no_pizza_does_not_end_its_service() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(SystemClock::new());
    let options = Options::default();
    let largest = options.max_record_bytes;
    let log: Arc<dyn Log> = Arc::new(EmbeddedLog::open(folder.path(), options, clock.clone()).unwrap());
    let flags = [("http-address", "127.0.0.1:0"), ("partitions", "1")];
    let settings = Sources::new().with_flags(flags.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let pizzeria = Running::start(&pizzeria::program(), settings, Arc::clone(&log), clock.clone()).unwrap();
    let client = Client::new(&format!("http://{}", pizzeria.address()));

    append(&*log, "pizza", 7, &[&vec![b'x'; largest - 64]], &*clock);
    let location = client.post("/order/2").location.unwrap();
    until("the order behind it is ready", || client.get(&location).is_ready().then_some(()));
    assert_eq!(client.get("/readyz").status, 200);
    let letters = read(&*log, "sauce-service.dead-letters");
    assert!(letters.len() == 1 && letters[0].0.is_empty() && letters[0].1.contains("larger than"), "{letters:?}");
    pizzeria.stop().unwrap();
}
