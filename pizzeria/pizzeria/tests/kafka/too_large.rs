//! A record that the broker does not take.

use kafka_broker::Options;

use crate::{
    instance::program,
    kitchen::{Kitchen, broker},
    process::until,
    python::{foreign, printed},
};

#[test]
fn what_the_broker_finds_too_large_goes_to_dead_letters_with_its_size_and_the_partition_goes_on() {
    let broker = broker(Options::default());
    let servers = broker.bootstrap_servers();
    printed(foreign("topics", &servers, &["pizza=1", "pizza-with-sauce=1,2000"]));
    let mut kitchen = Kitchen::empty(&servers);
    kitchen.start("sauce-service");
    kitchen.until_ready();
    printed(foreign("large", &servers, &["5000"]));
    let lines_of = |topic| String::from_utf8(printed(foreign("read", &servers, &[topic]))).unwrap();
    until("the pizza after it is made", || (!lines_of("pizza-with-sauce").is_empty()).then_some(()));
    assert_eq!(lines_of("pizza-with-sauce").lines().count(), 1);
    let letters = lines_of("sauce-service.dead-letters");
    assert_eq!(letters.lines().count(), 1, "{letters}");
    assert!(letters.contains(&"x".repeat(5000)), "it is whole: {letters}");
    let told = dumped("sauce-service.dead-letters", &servers);
    assert!(told.contains("larger than the broker takes") && told.contains("largest_record_bytes=5"), "{told}");
    kitchen.close();
}

/// The records of a topic with their headers.
fn dumped(topic: &str, servers: &str) -> String {
    let nowhere = tempfile::tempdir().unwrap();
    let mut dump = program("sauce-service", nowhere.path());
    let output = dump.args(["log", "dump", topic, "--log", "kafka", "--bootstrap-servers", servers]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
