//! What is refused at the start, with the reason.

use kafka_broker::Options;

use crate::{
    kitchen::{Kitchen, broker},
    python::{foreign, printed},
    secured::refusal,
};

#[test]
fn topics_of_one_table_with_different_partition_counts_are_refused_with_both() {
    let broker = broker(Options::default());
    let servers = broker.bootstrap_servers();
    printed(foreign("topics", &servers, &["orders=3", "pizza=4", "pizza-with-veggies=4"]));
    let mut refused = Kitchen::empty(&servers).start_another("pizza-service", "refused", &[]);
    let told = refusal(&mut refused);
    for part in ["orders", "3", "pizza-with-veggies", "4"] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn topics_of_one_stage_with_different_partition_counts_are_refused_with_both() {
    let broker = broker(Options::default());
    let servers = broker.bootstrap_servers();
    printed(foreign("topics", &servers, &["pizza=4", "pizza-with-sauce=2"]));
    let mut refused = Kitchen::empty(&servers).start_another("sauce-service", "refused", &[]);
    let told = refusal(&mut refused);
    assert!(told.contains("pizza=4 pizza-with-sauce=2"), "{told}");
}

#[test]
fn servers_that_are_not_there_are_named_and_waited_for() {
    let mut kitchen = Kitchen::empty("127.0.0.1:1");
    kitchen.start("sauce-service");
    let instance = kitchen.instance("sauce-service");
    instance.line_with("the log cannot be used yet");
    let why = instance.client().get("/readyz");
    assert_eq!(why.status, 503, "{why:?}");
    assert!(why.text.contains("127.0.0.1:1"), "{why:?}");
    kitchen.close();
}
