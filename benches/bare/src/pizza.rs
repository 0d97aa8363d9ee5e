//! The events, typed as the product's are.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// An order was taken.
#[derive(Serialize, Deserialize)]
pub(crate) struct Order<'a> {
    #[serde(borrow)]
    pub(crate) order_id: Cow<'a, str>,
    pub(crate) count: u32,
}

/// A pizza on its way. Its texts are borrowed from the record unless they hold an escape.
#[derive(Serialize, Deserialize)]
pub(crate) struct Pizza<'a> {
    #[serde(borrow)]
    pub(crate) order_id: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) sauce: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) cheese: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) meats: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) veggies: Cow<'a, str>,
    pub(crate) number: u32,
}

impl<'a> Pizza<'a> {
    /// A pizza with nothing on it.
    pub(crate) fn ordered(order_id: &'a str, number: u32) -> Self {
        let nothing = || Cow::Borrowed("");
        Self {
            order_id: order_id.into(),
            sauce: nothing(),
            cheese: nothing(),
            meats: nothing(),
            veggies: nothing(),
            number,
        }
    }

    pub(crate) fn is_finished(&self) -> bool {
        [&self.sauce, &self.cheese, &self.meats, &self.veggies].iter().all(|field| !field.is_empty())
    }
}
