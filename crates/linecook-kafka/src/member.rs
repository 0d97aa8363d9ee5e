//! A member of a group.
//!
//! ```text
//!            rebalance events ──► shares: wanted ──► offsets ──► rows restored ──► owned ──► told
//!  consumer ─┤
//!            └ queue of each topic ◄── partitions' queues forwarded when they are owned
//! ```
//!
//! Only the first topic of an input is subscribed: what the group assigns of it is what the member gets of all topics of
//! that input, since no assignor that moves partitions one by one keeps those of several topics together. A rebalance is
//! answered at once, before anything that takes time: the group goes on, and the member takes the partitions up when
//! their rows are here.

mod arrival;
mod commit;
mod fetch;
mod keep;
mod owned;

use std::{collections::BTreeMap, ffi::CString, sync::Arc, time::Duration};

use bytes::Bytes;
use linecook_log::{
    Assignment, Commit, Error, ErrorKind, Member, MemberSpec, Offset, Partition, Poll, Result, Row, Scan, TableName,
    Ticket, TopicName, TopicPartition,
};
use parking_lot::Mutex;
use rdkafka::{
    TopicPartitionList,
    consumer::Consumer as _,
    error::{KafkaError, RDKafkaErrorCode},
};

use self::{
    arrival::Arriving,
    owned::{Owned, Share},
};
use crate::{
    client::{self, Consumer, Rebalance},
    fault,
    native::{
        self,
        admin::list,
        queue::{Forwarded, Queue},
        record::Taken,
    },
    shared::Shared,
    tables::{LocalTable, Seat, TableKey},
    transaction::Transactions,
    wakeup::Wakeup,
};

/// How long a poll sleeps at most before it looks again, should a wake-up be missing.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// The same while partitions are on their way.
const LOOK_SOON: Duration = Duration::from_millis(5);

/// How often who is in no group looks whether its brokers are still known.
const LOOK_FOR_BROKERS_EVERY: Duration = Duration::from_secs(5);

pub(crate) struct KafkaMember {
    shared: Arc<Shared>,
    spec: MemberSpec,
    /// Among the members of this process.
    id: u64,
    /// How many partitions each input's topics have.
    partition_counts: Vec<u32>,
    clients: Arc<Clients>,
    arriving: Vec<Arriving>,
    /// What it was told of: in the order of the polls.
    owned: Vec<Owned>,
    /// The rows that it keeps.
    tables: BTreeMap<(TableName, Partition), Arc<LocalTable>>,
    /// What is given up with the next poll.
    revoking: Vec<Share>,
    /// After a commit that was refused the positions go back to what is committed.
    must_rewind: bool,
    /// What it was refused since it last got anything.
    refusal: Option<RDKafkaErrorCode>,
    look_for_brokers_at: Duration,
    /// Its id in the group since it owns anything.
    member_id: Option<String>,
    /// Why it is over.
    over: Option<Over>,
    taken: Taken,
    mean_record_bytes: usize,
}

/// How a member ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    /// Another has joined under its name.
    Replaced,
    /// What became of its last commit is not known, or its client is of no use any more.
    Unknown,
}

/// What a member has of librdkafka. The log lets it go when it ends.
pub(crate) struct Clients {
    pub(crate) wakeup: Arc<Wakeup>,
    open: Mutex<Option<Open>>,
}

/// Dropping it ends its clients, in whatever they are about.
struct Open {
    /// One for each topic, in the order of the polls. They go before their client.
    queues: Vec<TopicQueue>,
    /// What the group and the client tell.
    events: Queue,
    consumer: Arc<Consumer>,
    /// Whether the group waits for partitions to be given up.
    owes_answer: bool,
    /// Always there once the member has joined.
    transactions: Option<Transactions>,
    /// A client for rows on their way, while there are some.
    restoring: Option<Arc<Consumer>>,
}

