//! Orders of a partition that are not finished: what a table keeps at hand of its newest rows.

use std::collections::HashMap;

use parking_lot::Mutex;

/// Shared by the two hops of a partition that know of orders: the one that expands them and the one that finishes them.
#[derive(Default)]
pub(crate) struct OpenOrders(Mutex<HashMap<Vec<u8>, Progress>>);

/// How far an order is: its row's value is made of this.
struct Progress {
    count: u32,
    done: u32,
    /// One a number, from 1.
    bits: Vec<u8>,
}

impl OpenOrders {
    /// Begins an order and gives the value of its row.
    pub(crate) fn begin(&self, order: &[u8], count: u32) -> Vec<u8> {
        let progress = Progress { count, done: 0, bits: vec![0; count.div_ceil(8) as usize] };
        let row = progress.encode();
        self.0.lock().insert(order.to_vec(), progress);
        row
    }

    /// Finishes pizzas of an order and gives the new value of its row; `None` for an order that is not open.
    pub(crate) fn finish(&self, order: &[u8], numbers: &[u32]) -> Option<Vec<u8>> {
        let mut orders = self.0.lock();
        let progress = orders.get_mut(order)?;
        for number in numbers {
            progress.finish(*number);
        }
        let row = progress.encode();
        if progress.done == progress.count {
            orders.remove(order);
        }
        Some(row)
    }
}

impl Progress {
    /// A number that is done already, or that there is not, changes nothing.
    fn finish(&mut self, number: u32) {
        let index = number.wrapping_sub(1);
        let mask = 1 << (index % 8);
        if let Some(byte) = self.bits.get_mut((index / 8) as usize)
            && *byte & mask == 0
        {
            *byte |= mask;
            self.done += 1;
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut row = Vec::with_capacity(8 + self.bits.len());
        row.extend_from_slice(&self.count.to_le_bytes());
        row.extend_from_slice(&self.done.to_le_bytes());
        row.extend_from_slice(&self.bits);
        row
    }
}

#[cfg(test)]
mod tests {
    use super::OpenOrders;

    #[test]
    fn an_order_is_open_until_each_of_its_numbers_is_done_once() {
        let orders = OpenOrders::default();
        assert_eq!(orders.begin(b"7", 3), [3, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(orders.finish(b"7", &[1, 1, 3]), Some(vec![3, 0, 0, 0, 2, 0, 0, 0, 0b101]));
        assert_eq!(orders.finish(b"7", &[2]), Some(vec![3, 0, 0, 0, 3, 0, 0, 0, 0b111]));
        assert_eq!(orders.finish(b"7", &[2]), None);
    }
}
