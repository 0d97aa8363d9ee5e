//! What a run is to do.

use std::{path::PathBuf, time::Duration};

use crate::{Menu, Outages, Patience, PizzaCount, Target};

/// A run under load.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The server.
    pub target: Target,
    /// No more orders than this are placed; without it `duration` ends the run.
    pub order_count: Option<u64>,
    /// No order is placed later than this after the first.
    pub duration: Option<Duration>,
    /// Of each order.
    pub pizzas_per_order: PizzaCount,
    /// How many place orders at the same time, each on a connection of its own.
    pub client_count: u32,
    /// When orders are placed.
    pub pace: Pace,
    /// Which orders are audited.
    pub depth: Depth,
    /// What may be on a pizza.
    pub menu: Menu,
    /// Of each request; its limit is also how long the server may go without any order becoming ready.
    pub patience: Patience,
    /// Where acknowledged orders are written down.
    pub journal: Option<PathBuf>,
}

/// When orders are placed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// A client places its next order when the last one is acknowledged. A server that stalls is then asked less, so
    /// the times do not tell what users who don't wait for each other would see.
    ClosedLoop,
    /// So many orders a second, whatever the server does; times count from when the order *should* have been placed.
    PerSecond(f64),
}

/// Which orders are audited in full. That none is lost and all become ready is seen in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Depth {
    /// All.
    Full,
    /// Every sixteenth.
    Sample,
    /// None.
    None,
}

/// How a plan is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Intake {
    /// One client places an order and looks at it back to back until it is ready.
    OneByOne,
    /// Placing and watching are apart.
    UnderLoad,
}

impl Plan {
    pub(super) fn intake(&self) -> Intake {
        match (self.client_count, self.pace) {
            (1, Pace::ClosedLoop) => Intake::OneByOne,
            _ => Intake::UnderLoad,
        }
    }

    /// Whether orders get keys: where an order may have to be sent a second time, or be recognised later.
    pub(super) fn uses_keys(&self) -> bool {
        self.patience.outages == Outages::RideOut || self.journal.is_some()
    }
}

impl Depth {
    const SAMPLE: u64 = 16;

    /// Whether the order of this index, from 0, is audited.
    pub(super) fn covers(self, index: u64) -> bool {
        match self {
            Self::Full => true,
            Self::Sample => index.is_multiple_of(Self::SAMPLE),
            Self::None => false,
        }
    }
}