struct TopicQueue {
    name: CString,
    /// The partitions whose records come here. They go before the queue.
    forwarded: BTreeMap<Partition, Forwarded>,
    queue: Queue,
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

impl KafkaMember {
    /// Joins the group. The spec was checked.
    pub(crate) fn join(shared: &Arc<Shared>, spec: MemberSpec, partition_counts: Vec<u32>) -> Result<Self> {
        let name = format!("{}.{}.{}", spec.group, spec.instance, spec.worker);
        let news = &shared.cluster.news;
        let names = (spec.group.as_str(), name.as_str());
        let consumer = Arc::new(client::consuming(&shared.options, news, names, spec.max_silence)?);
        let wakeup = Arc::<Wakeup>::default();
        let mut events = Queue::of_consumer(&consumer);
        events.raise(&wakeup);
        let queue_of = |topic: &TopicName| {
            let mut queue = Queue::new(&consumer);
            queue.raise(&wakeup);
            let name = CString::new(topic.as_str()).expect("a name has no zero byte");
            TopicQueue { name, forwarded: BTreeMap::new(), queue }
        };
        let queues = spec.topics().iter().map(queue_of).collect();
        let subscribed: Vec<_> = spec.inputs.iter().map(|input| input.topics[0].as_str()).collect();
        let failed =
            |error| fault::error(format!("the group cannot be joined: group={}", spec.group), client::fault_in(&error));
        consumer.subscribe(&subscribed).map_err(failed)?;
        let mut open = Open { queues, events, consumer, owes_answer: false, transactions: None, restoring: None };
        // After it has begun to join: who is replaced hears from the group that it is, and not only that its producer is.
        open.transactions = Some(Transactions::begin_with(&shared.options, news, &shared.clock, &name)?);
        let clients = Arc::new(Clients { wakeup, open: Mutex::new(Some(open)) });
        let id = shared.add_member(&clients)?;
        Ok(Self {
            shared: Arc::clone(shared),
            spec,
            id,
            partition_counts,
            clients,
            arriving: Vec::new(),
            owned: Vec::new(),
            tables: BTreeMap::new(),
            revoking: Vec::new(),
            must_rewind: false,
            refusal: None,
            look_for_brokers_at: shared.clock.monotonic() + LOOK_FOR_BROKERS_EVERY,
            member_id: None,
            over: None,
            taken: Taken::default(),
            mean_record_bytes: 512,
        })
    }

    /// What happens by now; `None` when nothing does.
    fn look(&mut self, max_bytes: usize) -> Result<Option<Poll>> {
        let clients = Arc::clone(&self.clients);
        let mut open = clients.open.lock();
        let open = open.as_mut().ok_or_else(|| self.shared.ended())?;
        self.finish_revoking(open);
        self.serve_events(open)?;
        while let Some(event) = open.consumer.context().next_rebalance() {
            if let Some(poll) = self.rebalanced(open, event)? {
                return Ok(Some(poll));
            }
        }
        if let Some(assigned) = self.advance_arrivals(open)? {
            return Ok(Some(Poll::Assigned(assigned)));
        }
        if self.must_rewind {
            if !self.is_in_group(open) {
                return Ok(None); // what it has lost is told first
            }
            self.rewind(open)?;
            self.must_rewind = false;
        }
        let fetches = self.fetch(open, max_bytes)?;
        Ok((!fetches.is_empty()).then_some(Poll::Records(fetches)))
    }

    /// Rebalances and faults come this way; records do not.
    fn serve_events(&mut self, open: &Open) -> Result<()> {
        // A poll that has served something says no more than one that had nothing to serve.
        // Once in any case: the group goes by the consumer's polls.
        let mut has_more = true;
        while has_more {
            if let Some(Err(KafkaError::MessageConsumption(code))) = open.consumer.poll(Duration::ZERO)
                && fault::is_missing_right(code)
            {
                self.refusal = Some(code);
            }
            has_more = open.events.has_any();
        }
        let now = self.shared.clock.monotonic();
        if now >= self.look_for_brokers_at {
            self.look_for_brokers_at = now + LOOK_FOR_BROKERS_EVERY;
            if native::member::member_id(&open.consumer).is_none() {
                let servers = self.shared.options.properties.servers().unwrap_or_default();
                native::brokers::find_again(&open.consumer, servers);
            }
        }
        match client::fatal_error(open.consumer.client()) {
            None => Ok(()),
            Some(fault) if fault.code == RDKafkaErrorCode::FencedInstanceId => {
                self.over = Some(Over::Replaced);
                Err(replaced())
            }
            Some(fault) => {
                self.over = Some(Over::Unknown);
                Err(fault::unknown("the member is over", fault))
            }
        }
    }

