//! The table of orders.
//!
//! The first record of an order makes its pizzas, in the step that makes the order known; a repeated one makes nothing.
//! The first finished pizza of a number is the one that counts, whatever comes later.

use std::time::Duration;

use linecook::{Context, Counter, DecodeError, Entry, Failure, Service, State, Table, settings::Key};
use pizzeria_events::{ORDERS, Order, OrderId, PIZZA, Pizza};

use crate::{
    FinalTopic,
    finished::{FinishedPizza, ReturnedPizza},
};

/// What is known of each order, and its finished pizzas.
pub(crate) const TABLE: Table<OrderId, KnownOrder, FinishedPizza> = Table::new("orders");

const IGNORED_PIZZAS: Counter =
    Counter::new("pizzas_ignored_total", "reason", "Finished pizzas that were of no use to an order");
const IGNORED_ORDERS: Counter = Counter::new("orders_ignored_total", "reason", "Order records that made no pizzas");

/// The most pizzas that any order may have: it is made in one commit and shown in one answer. An order that was taken
/// is made although the setting was lowered since, so the table does not look at that.
const MOST_PIZZAS: i64 = 100_000;

/// A hundred years.
const MOST_SECONDS: i64 = 100 * 365 * 24 * 3600;

/// What can be set about orders.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The most pizzas of one order.
    pub(crate) count: u32,
    /// How long an order can be asked for.
    retention: Duration,
}

impl Limits {
    pub(crate) fn from_settings(service: &mut Service) -> Self {
        let count = Key::new("order_limit", "the most pizzas that one order may have").within(1..=MOST_PIZZAS);
        let retention = Key::new("orders_retention_s", "how long an order can be asked for").within(1..=MOST_SECONDS);
        Self {
            count: service.setting(count, 10_000),
            retention: service.setting(retention, Duration::from_hours(7 * 24)),
        }
    }
}

pub(crate) fn declare(service: &mut Service, limits: Limits, final_topic: FinalTopic) {
    service
        .table(TABLE)
        .fold(ORDERS, |known, order: Order, context| take(known, &order, context))
        .emits(PIZZA)
        .fold(final_topic.read_as(), finish)
        .retention(limits.retention);
}

type OrderEntry<'a> = Entry<'a, OrderId, KnownOrder, FinishedPizza>;

fn take(known: &mut OrderEntry<'_>, order: &Order, context: &Context<'_>) -> Result<(), Failure> {
    if order.order_id != *known.key() {
        return Err(Failure::reject(format!("the key is not the order's id: order_id={}", order.order_id)));
    }
    if !(1..=MOST_PIZZAS).contains(&i64::from(order.count)) {
        return Err(Failure::reject(format!("a count is from 1 to {MOST_PIZZAS}: count={}", order.count)));
    }
    if let Some(before) = known.state() {
        let reason = if before.count == order.count { "repeated" } else { "repeated_with_another_count" };
        context.count(IGNORED_ORDERS, reason);
        return Ok(());
    }
    known.put(KnownOrder::new(order.count));
    for number in 1..=order.count {
        known.emit(&PIZZA, &Pizza::ordered(order.order_id, number))?;
    }
    Ok(())
}

fn finish(known: &mut OrderEntry<'_>, pizza: ReturnedPizza, context: &Context<'_>) -> Result<(), Failure> {
    match known.state_mut().map_or(Finished::Unknown, |order| order.finish(pizza.number)) {
        Finished::First(number) => known.push(&FinishedPizza { number, json: pizza.json }),
        Finished::Unknown => ignore(context, "unknown_order"),
        Finished::WithoutNumber => ignore(context, "without_number"),
        Finished::NotOrdered => ignore(context, "number_not_ordered"),
        Finished::Again => ignore(context, "finished_before"),
    }
}

fn ignore(context: &Context<'_>, reason: &'static str) -> Result<(), Failure> {
    context.count(IGNORED_PIZZAS, reason);
    Ok(())
}

/// What is known of an order besides its pizzas: how many it has, and which are finished, a bit each.
///
/// Stored: the count u32, then the bits, 8 a byte, the first pizza's lowest. Little-endian.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KnownOrder {
    pub(crate) count: u32,
    finished: Vec<u8>,
}

/// What a finished pizza is to its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finished {
    First(u32),
    Again,
    NotOrdered,
    WithoutNumber,
    Unknown,
}

impl KnownOrder {
    pub(crate) fn new(count: u32) -> Self {
        Self { count, finished: vec![0; count.div_ceil(8) as usize] }
    }

    fn finish(&mut self, number: Option<u32>) -> Finished {
        let Some(number) = number else { return Finished::WithoutNumber };
        let Some(index) = number.checked_sub(1).filter(|index| *index < self.count) else {
            return Finished::NotOrdered;
        };
        let (byte, bit) = (&mut self.finished[index as usize / 8], 1 << (index % 8));
        if *byte & bit != 0 {
            return Finished::Again;
        }
        *byte |= bit;
        Finished::First(index + 1)
    }
}

