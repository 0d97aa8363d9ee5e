//! A service that is away: its work waits for it.

use std::{thread, time::Duration};

use kafka_broker::Options;

use crate::{
    kitchen::{Kitchen, broker, place, raw, until_made},
    process::until,
};

#[test]
fn orders_wait_for_a_service_that_is_stopped_and_all_else_goes_on() {
    let broker = broker(Options::default());
    let mut kitchen = Kitchen::open(&broker.bootstrap_servers());
    let (client, reporter) = (kitchen.client("pizza-service"), kitchen.client("cheese-reporter"));
    kitchen.serve([3]);
    let counted = until("all are counted", || {
        let counted = reporter.get("/report").json();
        let sum: u64 = counted.as_object().unwrap().values().filter_map(serde_json::Value::as_u64).sum();
        (sum == 3).then_some(counted)
    });
    kitchen.instance("cheese-service").stop();
    let placed: Vec<_> = (1..=5).map(|count| place(&client, count)).collect();
    thread::sleep(Duration::from_secs(2)); // in which they would have been made
    for location in &placed {
        let order = client.get(location).json();
        assert_eq!((order["status"].as_str(), order["pizzas"].as_array().map(Vec::len)), (Some("baking"), Some(0)));
    }
    assert_eq!(reporter.get("/report").json(), counted);
    kitchen.instance("cheese-service").start_again();
    placed.iter().for_each(|location| until_made(&client, location));
    raw(&broker).check_each_pizza_once().unwrap();
    kitchen.close();
}
