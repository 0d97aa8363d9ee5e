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

impl What {
    /// Chooses it.
    pub(crate) fn put_on(self, pizza: &mut Pizza<'_>, random: &mut Random) {
        match self {
            Self::Sauce => pizza.sauce = Cow::Borrowed(menu::sauce(random)),
            Self::Cheese => pizza.cheese = Cow::Borrowed(menu::cheese(random)),
            Self::Meats => pizza.meats = Cow::Owned(menu::meats(random)),
            Self::Veggies => pizza.veggies = Cow::Owned(menu::veggies(random)),
        }
    }
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
        self.what.put_on(&mut pizza, &mut Random::seeded(self.seed + offset.0));
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