impl State for KnownOrder {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.count.to_le_bytes());
        out.extend_from_slice(&self.finished);
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let wrong = || DecodeError::new("not the state of an order");
        let (count, finished) = bytes.split_first_chunk().ok_or_else(wrong)?;
        let count = u32::from_le_bytes(*count);
        if finished.len() != count.div_ceil(8) as usize {
            return Err(wrong());
        }
        Ok(Self { count, finished: finished.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use linecook::ServiceTrial;
    use pizzeria_events::PIZZA_WITH_VEGGIES;

    use super::*;
    use crate::SERVICE;

    fn id(number: u128) -> OrderId {
        OrderId::from_bits(number)
    }

    fn order(count: u32) -> Order {
        Order { order_id: id(7), count, unknown: Default::default() }
    }

    fn numbers(made: &[(OrderId, Pizza)]) -> Vec<Option<u32>> {
        made.iter().map(|(_, pizza)| pizza.number).collect()
    }

    #[test]
    fn an_order_makes_its_pizzas_once_however_often_its_record_comes() {
        let mut service = ServiceTrial::new(&SERVICE);
        service.send(&ORDERS, &id(7), &order(3));
        let made = service.take(&PIZZA);
        assert!(made.iter().all(|(key, pizza)| *key == id(7) && pizza.order_id == id(7)));
        assert_eq!(numbers(&made), [Some(1), Some(2), Some(3)]);
        for count in [3, 5] {
            service.send(&ORDERS, &id(7), &order(count));
            assert_eq!(service.take(&PIZZA), []);
        }
        assert_eq!(service.table(TABLE).get(&id(7)).unwrap().unwrap().count, 3);
        assert_eq!(service.counted(IGNORED_ORDERS, "repeated"), 1);
        assert_eq!(service.counted(IGNORED_ORDERS, "repeated_with_another_count"), 1);
    }

    #[test]
    fn an_order_record_that_no_client_could_have_caused_makes_nothing() {
        for (key, count, why) in [(id(8), 3, "order_id=7"), (id(7), 0, "count=0"), (id(7), 100_001, "count=100001")] {
            let mut service = ServiceTrial::new(&SERVICE);
            service.send(&ORDERS, &key, &order(count));
            assert_eq!(service.take(&PIZZA), []);
            let letters = service.take_dead_letters();
            assert!(letters.len() == 1 && letters[0].ends_with(why), "{letters:?}");
            assert_eq!(service.table(TABLE).get(&key).unwrap(), None);
        }
    }

    #[test]
    fn finished_pizzas_are_kept_as_they_came_and_what_is_of_no_use_is_counted() {
        let mut service = ServiceTrial::new(&SERVICE);
        service.send(&ORDERS, &id(7), &order(2));
        let parts = r#""order_id":"7", "sauce":"bbq","cheese":"none","meats":"none","veggies":"none""#;
        let first = format!(r#"{{{parts},"oven":1.50,"number":2}}"#);
        let again = format!(r#"{{{parts},"number":2}}"#);
        let not_ordered = format!(r#"{{{parts},"number":3}}"#);
        let without_number = format!(r#"{{{parts}}}"#);
        for json in [&first, &again, &not_ordered, &without_number] {
            service.send_bytes(&PIZZA_WITH_VEGGIES, Some(b"7"), json.as_bytes());
        }
        service.send(&PIZZA_WITH_VEGGIES, &id(8), &Pizza::ordered(id(8), 1));
        let found = service.table(TABLE).get_with_items(&id(7)).unwrap().unwrap();
        assert_eq!(found.items, [FinishedPizza { number: 2, json: first.into() }]);
        for reason in ["finished_before", "number_not_ordered", "without_number", "unknown_order"] {
            assert_eq!(service.counted(IGNORED_PIZZAS, reason), 1, "{reason}");
        }
        assert_eq!(service.take_dead_letters(), [""; 0]);
    }

    #[test]
    fn the_first_pizza_of_a_number_counts_and_no_other() {
        let mut order = KnownOrder::new(9);
        assert_eq!(order.finish(Some(9)), Finished::First(9));
        assert_eq!(order.finish(Some(9)), Finished::Again);
        assert_eq!(order.finish(Some(1)), Finished::First(1));
        assert_eq!(order.finish(Some(0)), Finished::NotOrdered);
        assert_eq!(order.finish(Some(10)), Finished::NotOrdered);
        assert_eq!(order.finish(None), Finished::WithoutNumber);
    }

    /// A change of these bytes is a change of what is stored: old rows must stay readable.
    #[test]
    fn the_stored_form_has_not_changed() {
        let mut order = KnownOrder::new(9);
        order.finish(Some(9));
        order.finish(Some(2));
        let mut bytes = Vec::new();
        order.encode(&mut bytes);
        assert_eq!(bytes, [9, 0, 0, 0, 0b10, 0b1]);
        assert_eq!(KnownOrder::decode(&bytes), Ok(order));
        assert!(KnownOrder::decode(&bytes[..5]).is_err());
    }
}
