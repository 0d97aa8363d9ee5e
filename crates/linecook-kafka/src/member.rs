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
mod gone;
mod keep;
mod owned;
mod rebalance;
mod unowned;

use std::{collections::BTreeMap, ffi::CString, sync::Arc, time::Duration};

use bytes::Bytes;
use linecook_log::{
    Assignment, Commit, Error, ErrorKind, Member, MemberSpec, Offset, Partition, Poll, Result, Row, Scan, TableName,
    Ticket, TopicName, TopicPartition, waiting::Wakeup,
};
use parking_lot::Mutex;
use rdkafka::{
    consumer::Consumer as _,
    error::{KafkaError, RDKafkaErrorCode},
};

use self::{
    arrival::Arriving,
    owned::{Owned, Share},
    unowned::Unowned,
};
use crate::{
    client,
    clients::{Clients, Open, TopicQueue},
    fault,
    native::{self, Fault, queue::Queue, record::Taken, topic::Topic},
    runs::Runs,
    shared::Shared,
    tables::{LocalTable, Seat, TableKey},
    transaction::Transactions,
};

/// How long a poll sleeps at most before it looks again, should a wake-up be missing.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// The same while partitions are on their way.
const LOOK_SOON: Duration = Duration::from_millis(5);

/// How often a member looks whether its topics are there, and one that is in no group whether its brokers are known.
const LOOK_EVERY: Duration = Duration::from_secs(5);

pub(crate) struct KafkaMember {
    shared: Arc<Shared>,
    spec: MemberSpec,
    /// To the brokers, in its group and as a producer.
    name: String,
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
    look_at: Duration,
    /// Topics that it reads and that are not there.
    missing: Vec<TopicName>,
    /// What nobody owns of its inputs.
    unowned: Unowned,
    /// The generation of its group in which it was told to give something up, until there is another: should it end before,
    /// it leaves (`unowned`).
    gave_up_in: Option<i32>,
    /// Its id in the group since it owns anything.
    member_id: Option<String>,
    /// Why it is over.
    over: Option<Over>,
    taken: Taken,
    /// Of each topic.
    runs: Vec<Runs>,
    mean_record_bytes: usize,
}

