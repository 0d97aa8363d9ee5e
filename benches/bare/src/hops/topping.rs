//! A pizza gets one thing more.

use std::{borrow::Cow, io};

use crate::{
    hop::{Hop, Outbox},
    log::{Commit, CommitNumber, Offset, PartitionId},
    menu,
    pizza::Pizza,
    random::Random,
};

/// What a hop puts on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum What {
    Sauce,
    Cheese,
    Meats,
    Veggies,
}

pub(crate) struct Topping {
    what: What,
    seed: u64,
    outbox: Outbox,
}

impl Topping {
    pub(crate) fn new(what: What, to: PartitionId) -> Self {
        Self { what, seed: u64::from(to.0) << 40, outbox: Outbox::to(to) }
    }
}

impl Hop for Topping {
    fn take(&mut self, key: &[u8], value: &[u8], offset: Offset) -> io::Result<()> {
        let mut pizza: Pizza<'_> = serde_json::from_slice(value)?;
        let mut random = Random::seeded(self.seed + offset.0);
        match self.what {
            What::Sauce => pizza.sauce = Cow::Borrowed(menu::sauce(&mut random)),
            What::Cheese => pizza.cheese = Cow::Borrowed(menu::cheese(&mut random)),
            What::Meats => pizza.meats = Cow::Owned(menu::meats(&mut random)),
            What::Veggies => pizza.veggies = Cow::Owned(menu::veggies(&mut random)),
        }
        self.outbox.add(key, &pizza)
    }

    fn made(&self) -> u32 {
        self.outbox.count()
    }

    fn give(&mut self) -> Commit {
        self.outbox.commit(Vec::new())
    }

    fn committed(&mut self, _number: CommitNumber) {}
}
