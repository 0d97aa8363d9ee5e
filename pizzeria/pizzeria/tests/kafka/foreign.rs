//! Programs in another language in the places of the services, on topics of four partitions, with the partitions that
//! they choose themselves.

use std::collections::BTreeMap;

use kafka_broker::{Broker, Options};
use serde_json::Value;

use crate::{
    instance::Instance,
    kitchen::{Kitchen, STAGES, broker, raw},
    python::{foreign, printed},
};

/// What is put on, where it comes from and where it goes, for each of [`STAGES`].
const FOREIGN_STAGES: [[&str; 3]; 4] = [
    ["sauce", "pizza", "pizza-with-sauce"],
    ["cheese", "pizza-with-sauce", "pizza-with-cheese"],
    ["meats", "pizza-with-cheese", "pizza-with-meats"],
    ["veggies", "pizza-with-meats", "pizza-with-veggies"],
];

#[test]
fn a_plain_program_takes_the_place_of_each_stage_in_turn() {
    let broker = broker(Options::default());
    let mut kitchen = Kitchen::open(&broker.bootstrap_servers());
    kitchen.serve([7]);
    for (service, stage) in STAGES.into_iter().zip(FOREIGN_STAGES) {
        // It goes on where the service has stopped: the offsets are those of the group.
        kitchen.instance(service).stop();
        let mut other = Instance::start(stage[0], foreign("stage", &broker.bootstrap_servers(), &stage));
        other.line_with("has 4");
        kitchen.serve(1..=8);
        other.stop();
        kitchen.instance(service).start_again();
        kitchen.instance(service).until_ready();
        kitchen.serve([5]);
    }
    raw(&broker).check_each_pizza_once().unwrap();
    let made = values(&broker, "pizza-with-veggies");
    let all_eight: usize = (1..=8).sum();
    for [field, ..] in FOREIGN_STAGES {
        let by_other = made.iter().filter(|pizza| pizza[field] == format!("foreign {field}")).count();
        assert_eq!(by_other, all_eight, "{field}");
    }
    kitchen.close();
}

#[test]
fn a_plain_program_orders_pizzas_and_takes_them_when_they_are_finished() {
    let broker = broker(Options::default());
    let mut kitchen = Kitchen::empty(&broker.bootstrap_servers());
    STAGES.iter().for_each(|stage| kitchen.start(stage));
    kitchen.until_ready();
    printed(foreign("order", &broker.bootstrap_servers(), &["40", "5"]));
    kitchen.close();
}

#[test]
fn a_plain_program_counts_what_the_reporter_counts() {
    let broker = broker(Options::default());
    let mut kitchen = Kitchen::open(&broker.bootstrap_servers());
    kitchen.serve([4]);
    let before = kitchen.client("cheese-reporter").get("/report").json();
    kitchen.instance("cheese-reporter").stop();
    kitchen.serve(1..=10);
    let counted = printed(foreign("count", &broker.bootstrap_servers(), &["55"]));
    let counted: Value = serde_json::from_slice(&counted).unwrap();
    let mut expected = BTreeMap::<String, u64>::new();
    for pizza in values(&broker, "pizza-with-cheese") {
        *expected.entry(pizza["cheese"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let both = counts(&before).into_iter().chain(counts(&counted));
    let mut sums = BTreeMap::<String, u64>::new();
    both.for_each(|(cheese, count)| *sums.entry(cheese).or_default() += count);
    assert_eq!(sums, expected);
    kitchen.take("cheese-reporter");
    kitchen.close();
}

fn counts(report: &Value) -> Vec<(String, u64)> {
    report.as_object().unwrap().iter().map(|(cheese, count)| (cheese.clone(), count.as_u64().unwrap())).collect()
}

fn values(broker: &Broker, topic: &str) -> Vec<Value> {
    let read = printed(foreign("read", &broker.bootstrap_servers(), &[topic]));
    let lines = str::from_utf8(&read).unwrap().lines();
    lines.map(|line| serde_json::from_str(line.split_once('\t').unwrap().1).unwrap()).collect()
}
