//! What the client and the server call an order.

use std::fmt;

/// The id that the server gave to an order. The client never looks into it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrderId(Box<str>);

/// The key with which a repeated `POST` is recognised as the same order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OrderKey(Box<str>);

/// How many pizzas an order is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PizzaCount(pub u32);

/// An order that the server has acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// As the server named it.
    pub id: OrderId,
    /// As the client asked for.
    pub count: PizzaCount,
    /// With which it was placed, if with any.
    pub key: Option<OrderKey>,
}

impl OrderId {
    /// An id as it stands in an answer or a journal.
    pub fn new(id: impl Into<Box<str>>) -> Self {
        Self(id.into())
    }

    /// The id as it stands in a path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl OrderKey {
    /// A key as it stands in a header.
    pub fn new(key: impl Into<Box<str>>) -> Self {
        Self(key.into())
    }

    /// The key as it stands in a header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for OrderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for PizzaCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
