//! What really lies in the topics: read from the files of a pizzeria that does not run, or by somebody else's client.
//! Answers over HTTP would hide a pizza that was made twice.

use std::{collections::BTreeMap, path::Path};

use linecook::Event;
use linecook_embedded::inspect::Inspection;
use linecook_log::{Offset, TopicName};
use pizzeria_events::{Order, OrderId, Pizza};

use crate::audit::{Kept, promise};

pub(crate) const PIZZA_TOPICS: [&str; 5] =
    ["pizza", "pizza-with-sauce", "pizza-with-cheese", "pizza-with-meats", "pizza-with-veggies"];

/// All records of all topics of the pizzeria.
pub(crate) struct Raw {
    /// The count of every order, and how many records it has.
    orders: BTreeMap<OrderId, (u32, usize)>,
    /// For each topic, how often each pizza is there.
    pizzas: BTreeMap<&'static str, BTreeMap<(OrderId, u32), usize>>,
}

impl Raw {
    pub(crate) fn read(data_dir: &Path) -> Self {
        Self::of(&Inspection::open(data_dir).unwrap())
    }

    pub(crate) fn of(inspection: &Inspection) -> Self {
        Self::collect(|topic, see| each_value(inspection, topic, see))
    }

    /// Of whatever shows each value of a topic.
    pub(crate) fn collect(mut each_value: impl FnMut(&str, &mut dyn FnMut(&[u8]))) -> Self {
        let mut orders = BTreeMap::new();
        each_value("orders", &mut |value| {
            // What is no order makes no pizzas until somebody has edited it.
            if let Ok(order) = Order::decode(value) {
                orders.entry(order.order_id).or_insert((order.count, 0)).1 += 1;
            }
        });
        let mut pizzas: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for topic in PIZZA_TOPICS {
            let of_topic = pizzas.entry(topic).or_default();
            each_value(topic, &mut |value| {
                let pizza = Pizza::decode(value).unwrap();
                *of_topic.entry((pizza.order_id, pizza.number.unwrap())).or_default() += 1;
            });
        }
        Self { orders, pizzas }
    }

    pub(crate) fn has_order(&self, id: OrderId) -> bool {
        self.orders.contains_key(&id)
    }

    /// An order has that many pizzas, whatever its records say.
    pub(crate) fn expect(&mut self, id: OrderId, count: u32) {
        self.orders.entry(id).or_insert((0, 0)).0 = count;
    }

    /// Whatever order there is, each of its pizzas is in each topic exactly once, and there are no others.
    pub(crate) fn check_each_pizza_once(&self) -> Kept {
        let ordered = self.orders.iter().flat_map(|(id, (count, _))| (1..=*count).map(|number| (*id, number)));
        let expected: BTreeMap<_, _> = ordered.map(|pizza| (pizza, 1)).collect();
        for (topic, pizzas) in &self.pizzas {
            let doubled: Vec<_> = pizzas.iter().filter(|(_, times)| **times > 1).take(5).collect();
            promise(doubled.is_empty(), || format!("doubled in {topic}: {doubled:?}"))?;
            let missing: Vec<_> = expected.keys().filter(|pizza| !pizzas.contains_key(*pizza)).take(5).collect();
            promise(missing.is_empty(), || format!("missing in {topic}: {missing:?}"))?;
            promise(pizzas.len() == expected.len(), || format!("pizzas that nobody ordered in {topic}"))?;
        }
        Ok(())
    }
}

fn each_value(inspection: &Inspection, topic: &str, see: &mut dyn FnMut(&[u8])) {
    let topic = TopicName::new(topic).unwrap();
    for record in inspection.records(&topic, None, Offset(0)).unwrap() {
        see(&record.unwrap().value.unwrap());
    }
}
