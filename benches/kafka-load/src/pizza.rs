//! Pizzas as this client makes and reads them.

use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Pizza<'a> {
    pub(crate) order_id: &'a str,
    pub(crate) sauce: &'a str,
    pub(crate) cheese: &'a str,
    pub(crate) meats: &'a str,
    pub(crate) veggies: &'a str,
    pub(crate) number: u32,
}

impl<'a> Pizza<'a> {
    /// With nothing on it.
    pub(crate) fn ordered(order_id: &'a str, number: u32) -> Self {
        Self { order_id, sauce: "", cheese: "", meats: "", veggies: "", number }
    }

    pub(crate) fn is_finished(&self) -> bool {
        [self.sauce, self.cheese, self.meats, self.veggies].iter().all(|field| !field.is_empty())
    }
}

/// The id of an order: as long as a real one, and always the same for a number.
pub(crate) fn order_id(order: u32) -> String {
    // Odd, so that all are different.
    const SPREAD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
    (u128::from(order) + 1).wrapping_mul(SPREAD).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pizza_is_finished_when_everything_is_on_it() {
        let mut pizza = Pizza::ordered("7", 1);
        assert!(!pizza.is_finished());
        (pizza.sauce, pizza.cheese, pizza.meats) = ("none", "none", "none");
        assert!(!pizza.is_finished());
        pizza.veggies = "none";
        assert!(pizza.is_finished());
    }

    #[test]
    fn orders_have_ids_of_their_own() {
        let ids: std::collections::BTreeSet<_> = (0..1000).map(order_id).collect();
        assert_eq!(ids.len(), 1000);
    }
}
