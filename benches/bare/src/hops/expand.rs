//! An order becomes its pizzas, and a row.

use std::{io, sync::Arc};

use crate::{
    hop::{Hop, Outbox},
    log::{Commit, CommitNumber, Offset, PartitionId},
    open_orders::OpenOrders,
    pizza::{Order, Pizza},
    rows::{Row, order_key},
};

pub(crate) struct Expand {
    partition: u32,
    orders: Arc<OpenOrders>,
    outbox: Outbox,
    rows: Vec<Row>,
}

impl Expand {
    pub(crate) fn new(partition: u32, to: PartitionId, orders: Arc<OpenOrders>) -> Self {
        Self { partition, orders, outbox: Outbox::to(to), rows: Vec::new() }
    }
}

impl Hop for Expand {
    fn take(&mut self, key: &[u8], value: &[u8], _offset: Offset) -> io::Result<()> {
        let order: Order<'_> = serde_json::from_slice(value)?;
        for number in 1..=order.count {
            self.outbox.add(key, &Pizza::ordered(&order.order_id, number))?;
        }
        self.rows.push(Row { key: order_key(self.partition, key), value: self.orders.begin(key, order.count) });
        Ok(())
    }

    fn made(&self) -> u32 {
        self.outbox.count()
    }

    fn give(&mut self) -> Commit {
        self.outbox.commit(std::mem::take(&mut self.rows))
    }

    fn committed(&mut self, _number: CommitNumber) {}
}