    fn rebalanced(&mut self, open: &mut Open, event: Rebalance) -> Result<Option<Poll>> {
        match event {
            Rebalance::Lost(partitions) => {
                self.member_id = None;
                let shares = self.shares_of(&partitions);
                self.arriving.retain(|arriving| !shares.contains(&arriving.share));
                let told = self.partitions_told(&shares);
                self.unassign(open, &told);
                self.forget(&told);
                Ok((!told.is_empty()).then_some(Poll::Lost(told)))
            }
            Rebalance::Assigned(partitions) => {
                // Answered with nothing: the partitions are added one by one when they have arrived.
                self.answer(open.consumer.incremental_assign(&TopicPartitionList::new()));
                self.check_identity(open)?;
                self.refusal = None;
                for share in self.shares_of(&partitions) {
                    if !self.has(share) {
                        self.arriving.push(Arriving::new(share));
                    }
                }
                self.let_go_former_tables();
                Ok(None)
            }
            Rebalance::Revoked(partitions) => {
                open.owes_answer = true;
                self.check_identity(open)?;
                let shares = self.shares_of(&partitions);
                self.arriving.retain(|arriving| !shares.contains(&arriving.share));
                self.revoking = shares;
                let told = self.partitions_told(&self.revoking);
                if told.is_empty() {
                    self.finish_revoking(open);
                    return Ok(None);
                }
                Ok(Some(Poll::Revoking(told)))
            }
        }
    }

    /// That it is the member that it was when it got what it has. Otherwise others may have had its partitions since, and
    /// have gone on with them, although the client takes those that it has again for those that it still has.
    ///
    /// # Errors
    /// `Unknown`: it is over.
    fn check_identity(&mut self, open: &Open) -> Result<()> {
        let now = native::member::member_id(&open.consumer);
        match &self.member_id {
            Some(before) if now.as_ref() != Some(before) => {
                self.over = Some(Over::Unknown);
                Err(Error::new(ErrorKind::Unknown, "the member was out of its group for a while: join again"))
            }
            Some(_) => Ok(()),
            None => {
                self.member_id = now;
                Ok(())
            }
        }
    }

    fn is_in_group(&self, open: &Open) -> bool {
        let now = native::member::member_id(&open.consumer);
        now.is_some() && now == self.member_id
    }

    /// Gives up what it was told to, so that the group goes on.
    fn finish_revoking(&mut self, open: &mut Open) {
        if !open.owes_answer {
            return;
        }
        let shares = std::mem::take(&mut self.revoking);
        let told = self.partitions_told(&shares);
        self.unassign(open, &told);
        self.forget(&told);
        // Another process is going to own them: what is here is soon out of date.
        let of_shares: Vec<_> = shares.iter().flat_map(|share| self.table_keys(*share)).collect();
        for key in of_shares {
            self.shared.tables.let_go(&key, self.id);
        }
    }

    fn unassign(&self, open: &mut Open, partitions: &[TopicPartition]) {
        for at in partitions {
            open.queues[self.rank_of(at)].forwarded.remove(&at.partition);
        }
        let partitions = list(partitions.iter().map(|at| (at, rdkafka::Offset::Invalid)));
        self.answer(open.consumer.incremental_unassign(&partitions));
        open.owes_answer = false;
    }

    /// A rebalance that cannot be answered leaves the member without what it would have got; it is the client's state that
    /// is wrong then.
    fn answer(&self, outcome: rdkafka::error::KafkaResult<()>) {
        if let Err(error) = outcome {
            tracing::warn!(group = %self.spec.group, %error, "a rebalance could not be answered");
        }
    }

    fn forget(&mut self, partitions: &[TopicPartition]) {
        self.owned.retain(|owned| !partitions.contains(&owned.at));
        for at in partitions {
            self.shared.progress.leave(&self.spec.group, at);
        }
        let owned: Vec<_> = self.owned.iter().map(|owned| owned.share).collect();
        let inputs = &self.spec.inputs;
        self.tables.retain(|(table, partition), _| {
            owned.iter().any(|share| share.partition == *partition && inputs[share.input].tables.contains(table))
        });
    }

