//! The shared language of the pizzeria: what its services say to each other, and on which topics. No logic.
//!
//! Keys and values are the plain bytes that a service in any language writes: the key of every record is the order's id
//! as decimal text, the value is JSON. Fields that are not known here pass through every service.

mod menu;
mod order_id;

pub use menu::{Menu, Toppings};
pub use order_id::OrderId;

use linecook::Topic;

/// Orders as they were taken.
pub const ORDERS: Topic<OrderId, Order> = Topic::new("orders");
/// Pizzas to be made, nothing on them yet.
pub const PIZZA: Topic<OrderId, Pizza> = Topic::new("pizza");
/// Pizzas with sauce.
pub const PIZZA_WITH_SAUCE: Topic<OrderId, Pizza> = Topic::new("pizza-with-sauce");
/// Pizzas with sauce and cheese.
pub const PIZZA_WITH_CHEESE: Topic<OrderId, Pizza> = Topic::new("pizza-with-cheese");
/// Pizzas with sauce, cheese and meats.
pub const PIZZA_WITH_MEATS: Topic<OrderId, Pizza> = Topic::new("pizza-with-meats");
/// Pizzas with everything.
pub const PIZZA_WITH_VEGGIES: Topic<OrderId, Pizza> = Topic::new("pizza-with-veggies");

linecook::event! {
    /// An order was taken.
    pub struct Order {
        /// Its id, which is the key of all its records.
        pub order_id: OrderId,
        /// How many pizzas.
        pub count: u32,
    }
}

linecook::event! {
    /// A pizza on its way. What it does not have yet is an empty text; what was chosen to be without is `none`.
    pub struct Pizza {
        /// The order it belongs to.
        pub order_id: OrderId,
        /// One of the sauces.
        pub sauce: String,
        /// One of the cheeses.
        pub cheese: String,
        /// Meats, joined with ` & `.
        pub meats: String,
        /// Veggies, joined with ` & `.
        pub veggies: String,
        /// Which pizza of its order, from 1. Pizzas made by others may lack it; the pizza-service then ignores them.
        pub number: Option<u32> = None,
    }
}

impl Pizza {
    /// Pizza `number` of an order, with nothing on it.
    pub fn ordered(order_id: OrderId, number: u32) -> Self {
        Self {
            order_id,
            sauce: String::new(),
            cheese: String::new(),
            meats: String::new(),
            veggies: String::new(),
            number: Some(number),
            unknown: Default::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use linecook::Event;

    use super::*;

    /// These bytes are a contract with services in other languages.
    #[test]
    fn the_events_have_not_changed() {
        let mut bytes = Vec::new();
        Pizza::ordered(OrderId::from_bits(u128::MAX), 1).encode(&mut bytes).unwrap();
        let golden = r#"{"order_id":"340282366920938463463374607431768211455","sauce":"","cheese":"","meats":"","veggies":"","number":1}"#;
        assert_eq!(str::from_utf8(&bytes).unwrap(), golden);

        let mut bytes = Vec::new();
        Order { order_id: OrderId::from_bits(7), count: 2, unknown: Default::default() }.encode(&mut bytes).unwrap();
        assert_eq!(str::from_utf8(&bytes).unwrap(), r#"{"order_id":"7","count":2}"#);
    }

    #[test]
    fn a_pizza_keeps_what_it_does_not_know() {
        let json =
            r#"{"order_id":"7","sauce":"\"hot\" \u00fc","cheese":"","meats":"","veggies":"","number":3,"price":1e400}"#;
        let pizza = Pizza::decode(json.as_bytes()).unwrap();
        assert_eq!((pizza.sauce.as_str(), pizza.number), ("\"hot\" ü", Some(3)));
        let mut bytes = Vec::new();
        pizza.encode(&mut bytes).unwrap();
        assert!(str::from_utf8(&bytes).unwrap().ends_with(r#""number":3,"price":1e400}"#));
    }

    #[test]
    fn a_pizza_without_a_number_is_a_pizza_and_one_without_sauce_is_not() {
        let json = r#"{"order_id":"7","sauce":"","cheese":"","meats":"","veggies":""}"#;
        assert_eq!(Pizza::decode(json.as_bytes()).unwrap().number, None);
        let error = Pizza::decode(br#"{"order_id":"7","cheese":"","meats":"","veggies":""}"#).unwrap_err();
        assert!(error.to_string().contains("sauce"), "{error}");
    }
}
