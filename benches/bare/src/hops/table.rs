//! Finished pizzas become rows: those of one order in one commit share a row, and the order's own row says which.

use std::{io, sync::Arc};

use crate::{
    finished::Finished,
    hop::Hop,
    log::{Commit, CommitNumber, Offset},
    open_orders::OpenOrders,
    pizza::Pizza,
    rows::{Row, order_key, pizzas_key},
};

pub(crate) struct Finish {
    partition: u32,
    orders: Arc<OpenOrders>,
    finished: Arc<Finished>,
    /// The pizzas of the order at hand.
    current: Group,
    rows: Vec<Row>,
    count: u32,
}

/// Pizzas of one order that came one after the other.
#[derive(Default)]
struct Group {
    order: Vec<u8>,
    first: Offset,
    numbers: Vec<u32>,
    json: Vec<u8>,
}

impl Finish {
    pub(crate) fn new(partition: u32, orders: Arc<OpenOrders>, finished: Arc<Finished>) -> Self {
        Self { partition, orders, finished, current: Group::default(), rows: Vec::new(), count: 0 }
    }

    /// Makes rows of the group at hand and begins the next.
    fn close_group(&mut self) {
        let Group { order, first, numbers, json } = std::mem::take(&mut self.current);
        if let Some(value) = self.orders.finish(&order, &numbers) {
            self.rows.push(Row { key: order_key(self.partition, &order), value });
            self.rows.push(Row { key: pizzas_key(self.partition, &order, first), value: json });
        }
    }
}

impl Hop for Finish {
    fn take(&mut self, key: &[u8], value: &[u8], offset: Offset) -> io::Result<()> {
        let pizza: Pizza<'_> = serde_json::from_slice(value)?;
        if !pizza.is_finished() {
            return Err(io::Error::other("a pizza came to the table unfinished"));
        }
        if self.current.order != key {
            self.close_group();
            self.current = Group { order: key.to_vec(), first: offset, ..Group::default() };
        }
        if !self.current.json.is_empty() {
            self.current.json.push(b',');
        }
        self.current.json.extend_from_slice(value);
        self.current.numbers.push(pizza.number);
        self.count += 1;
        Ok(())
    }

    fn made(&self) -> u32 {
        self.count
    }

    fn give(&mut self) -> Commit {
        self.close_group();
        Commit { output: None, consumed: None, rows: std::mem::take(&mut self.rows) }
    }

    fn committed(&mut self, number: CommitNumber) {
        self.finished.add(std::mem::take(&mut self.count), number);
    }
}
