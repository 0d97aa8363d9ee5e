//! Who orders, and what they were told.

use std::{
    collections::BTreeMap,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use linecook::Random;
use linecook_log::{
    BatchBuilder, Clock, GroupName, Log, NewRecord, Origin, Partition, Ticket, TopicName, TopicPartition, partition_of,
};

/// What guests have ordered.
#[derive(Default)]
pub(crate) struct Guests {
    orders: BTreeMap<u128, Ordered>,
    waiting: Vec<(u128, Ticket)>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Ordered {
    pub(crate) count: u32,
    /// Its guest has heard that it was taken.
    pub(crate) is_acknowledged: bool,
}

impl Guests {
    /// Somebody orders, or orders once more. Returns what is told of it.
    pub(crate) fn order(&mut self, log: &dyn Log, clock: &dyn Clock, partitions: u32, random: &Random) -> String {
        let is_new = self.orders.is_empty() || random.below(4) > 0;
        let id = match is_new {
            // Ids in whose text there is nothing to be seen of their order.
            true => u128::from(random.u64() >> 1),
            false => *random.choose(&self.orders.keys().copied().collect::<Vec<_>>()),
        };
        let count = 1 + u32::try_from(random.below(4)).unwrap_or(0);
        let ordered = *self.orders.entry(id).or_insert(Ordered { count, is_acknowledged: false });
        let key = id.to_string();
        let value = format!(r#"{{"order_id":"{id}","count":{}}}"#, ordered.count);
        let own = partition_of(key.as_bytes(), partitions);
        let is_misplaced = random.below(5) == 0;
        let partition = if is_misplaced { Partition((own.0 + 1) % partitions) } else { own };
        let origin = Origin {
            service: GroupName::new("guests").expect("this is a name"),
            taken_at: clock.timestamp(),
            attempt: 1,
            source: None,
        };
        let mut batch = BatchBuilder::new(&origin, 0);
        let (key, value) = (Some(key.as_bytes()), Some(value.as_bytes()));
        batch.push(&NewRecord { key, value, timestamp: clock.timestamp(), headers: &[] }).expect("it is small");
        let orders = TopicName::new("orders").expect("this is a name");
        match log.append(&TopicPartition::new(&orders, partition), batch) {
            Ok(ticket) => self.waiting.push((id, ticket)),
            Err(error) => return format!("guest: order {id} is not taken: {error}"),
        }
        format!("guest: orders {} under {id}, new={is_new} misplaced={is_misplaced}", ordered.count)
    }

    /// Hears what there is to be heard; of some answers nothing is.
    pub(crate) fn hear(&mut self, random: &Random) {
        let mut context = Context::from_waker(Waker::noop());
        for (id, mut ticket) in std::mem::take(&mut self.waiting) {
            match Pin::new(&mut ticket).poll(&mut context) {
                Poll::Pending => self.waiting.push((id, ticket)),
                Poll::Ready(Ok(())) if random.below(8) > 0 => {
                    self.orders.get_mut(&id).expect("it was ordered").is_acknowledged = true;
                }
                Poll::Ready(_) => {}
            }
        }
    }

    pub(crate) fn orders(&self) -> &BTreeMap<u128, Ordered> {
        &self.orders
    }
}
