//! What was seen of one order so far, and what a new body has to agree with.

use std::num::NonZeroU32;

use super::{
    Fault, Menu,
    body::{OrderBody, PizzaBody, Status, checksum_of_pizzas},
};
use crate::{OrderId, PizzaCount};

/// Four bytes a pizza, so that ten million of them can be watched at once.
pub(super) struct Witness {
    count: PizzaCount,
    /// For each number that was seen the checksum of its bytes, in the order of the numbers. Empty before the first.
    pizzas: Vec<Option<NonZeroU32>>,
    /// The checksum of all pizzas together when the order was first seen ready.
    ready: Option<u32>,
}

impl Witness {
    pub(super) fn new(count: PizzaCount) -> Self {
        Self { count, pizzas: Vec::new(), ready: None }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.ready.is_some()
    }

    /// Keeps the checksum of a body that is ready, without reading it.
    pub(super) fn glimpse_ready(&mut self, body: &[u8]) {
        self.ready.get_or_insert_with(|| checksum_of_pizzas(body));
    }

    /// Reads a body in full and holds it against all that was seen before.
    pub(super) fn read(&mut self, id: &OrderId, body: &[u8], menu: Menu) -> (Option<Status>, Vec<Fault>) {
        let order: OrderBody<'_> = match serde_json::from_slice(body) {
            Ok(order) => order,
            Err(error) => return (None, vec![Fault::Unreadable { error: error.to_string() }]),
        };
        let mut faults = self.faults_of_order(id, &order);
        let shown = self.read_pizzas(id, &order, menu, &mut faults);
        self.compare_with_earlier(&shown, &mut faults);
        self.check_status(&order, &shown, body, &mut faults);
        (Some(order.status), faults)
    }

    fn faults_of_order(&self, id: &OrderId, order: &OrderBody<'_>) -> Vec<Fault> {
        let mut faults = Vec::new();
        if order.id != id.as_str() {
            faults.push(Fault::Wrong { field: "id", found: order.id.to_string(), expected: id.to_string() });
        }
        if order.count != u64::from(self.count.0) {
            let (found, expected) = (order.count.to_string(), self.count.to_string());
            faults.push(Fault::Wrong { field: "count", found, expected });
        }
        faults
    }

    /// The checksums of the pizzas that a body shows, by number.
    fn read_pizzas(
        &self,
        id: &OrderId,
        order: &OrderBody<'_>,
        menu: Menu,
        faults: &mut Vec<Fault>,
    ) -> Vec<Option<NonZeroU32>> {
        let mut shown = vec![None; self.count.0 as usize];
        let mut highest = 0;
        for raw in &order.pizzas {
            let pizza: PizzaBody<'_> = match serde_json::from_str(raw.get()) {
                Ok(pizza) => pizza,
                Err(error) => {
                    faults.push(Fault::Unreadable { error: error.to_string() });
                    continue;
                }
            };
            let Some((number, slot)) = place_of(pizza.number, &mut shown) else {
                faults.push(Fault::NoSuchNumber { number: pizza.number });
                continue;
            };
            if slot.replace(checksum_of(raw.get())).is_some() {
                faults.push(Fault::Doubled { number });
            } else if number < highest {
                faults.push(Fault::Unordered { number });
            }
            highest = highest.max(number);
            check_fields(id, number, &pizza, menu, faults);
        }
        shown
    }

    fn compare_with_earlier(&mut self, shown: &[Option<NonZeroU32>], faults: &mut Vec<Fault>) {
        self.pizzas.resize(self.count.0 as usize, None);
        for ((earlier, now), number) in self.pizzas.iter_mut().zip(shown).zip(1..) {
            match (&earlier, now) {
                (Some(_), None) => faults.push(Fault::Vanished { number }),
                (Some(before), Some(now)) if *before != *now => faults.push(Fault::Changed { number }),
                _ => *earlier = earlier.or(*now),
            }
        }
    }

    fn check_status(
        &mut self,
        order: &OrderBody<'_>,
        shown: &[Option<NonZeroU32>],
        body: &[u8],
        faults: &mut Vec<Fault>,
    ) {
        if order.status == Status::Baking {
            if self.is_ready() {
                faults.push(Fault::NoLongerReady);
            }
            return;
        }
        let mut missing = shown.iter().zip(1..).filter(|(pizza, _)| pizza.is_none()).map(|(_, number)| number);
        if let Some(first) = missing.next() {
            let missing = PizzaCount(u32::try_from(missing.count() + 1).unwrap_or(u32::MAX));
            faults.push(Fault::Incomplete { missing, first });
        }
        let checksum = checksum_of_pizzas(body);
        // Says nothing new where the pizzas were compared one by one.
        if self.ready.replace(checksum).is_some_and(|before| before != checksum) && faults.is_empty() {
            faults.push(Fault::Rewritten);
        }
    }
}

/// The number of a pizza as one of this order, and its slot.
fn place_of<T>(number: u64, slots: &mut [T]) -> Option<(u32, &mut T)> {
    let number = u32::try_from(number).ok()?;
    Some((number, slots.get_mut(number.checked_sub(1)? as usize)?))
}

/// Never 0, so that an absent pizza costs no more memory than a present one.
fn checksum_of(pizza: &str) -> NonZeroU32 {
    NonZeroU32::new(crc32c::crc32c(pizza.as_bytes())).unwrap_or(NonZeroU32::MIN)
}

fn check_fields(id: &OrderId, number: u32, pizza: &PizzaBody<'_>, menu: Menu, faults: &mut Vec<Fault>) {
    if pizza.order_id != id.as_str() {
        faults.push(Fault::Foreign { number, order_id: pizza.order_id.to_string() });
    }
    let PizzaBody { sauce, cheese, meats, veggies, .. } = pizza;
    for (field, value) in [("sauce", sauce), ("cheese", cheese), ("meats", meats), ("veggies", veggies)] {
        if value.is_empty() {
            faults.push(Fault::Unset { number, field });
        } else if !menu.has(field, value) {
            faults.push(Fault::NotOnMenu { number, field, value: value.to_string() });
        }
    }
}
