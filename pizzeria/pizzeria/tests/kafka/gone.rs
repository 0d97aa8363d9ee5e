//! A topic that somebody has deleted.

use std::{thread, time::Duration};

use kafka_broker::Options;

use crate::{
    kitchen::{Kitchen, broker, place, until_made},
    process::until,
    python::{foreign, printed},
};

/// Of a topic that is not there nobody stores anything, whatever is in it. A service took that for a fault of its records:
/// all that it read while its output was gone, or while it had no right to write it, became dead letters.
#[test]
fn what_would_go_to_a_topic_that_is_gone_waits_until_it_is_there_again_and_becomes_no_dead_letter() {
    // As brokers are by default: a producer must not make the topic by asking for it.
    let broker = broker(Options::default().property("auto.create.topics.enable", "true"));
    let servers = broker.bootstrap_servers();
    let mut kitchen = Kitchen::open(&servers);
    kitchen.serve([3]);
    kitchen.take("cheese-service").stop();
    printed(foreign("delete", &servers, &["pizza-with-sauce"]));
    let (client, sauce) = (kitchen.client("pizza-service"), kitchen.client("sauce-service"));
    let placed: Vec<_> = (1..=5).map(|count| place(&client, count)).collect();
    let names_it = |answer: &crate::http::Answer| answer.status == 503 && answer.text.contains("pizza-with-sauce");
    until("its writer says so", || Some(sauce.get("/readyz")).filter(names_it));
    // Time for everything that looks now and then.
    thread::sleep(Duration::from_secs(7));
    let answer = sauce.get("/readyz");
    assert!(names_it(&answer), "{answer:?}");
    // Who reads it makes it anew.
    kitchen.start("cheese-service");
    placed.iter().for_each(|location| until_made(&client, location));
    let letters = String::from_utf8(printed(foreign("read", &servers, &["sauce-service.dead-letters"]))).unwrap();
    assert_eq!(letters, "");
    kitchen.close();
}