    fn let_go_former_tables(&self) {
        let seat = self.seat();
        let shares = self.owned.iter().map(|owned| owned.share).chain(self.arriving.iter().map(|it| it.share));
        let kept: Vec<_> = shares.flat_map(|share| self.table_keys(share)).collect();
        self.shared.tables.let_go_others(&self.spec.group, &seat, |key| kept.contains(key));
    }

    fn seat(&self) -> Seat {
        Seat { instance: self.spec.instance.clone(), worker: self.spec.worker }
    }

    fn table_keys(&self, share: Share) -> Vec<TableKey> {
        let tables = self.spec.inputs[share.input].tables.iter();
        let key = |table: &TableName| TableKey {
            service: self.spec.group.clone(),
            table: table.clone(),
            partition: share.partition,
        };
        tables.map(key).collect()
    }

    fn check_going_on(&self) -> Result<()> {
        self.shared.check_open()?;
        match self.over {
            None => Ok(()),
            Some(Over::Replaced) => Err(replaced()),
            Some(Over::Unknown) => {
                Err(Error::new(ErrorKind::Unknown, "the member is over since its last call: join again"))
            }
        }
    }

    /// The rows of an owned partition.
    fn table(&self, table: &TableName, partition: Partition) -> Result<&Arc<LocalTable>> {
        self.check_going_on()?;
        if !self.spec.inputs.iter().any(|input| input.tables.contains(table)) {
            return Err(Error::invalid(format!("the member did not join with this table: table={table}")));
        }
        let found = self.tables.get(&(table.clone(), partition)).ok_or_else(|| {
            let text = format!("the partition is not owned: table={table} partition={partition}");
            Error::new(ErrorKind::Fenced, text)
        })?;
        found.check_owner(self.id)?;
        Ok(found)
    }
}

fn replaced() -> Error {
    let text = "another member has joined under this one's name: its instance and worker are the same";
    Error::new(ErrorKind::Fenced, text)
}

impl Member for KafkaMember {
    fn poll(&mut self, max_wait: Duration, max_bytes: usize) -> Result<Poll> {
        let deadline = self.shared.clock.monotonic().saturating_add(max_wait);
        loop {
            self.check_going_on()?;
            if let Some(poll) = self.look(max_bytes)? {
                return Ok(poll);
            }
            let left = deadline.saturating_sub(self.shared.clock.monotonic());
            if left.is_zero() {
                self.keep_offsets()?;
                return self.stuck().map_or(Ok(Poll::Idle), Err);
            }
            let is_busy = !self.arriving.is_empty();
            self.clients.wakeup.wait(left.min(if is_busy { LOOK_SOON } else { LOOK_AGAIN_AFTER }));
        }
    }

    fn get(&mut self, table: &TableName, partition: Partition, key: &[u8]) -> Result<Option<Bytes>> {
        self.table(table, partition)?.get(key)
    }

    fn scan(&mut self, table: &TableName, partition: Partition, scan: Scan<'_>) -> Result<Vec<Row>> {
        self.table(table, partition)?.scan(scan)
    }

    fn commit(&mut self, commit: Commit) -> Result<Ticket> {
        self.check_going_on()?;
        self.commit_checked(commit)
    }

    fn leave(self: Box<Self>) -> Result<()> {
        self.shared.check_open()?;
        let told: Vec<_> = self.owned.iter().map(|owned| owned.at.clone()).collect();
        for at in &told {
            self.shared.progress.leave(&self.spec.group, at);
        }
        self.clients.end();
        Ok(())
    }
}

impl Drop for KafkaMember {
    /// The rows stay, and may be read: whether others own them by now is not known yet.
    fn drop(&mut self) {
        for owned in &self.owned {
            self.shared.progress.leave(&self.spec.group, &owned.at);
        }
        self.clients.end();
        self.shared.remove_member(self.id);
    }
}

/// Where an owned partition begins, as the member is told.
fn assignment(at: &TopicPartition, position: Offset) -> Assignment {
    Assignment { partition: at.clone(), position }
}
