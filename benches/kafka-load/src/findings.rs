//! What came out of the stages that should not have, and what did not.

use std::fmt;

use serde::Serialize;

use crate::{fill::order_of, pizza::Pizza};

/// Counts; all zero when every promise was kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Findings {
    pub(crate) missing: u64,
    /// Came out more than once.
    pub(crate) doubled: u64,
    /// Without a sauce, cheese, meats or veggies, or of another order than at first.
    pub(crate) wrong: u64,
}

/// What is known of the pizzas that were filled in.
pub(crate) struct Sheet {
    times_seen: Vec<u8>,
    seen_count: usize,
    wrong: u64,
}

impl Sheet {
    pub(crate) fn of(count: u32) -> Self {
        Self { times_seen: vec![0; count as usize], seen_count: 0, wrong: 0 }
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.seen_count == self.times_seen.len()
    }

    pub(crate) fn see(&mut self, value: &[u8]) {
        let count = u32::try_from(self.times_seen.len()).unwrap_or(u32::MAX);
        let Ok(pizza) = serde_json::from_slice::<Pizza<'_>>(value) else {
            self.wrong += 1;
            return;
        };
        let Some(times) = self.times_seen.get_mut(pizza.number as usize) else {
            self.wrong += 1;
            return;
        };
        self.seen_count += usize::from(*times == 0);
        *times = times.saturating_add(1);
        if !pizza.is_finished() || pizza.order_id != order_of(pizza.number, count) {
            self.wrong += 1;
        }
    }

    pub(crate) fn findings(&self) -> Findings {
        let count = |which: fn(&&u8) -> bool| self.times_seen.iter().filter(which).count() as u64;
        Findings { missing: count(|times| **times == 0), doubled: count(|times| **times > 1), wrong: self.wrong }
    }
}

impl Findings {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        write!(f, "{} missing, {} more than once, {} wrong", self.missing, self.doubled, self.wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(number: u32) -> Vec<u8> {
        let id = order_of(number, 3);
        let pizza = Pizza { sauce: "a", cheese: "b", meats: "c", veggies: "d", ..Pizza::ordered(&id, number) };
        serde_json::to_vec(&pizza).unwrap()
    }

    #[test]
    fn each_pizza_once_and_finished_is_no_finding() {
        let mut sheet = Sheet::of(3);
        [0, 2, 1].iter().for_each(|number| sheet.see(&finished(*number)));
        assert!(sheet.is_complete());
        assert!(sheet.findings().is_empty());
    }

    #[test]
    fn what_is_missing_doubled_or_wrong_is_found() {
        let mut sheet = Sheet::of(3);
        sheet.see(&finished(0));
        sheet.see(&finished(0));
        sheet.see(&serde_json::to_vec(&Pizza::ordered(&order_of(1, 3), 1)).unwrap());
        sheet.see(b"no pizza");
        assert!(!sheet.is_complete());
        assert_eq!(sheet.findings(), Findings { missing: 1, doubled: 1, wrong: 2 });
    }
}