/// How a member ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    /// Another has joined under its name.
    Replaced,
    /// What became of its last commit is not known, or its client is of no use any more.
    Unknown,
    /// It has left its group, so that this shares out.
    Left,
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
        let failed = |fault| fault::error(format!("the group cannot be joined: group={}", spec.group), fault);
        let queue_of = |topic: &TopicName| {
            let mut queue = Queue::new(&consumer);
            queue.raise(&wakeup);
            let name = CString::new(topic.as_str()).expect("a name has no zero byte");
            let topic = Topic::new(&consumer, &name).map_err(|code| failed(Fault::of_code(code)))?;
            Ok(TopicQueue { topic, forwarded: BTreeMap::new(), queue })
        };
        let queues = spec.topics().iter().map(queue_of).collect::<Result<Vec<_>>>()?;
        let runs = queues.iter().map(|_| Runs::default()).collect();
        let subscribed: Vec<_> = spec.inputs.iter().map(|input| input.topics[0].as_str()).collect();
        consumer.subscribe(&subscribed).map_err(|error| failed(client::fault_in(&error)))?;
        let open =
            Open { queues, events, consumer, owes_answer: false, leaves: false, transactions: None, restoring: None };
        let clients = Arc::new(Clients { wakeup, open: Mutex::new(Some(open)) });
        // After it has begun to join: who is replaced hears from the group that it is, and not only that its producer is.
        let transactions = Transactions::begin_with(&shared.options, news, &shared.clock, &name);
        let added = transactions.and_then(|transactions| {
            clients.open.lock().as_mut().expect("nobody has let it go").transactions = Some(transactions);
            shared.add_member(&clients)
        });
        let id = added.inspect_err(|_| clients.end())?;
        Ok(Self {
            shared: Arc::clone(shared),
            spec,
            name,
            id,
            partition_counts,
            clients,
            arriving: Vec::new(),
            owned: Vec::new(),
            tables: BTreeMap::new(),
            revoking: Vec::new(),
            must_rewind: false,
            refusal: None,
            missing: Vec::new(),
            unowned: Unowned::default(),
            gave_up_in: None,
            look_at: shared.clock.monotonic() + LOOK_EVERY,
            member_id: None,
            over: None,
            taken: Taken::default(),
            runs,
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
        if now >= self.look_at {
            self.look_at = now + LOOK_EVERY;
            self.look_for_topics();
            if native::member::member_id(&open.consumer).is_none() {
                let servers = self.shared.options.properties.servers().unwrap_or_default();
                native::brokers::find_again(&open.consumer, servers);
            }
        }
        match client::fatal_error(open.consumer.client()) {
            None => Ok(()),
            Some(fault) if fault.code == RDKafkaErrorCode::FencedInstanceId => Err(self.fenced()),
            Some(fault) => {
                self.over = Some(Over::Unknown);
                Err(fault::unknown("the member is over", fault))
            }
        }
    }

    /// It was put out by one of its name.
    fn fenced(&mut self) -> Error {
        let within = self.shared.options.session_timeout * 3;
        if self.shared.cluster.fencing.is_excused(&self.name, self.shared.clock.monotonic(), within) {
            self.over = Some(Over::Unknown);
            return Error::new(
                ErrorKind::Unknown,
                "one of this name has joined, which may have been this process: join again",
            );
        }
        self.over = Some(Over::Replaced);
        self.replaced()
    }

    fn replaced(&self) -> Error {
        let MemberSpec { instance, worker, .. } = &self.spec;
        let text = format!("another member has joined under this one's name: instance={instance} worker={worker}");
        Error::new(ErrorKind::Fenced, text)
    }

    /// With a farewell when the group is to share out: static members end without.
    fn end_clients(&self, leaves: bool) {
        if let Some(open) = self.clients.open.lock().as_mut() {
            open.leaves = leaves;
        }
        self.clients.end();
        if leaves {
            self.let_go_tables(self.shares());
        }
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
            Some(Over::Replaced) => Err(self.replaced()),
            Some(Over::Unknown | Over::Left) => {
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

impl Member for KafkaMember {
    fn poll(&mut self, max_wait: Duration, max_bytes: usize) -> Result<Poll> {
        let deadline = self.shared.clock.monotonic().saturating_add(max_wait);
        loop {
            self.check_going_on()?;
            let happened = self.look(max_bytes)?;
            self.look_for_unowned()?;
            if let Some(poll) = happened {
                return Ok(poll);
            }
            let left = deadline.saturating_sub(self.shared.clock.monotonic());
            if left.is_zero() {
                self.keep_offsets()?;
                return match self.why_stuck() {
                    Some(error) if self.owned.is_empty() || error.kind() == ErrorKind::Invalid => Err(error),
                    _ => Ok(Poll::Idle),
                };
            }
            let is_busy = !self.arriving.is_empty();
            self.clients.wakeup.wait(left.min(if is_busy { LOOK_SOON } else { LOOK_AGAIN_AFTER }));
        }
    }

    fn pause(&mut self, partition: &TopicPartition) -> Result<()> {
        self.set_paused(partition, true)
    }

    fn resume(&mut self, partition: &TopicPartition) -> Result<()> {
        self.set_paused(partition, false)
    }

    fn stuck(&self) -> Option<Error> {
        self.why_stuck().or_else(|| self.unowned_for_long())
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
        self.end_clients(self.gave_up_in.is_some());
        Ok(())
    }
}

impl Drop for KafkaMember {
    /// The rows stay, and may be read: whether others own them by now is not known yet.
    fn drop(&mut self) {
        for owned in &self.owned {
            self.shared.progress.leave(&self.spec.group, &owned.at);
        }
        self.end_clients(self.gave_up_in.is_some());
        self.shared.remove_member(self.id);
        if self.over == Some(Over::Unknown) {
            self.shared.cluster.fencing.trouble(self.shared.clock.monotonic());
        }
    }
}

/// Where an owned partition begins, as the member is told.
fn assignment(at: &TopicPartition, position: Offset) -> Assignment {
    Assignment { partition: at.clone(), position }
}
