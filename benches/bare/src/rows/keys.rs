//! The keys of rows: table, partition, order, and for pizzas where they came from.

use crate::log::Offset;

const TABLE_OF_ORDERS: u8 = 0;
const TABLE_OF_PIZZAS: u8 = 1;

/// The row of an order: how many pizzas, and a bit for each number that is finished.
pub(crate) fn order_key(partition: u32, order: &[u8]) -> Vec<u8> {
    key(TABLE_OF_ORDERS, partition, order, 0)
}

/// The row of those pizzas of an order that were finished in one commit, the first of which came from `offset`.
pub(crate) fn pizzas_key(partition: u32, order: &[u8], offset: Offset) -> Vec<u8> {
    let mut key = key(TABLE_OF_PIZZAS, partition, order, 8);
    key.extend_from_slice(&offset.0.to_be_bytes());
    key
}

fn key(table: u8, partition: u32, order: &[u8], room: usize) -> Vec<u8> {
    let mut key = Vec::with_capacity(5 + order.len() + room);
    key.push(table);
    key.extend_from_slice(&partition.to_be_bytes());
    key.extend_from_slice(order);
    key
}

/// Whether a row is one of pizzas.
pub(super) fn is_of_pizzas(key: &[u8]) -> bool {
    key.first() == Some(&TABLE_OF_PIZZAS)
}
