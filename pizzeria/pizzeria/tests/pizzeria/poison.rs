//! Orders that nobody can read, in the middle of others, and what becomes of them.
//!
//! Each is two records of one key: one that is no order, and one behind it that is the same order with another count. The
//! pizza-service keeps what it took first. So when the first is mended, it is the second that tells whether it has waited:
//! had it been taken, the order would have its count.

use std::{process::Output, thread};

use linecook_log::{BatchBuilder, GroupName, Log, NewRecord, Origin, SystemClock, Timestamp, TopicName};
use linecook_log::{TopicPartition, partition_of};
use pizzeria_events::OrderId;
use serde_json::{Value, json};

use crate::{
    http::Client,
    process::{PATIENCE, until},
    raw::Raw,
};

pub(crate) const PARTITIONS: u32 = 4;

/// How many pizzas a mended order has, and how many it would have if the record behind were first.
const COUNT: u32 = 3;
const COUNT_BEHIND: u32 = 5;

/// The poisoned orders are those from here on.
const FIRST_ID: u128 = 1 << 100;

pub(crate) fn ids(count: u128) -> impl Iterator<Item = u128> + Clone {
    FIRST_ID..FIRST_ID + count
}

/// Appends them, as another client would that writes something else.
pub(crate) fn append(log: &dyn Log, count: u128) {
    let orders = TopicName::new("orders").unwrap();
    let tickets: Vec<_> = ids(count)
        .map(|id| {
            let origin = Origin {
                service: GroupName::new("stranger").unwrap(),
                taken_at: Timestamp(0),
                attempt: 1,
                source: None,
            };
            let key = id.to_string();
            let behind = json!({ "order_id": key, "count": COUNT_BEHIND }).to_string();
            let mut batch = BatchBuilder::new(&origin, 0);
            for value in ["three pizzas, please", &behind] {
                let record = NewRecord {
                    key: Some(key.as_bytes()),
                    value: Some(value.as_bytes()),
                    timestamp: Timestamp(0),
                    headers: &[],
                };
                batch.push(&record).unwrap();
            }
            log.append(&TopicPartition::new(&orders, partition_of(key.as_bytes(), PARTITIONS)), batch).unwrap()
        })
        .collect();
    let clock = SystemClock::new();
    tickets.into_iter().for_each(|ticket| ticket.wait(PATIENCE, &clock).unwrap());
}

/// Places that many orders of one pizza from several connections. Returns where they are.
pub(crate) fn order(url: &str, count: usize) -> Vec<String> {
    const GUESTS: usize = 8;
    let place = |guest| {
        let client = Client::new(url);
        let count = count / GUESTS + usize::from(guest < count % GUESTS);
        (0..count).map(|_| client.post("/order/1").location.unwrap()).collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let guests: Vec<_> = (0..GUESTS).map(|guest| scope.spawn(move || place(guest))).collect();
        guests.into_iter().flat_map(|guest| guest.join().unwrap()).collect()
    })
}

/// All of these become ready.
pub(crate) fn check_others(client: &Client, placed: &[String]) {
    for location in placed {
        until("an order that is none of the poisoned is ready", || client.get(location).is_ready().then_some(()));
    }
}

/// All are parked with one behind each, as whoever asks is told.
pub(crate) fn check_parked(letters: &[Value], count: u128) {
    let mut keys: Vec<_> =
        letters.iter().map(|letter| letter["key"].as_str().unwrap().parse::<u128>().unwrap()).collect();
    keys.sort_unstable();
    assert_eq!(keys, ids(count).collect::<Vec<_>>());
    for letter in letters {
        assert_eq!(
            (&letter["state"], &letter["attempts"], &letter["behind"]),
            (&json!("parked"), &json!(1), &json!(1))
        );
        assert!(letter["reason"].as_str().unwrap().starts_with("does not decode"), "{letter}");
    }
}

/// What `dead-letters list --json` has printed.
pub(crate) fn letters(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice::<Value>(&output.stdout).unwrap()["letters"].as_array().unwrap().clone()
}

/// The order that a record of that ID should have been.
pub(crate) fn mended(letter: &Value) -> String {
    json!({ "order_id": letter["key"], "count": COUNT }).to_string()
}

/// The mended orders have their pizzas, and the records behind them have changed nothing.
pub(crate) fn check_ready(client: &Client, count: u128) {
    for id in ids(count) {
        let path = format!("/order/{id}");
        let order =
            until("a mended order is ready", || client.try_get(&path).filter(crate::http::Answer::is_ready)).json();
        let numbers: Vec<_> = order["pizzas"].as_array().unwrap().iter().map(|pizza| pizza["number"].clone()).collect();
        assert_eq!(numbers, (1..=COUNT).collect::<Vec<_>>());
    }
}

/// Of what lies in the topics, each pizza is there once.
pub(crate) fn check_raw(mut raw: Raw, count: u128) {
    ids(count).for_each(|id| raw.expect(OrderId::from_bits(id), COUNT));
    raw.check_each_pizza_once().unwrap();
}
