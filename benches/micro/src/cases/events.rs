//! Events, and where their keys belong.

use std::{borrow::Cow, hint::black_box};

use linecook::Event as _;
use linecook_log::partition_of;
use pizzeria_events::{OrderId, Pizza};
use serde::{Deserialize, Serialize};

use crate::Work;

/// An id as long as a real one.
const ORDER: u128 = 0x9e37_79b9_7f4a_4c15_a39c_c060_5ced_c835;
/// Of a few orders, as they lie in a topic: those of one after those of another.
const PIZZAS_OF_AN_ORDER: u32 = 10;

/// Pizza `number` when everything but the veggies is on it.
pub(super) fn pizza(number: u32) -> Pizza {
    let mut pizza = Pizza::ordered(order_of(number), number % PIZZAS_OF_AN_ORDER + 1);
    (pizza.sauce, pizza.cheese, pizza.meats) = ("extra".into(), "goat cheese".into(), "anchovies & bacon".into());
    pizza
}

pub(super) fn order_of(number: u32) -> OrderId {
    OrderId::from_bits(ORDER ^ u128::from(number / PIZZAS_OF_AN_ORDER))
}

pub(super) fn encoded(number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    pizza(number).encode(&mut bytes).expect("a pizza can be written");
    bytes
}

pub(super) fn decode(records: u32) -> Work {
    let all: Vec<_> = (0..records).map(encoded).collect();
    Box::new(move || {
        for bytes in &all {
            black_box(Pizza::decode(black_box(bytes)).expect("it is a pizza"));
        }
        Box::new(all)
    })
}

pub(super) fn encode(records: u32) -> Work {
    let all: Vec<_> = (0..records).map(pizza).collect();
    let mut bytes = Vec::with_capacity(1 << 10);
    Box::new(move || {
        for pizza in &all {
            bytes.clear();
            black_box(pizza).encode(&mut bytes).expect("a pizza can be written");
            black_box(&bytes);
        }
        Box::new((all, bytes))
    })
}

/// The same pizza as little as JSON can take: texts are borrowed, the id is no number, nothing unknown is kept.
#[derive(Serialize, Deserialize)]
struct Bare<'a> {
    #[serde(borrow)]
    order_id: Cow<'a, str>,
    #[serde(borrow)]
    sauce: Cow<'a, str>,
    #[serde(borrow)]
    cheese: Cow<'a, str>,
    #[serde(borrow)]
    meats: Cow<'a, str>,
    #[serde(borrow)]
    veggies: Cow<'a, str>,
    number: u32,
}

/// Both ways: what any stage takes at least.
pub(super) fn codec_bound(records: u32) -> Work {
    let all: Vec<_> = (0..records).map(encoded).collect();
    let mut bytes = Vec::with_capacity(1 << 10);
    Box::new(move || {
        for json in &all {
            let pizza: Bare<'_> = serde_json::from_slice(black_box(json)).expect("it is a pizza");
            bytes.clear();
            serde_json::to_writer(&mut bytes, &pizza).expect("a pizza can be written");
            black_box(&bytes);
        }
        Box::new((all, bytes))
    })
}

pub(super) fn partition(records: u32) -> Work {
    let keys: Vec<_> = (0..records).map(|number| order_of(number).to_string()).collect();
    Box::new(move || {
        for key in &keys {
            black_box(partition_of(black_box(key.as_bytes()), 12));
        }
        Box::new(keys)
    })
}
