//! Who joins a group to make it share out again.

use std::{sync::Arc, time::Duration};

use linecook_log::{MemberSpec, Result, waiting::Wakeup};
use parking_lot::Mutex;
use rdkafka::{TopicPartitionList, consumer::Consumer as _};

use super::subscribed;
use crate::{
    client::{self, Rebalance},
    clients::{Clients, Open},
    fault,
    native::{self, Fault, queue::Queue},
    shared::Shared,
};

/// A group waits for all of its members, and these for nobody.
const STAYS_FOR: Duration = Duration::from_secs(10);

/// A member for a moment: without a name, so that the group shares out again when it joins and when it leaves.
///
/// librdkafka has no call for that. Rebalances being cooperative, the members go on with what they have. What the visitor
/// gets meanwhile it does not take up, and the next moment it is somebody else's.
pub(super) struct Visitor {
    shared: Arc<Shared>,
    clients: Arc<Clients>,
    id: u64,
    until: Duration,
}

impl Visitor {
    /// # Errors
    /// `Closed`. `Invalid`: there can be no such client.
    pub(super) fn begin(shared: &Arc<Shared>, spec: &MemberSpec, now: Duration) -> Result<Self> {
        let consumer = Arc::new(client::visiting(&shared.options, &shared.cluster.news, spec.group.as_str())?);
        let failed = |fault| fault::error(format!("the group cannot be visited: group={}", spec.group), fault);
        consumer.subscribe(&subscribed(spec)).map_err(|error| failed(client::fault_in(&error)))?;
        let events = Queue::of_consumer(&consumer);
        let open =
            Open { queues: Vec::new(), events, consumer, owes_answer: false, transactions: None, restoring: None };
        let clients = Arc::new(Clients { wakeup: Arc::<Wakeup>::default(), open: Mutex::new(Some(open)) });
        let id = shared.add_member(&clients)?;
        Ok(Self { shared: Arc::clone(shared), clients, id, until: now + STAYS_FOR })
    }

    /// Goes on with the visit. Whether it is over: the group has shared out with it, or does not come to that.
    pub(super) fn has_been(&mut self, now: Duration) -> bool {
        let mut open = self.clients.open.lock();
        let Some(open) = open.as_mut() else { return true };
        drop(open.consumer.poll(Duration::ZERO));
        let mut is_in = false;
        while let Some(event) = open.consumer.context().next_rebalance() {
            let nothing = TopicPartitionList::new();
            let answered = match event {
                Rebalance::Assigned(_) => {
                    is_in = true;
                    open.consumer.incremental_assign(&nothing).map_err(|error| client::fault_in(&error))
                }
                Rebalance::Revoked(_) | Rebalance::Lost(_) => native::member::lose(&open.consumer, &nothing),
            };
            if let Err(Fault { text, .. }) = answered {
                tracing::debug!(error = text, "a visitor could not answer a rebalance");
            }
        }
        is_in || now >= self.until
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        self.shared.remove_member(self.id);
        self.clients.end_aside();
    }
}
