//! What the auditor found: one line each.

use std::fmt;

use crate::{OrderId, PizzaCount};

/// Findings beyond this many are counted, not kept: a server that does everything wrong would fill the memory.
const KEPT_MAX: usize = 10_000;

/// A promise that was not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whose.
    pub order: OrderId,
    /// Which.
    pub fault: Fault,
}

/// The ways in which a promise can be broken.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Acknowledged, and then answered with 404.
    Lost,
    /// Acknowledged, and not ready although it was waited for.
    NeverReady,
    /// Said to be ready without these.
    Incomplete { missing: PizzaCount, first: u32 },
    /// Ready once, and later not.
    NoLongerReady,
    /// A number twice in one body.
    Doubled { number: u32 },
    /// A number below 1 or above the count.
    NoSuchNumber { number: u64 },
    /// Numbers that do not ascend.
    Unordered { number: u32 },
    /// A pizza that says it belongs to another order.
    Foreign { number: u32, order_id: String },
    /// A field of a pizza that is absent or empty.
    Unset { number: u32, field: &'static str },
    /// A value that the menu does not have.
    NotOnMenu { number: u32, field: &'static str, value: String },
    /// A pizza that was shown with other bytes before.
    Changed { number: u32 },
    /// A pizza that was shown before and is not any more.
    Vanished { number: u32 },
    /// A ready order whose pizzas are not, byte for byte, those of its first ready answer.
    Rewritten,
    /// A field of the order itself.
    Wrong { field: &'static str, found: String, expected: String },
    /// A body that is not what the API says.
    Unreadable { error: String },
    /// The same key gave another order.
    SecondOrder { id: OrderId },
}

/// All that the auditor found, in the order in which it found it.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    kept: Vec<Finding>,
    /// Those that are not kept included.
    count: usize,
}

impl Findings {
    /// Whether every promise was kept.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many there are, also beyond those that [`iter`](Self::iter) gives.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The first ten thousand.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.kept.iter()
    }

    /// Adds one.
    pub fn add(&mut self, order: OrderId, fault: Fault) {
        self.count += 1;
        if self.kept.len() < KEPT_MAX {
            self.kept.push(Finding { order, fault });
        }
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.kept {
            writeln!(f, "{finding}")?;
        }
        match self.count - self.kept.len() {
            0 => Ok(()),
            more => writeln!(f, "and {more} more"),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "order {}: {}", self.order, self.fault)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost => write!(f, "was acknowledged and is not there (404)"),
            Self::NeverReady => write!(f, "was acknowledged and did not become ready"),
            Self::Incomplete { missing, first } => {
                write!(f, "is said to be ready but pizzas are missing: missing={missing} first={first}")
            }
            Self::NoLongerReady => write!(f, "was ready and is not any more"),
            Self::Doubled { number } => write!(f, "a pizza is there twice: number={number}"),
            Self::NoSuchNumber { number } => write!(f, "a pizza that nobody ordered: number={number}"),
            Self::Unordered { number } => write!(f, "the numbers do not ascend: number={number}"),
            Self::Foreign { number, order_id } => {
                write!(f, "a pizza belongs to another order: number={number} order_id={order_id}")
            }
            Self::Unset { number, field } => write!(f, "a field is not set: number={number} field={field}"),
            Self::NotOnMenu { number, field, value } => {
                write!(f, "a value is not on the menu: number={number} field={field} value={value:?}")
            }
            Self::Changed { number } => write!(f, "a pizza is not what it was before: number={number}"),
            Self::Vanished { number } => write!(f, "a pizza was there and is gone: number={number}"),
            Self::Rewritten => write!(f, "its pizzas are not byte for byte what they were when it became ready"),
            Self::Wrong { field, found, expected } => {
                write!(f, "a field is wrong: field={field} found={found} expected={expected}")
            }
            Self::Unreadable { error } => write!(f, "a body that is not what the API says: error={error}"),
            Self::SecondOrder { id } => write!(f, "its key, sent again, gave another order: order_id={id}"),
        }
    }
}
