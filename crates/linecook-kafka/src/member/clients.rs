//! What a member has of librdkafka.

use std::{collections::BTreeMap, ffi::CString, sync::Arc};

use linecook_log::Partition;
use parking_lot::Mutex;
use rdkafka::{TopicPartitionList, consumer::Consumer as _};

use crate::{
    client::{Consumer, Rebalance},
    native::queue::{Forwarded, Queue},
    transaction::Transactions,
    wakeup::Wakeup,
};

/// What a member has of librdkafka. The log lets it go when it ends.
pub(crate) struct Clients {
    pub(crate) wakeup: Arc<Wakeup>,
    pub(super) open: Mutex<Option<Open>>,
}

/// Dropping it ends its clients, in whatever they are about.
pub(super) struct Open {
    /// One for each topic, in the order of the polls. They go before their client.
    pub(super) queues: Vec<TopicQueue>,
    /// What the group and the client tell.
    pub(super) events: Queue,
    pub(super) consumer: Arc<Consumer>,
    /// Whether the group waits for partitions to be given up.
    pub(super) owes_answer: bool,
    /// Always there once the member has joined.
    pub(super) transactions: Option<Transactions>,
    /// A client for rows on their way, while there are some.
    pub(super) restoring: Option<Arc<Consumer>>,
}

pub(super) struct TopicQueue {
    pub(super) name: CString,
    /// The partitions whose records come here. They go before the queue.
    pub(super) forwarded: BTreeMap<Partition, Forwarded>,
    pub(super) queue: Queue,
}

impl Clients {
    /// Lets them go: without a farewell, as static members do.
    pub(crate) fn end(&self) {
        self.open.lock().take();
        self.wakeup.raise();
    }
}

impl Drop for Open {
    /// A client that waits for the answer to a rebalance does not end.
    fn drop(&mut self) {
        let context = self.consumer.context();
        context.is_closing();
        let mut is_owed = self.owes_answer;
        while let Some(event) = context.next_rebalance() {
            if matches!(event, Rebalance::Assigned(_)) {
                drop(self.consumer.incremental_assign(&TopicPartitionList::new()));
            } else {
                is_owed = true;
            }
        }
        if is_owed {
            let assigned = self.consumer.assignment().unwrap_or_default();
            drop(self.consumer.incremental_unassign(&assigned));
        }
    }
}
