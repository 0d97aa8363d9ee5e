//! The contract at its simplest: maps in memory behind one mutex.
//!
//! There are two copies of the data. *Current* is what members see: every change is made to it at once. *Durable* is
//! what the outside sees and a kill leaves: it gets the same changes in the same order, later. So a commit is atomic
//! because a change is made under the mutex, and a crash loses a suffix because it drops those still waiting.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    task::{Poll, Waker},
    thread,
    time::Duration,
};

use bytes::Bytes;
use linecook_log::{
    Acknowledgement, Batch, Clock, Error, ErrorKind, GroupName, Log, Offset, Partition, Result, SystemClock, TableName,
    Ticket, TopicName, TopicPartition, conformance::Subject,
};
use parking_lot::{Condvar, Mutex};

mod group;
mod log;
mod member;

use group::Group;

/// A larger record is refused.
const MAX_RECORD_BYTES: usize = 4 << 20;

/// When a change becomes durable.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Durability {
    Immediate,
    /// With the next of the syncs that follow each other in this distance.
    Delayed(Duration),
}

/// The model as a subject: the data, which outlives the log that is open on it.
#[derive(Debug)]
pub(crate) struct Model {
    shared: Arc<Shared>,
    patience: Duration,
}

impl Model {
    pub(crate) fn new(durability: Durability, patience: Duration) -> Self {
        Self { shared: Shared::open(Data::default(), durability), patience }
    }
}

impl Subject for Model {
    fn open(&mut self) -> Arc<dyn Log> {
        self.kill();
        let data = self.shared.state.lock().durable.clone();
        self.shared = Shared::open(data, self.shared.durability);
        Arc::new(log::ModelLog(Arc::clone(&self.shared)))
    }

    fn kill(&mut self) {
        let mut state = self.shared.state.lock();
        state.waiting.clear();
        self.shared.end(&mut state);
    }

    fn max_silence(&self) -> Duration {
        Duration::from_millis(300)
    }

    fn oversize_bytes(&self) -> usize {
        MAX_RECORD_BYTES + 1
    }

    fn patience(&self) -> Duration {
        self.patience
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        self.kill();
    }
}

/// All that is stored.
#[derive(Clone, Default)]
struct Data {
    topics: BTreeMap<TopicName, Vec<Vec<Batch>>>,
    /// Every known group, with every partition that it reads.
    offsets: BTreeMap<GroupName, BTreeMap<TopicPartition, Offset>>,
    /// Where groups go on that were dropped.
    dropped: BTreeMap<GroupName, BTreeMap<TopicPartition, Offset>>,
    rows: BTreeMap<(GroupName, TableName, Partition, Bytes), Bytes>,
}

type Change = Box<dyn Fn(&mut Data) + Send>;

/// What the mutex guards.
#[derive(Default)]
struct State {
    current: Data,
    durable: Data,
    /// Made to `current`, not yet to `durable`.
    waiting: VecDeque<Change>,
    made_count: u64,
    durable_count: u64,
    groups: BTreeMap<GroupName, Group>,
    next_member: u64,
    wakers: Vec<Waker>,
    is_ended: bool,
}

struct Shared {
    state: Mutex<State>,
    /// Notified when there may be something new for a member.
    news: Condvar,
    clock: SystemClock,
    durability: Durability,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("durability", &self.durability).finish_non_exhaustive()
    }
}

impl Shared {
    fn open(data: Data, durability: Durability) -> Arc<Self> {
        let state = State { current: data.clone(), durable: data, ..State::default() };
        let shared = Self { state: Mutex::new(state), news: Condvar::new(), clock: SystemClock::new(), durability };
        let shared = Arc::new(shared);
        if let Durability::Delayed(delay) = durability {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.sync_until_ended(delay));
        }
        shared
    }

    fn sync_until_ended(&self, delay: Duration) {
        loop {
            // It stands for a disk, whose time nobody can shorten.
            thread::park_timeout(delay);
            let mut state = self.state.lock();
            if state.is_ended {
                return;
            }
            state.sync();
        }
    }

    /// Makes a change, and gives the ticket that is done when it is durable.
    fn make(self: &Arc<Self>, state: &mut State, change: impl Fn(&mut Data) + Send + 'static) -> Ticket {
        change(&mut state.current);
        state.waiting.push_back(Box::new(change));
        state.made_count += 1;
        if matches!(self.durability, Durability::Immediate) {
            state.sync();
        }
        self.news.notify_all();
        let number = state.made_count;
        self.ticket(move |state| state.durable_count >= number)
    }

    /// Makes a change that is durable when this returns, with all before it.
    fn make_durable(self: &Arc<Self>, state: &mut State, change: impl Fn(&mut Data) + Send + 'static) {
        let _done = self.make(state, change);
        state.sync();
    }

    fn ticket(self: &Arc<Self>, is_done: impl Fn(&State) -> bool + Send + Sync + 'static) -> Ticket {
        Ticket::new(Arc::new(Receipt { shared: Arc::clone(self), is_done: Box::new(is_done) }))
    }

    fn end(&self, state: &mut State) {
        state.is_ended = true;
        state.wakers.drain(..).for_each(Waker::wake);
        self.news.notify_all();
    }
}

impl State {
    fn sync(&mut self) {
        for change in self.waiting.drain(..) {
            change(&mut self.durable);
        }
        self.durable_count = self.made_count;
        self.wakers.drain(..).for_each(Waker::wake);
    }

    fn check_open(&self) -> Result<()> {
        if self.is_ended { Err(Error::closed()) } else { Ok(()) }
    }
}

struct Receipt {
    shared: Arc<Shared>,
    is_done: Box<dyn Fn(&State) -> bool + Send + Sync>,
}

impl Acknowledgement for Receipt {
    fn poll(&self, waker: &Waker) -> Poll<Result<()>> {
        let mut state = self.shared.state.lock();
        if (self.is_done)(&state) {
            return Poll::Ready(Ok(()));
        }
        if let Err(closed) = state.check_open() {
            return Poll::Ready(Err(closed));
        }
        state.wakers.push(waker.clone());
        Poll::Pending
    }
}

impl Data {
    fn partition_count(&self, topic: &TopicName) -> Result<u32> {
        let partitions = self.topics.get(topic);
        let partitions = partitions.ok_or_else(|| Error::invalid(format!("no such topic: topic={topic}")))?;
        Ok(u32::try_from(partitions.len()).expect("few partitions"))
    }

    fn batches(&self, at: &TopicPartition) -> Result<&Vec<Batch>> {
        let count = self.partition_count(&at.topic)?;
        self.topics[&at.topic].get(at.partition.0 as usize).ok_or_else(|| {
            let TopicPartition { topic, partition } = at;
            Error::invalid(format!("no such partition: topic={topic} partition={partition} partitions={count}"))
        })
    }

    fn end(&self, at: &TopicPartition) -> Result<Offset> {
        Ok(self.batches(at)?.last().map_or(Offset(0), Batch::end))
    }

    /// The first batches that reach behind `offset`, about `max_bytes` of them.
    fn batches_from(&self, from: &TopicPartition, offset: Offset, max_bytes: usize) -> Result<Vec<Batch>> {
        let batches = self.batches(from)?;
        let first = batches.partition_point(|batch| batch.end() <= offset);
        let mut left = max_bytes.max(1);
        let wanted = batches[first..].iter().take_while(|batch| {
            let is_wanted = left > 0;
            left = left.saturating_sub(batch.bytes().len());
            is_wanted
        });
        Ok(wanted.cloned().collect())
    }

    /// Appends what was checked before.
    fn append(&mut self, to: &TopicPartition, batch: &Batch) {
        let base = self.end(to).expect("outputs were checked");
        let partitions = self.topics.get_mut(&to.topic).expect("outputs were checked");
        partitions[to.partition.0 as usize].push(batch.clone().placed(base, batch.committed_at()));
    }

    /// Makes a group known, and all partitions of these topics with it.
    fn declare(&mut self, group: &GroupName, topics: &[TopicName]) {
        let dropped = self.dropped.remove(group).unwrap_or_default();
        let offsets = self.offsets.entry(group.clone()).or_default();
        for topic in topics {
            for partition in Partition::all(u32::try_from(self.topics[topic].len()).expect("few partitions")) {
                let at = TopicPartition::new(topic, partition);
                let first = dropped.get(&at).copied().unwrap_or_default();
                offsets.entry(at).or_insert(first);
            }
        }
    }

    fn offset(&self, group: &GroupName, from: &TopicPartition) -> Offset {
        self.offsets.get(group).and_then(|offsets| offsets.get(from)).copied().unwrap_or_default()
    }

    fn scan(&self, table: &(GroupName, TableName, Partition), scan: linecook_log::Scan<'_>) -> Vec<linecook_log::Row> {
        let (group, name, partition) = table;
        let rows = self.rows.iter().filter(|((g, t, p, _), _)| g == group && t == name && p == partition);
        rows.map(|((.., key), value)| (key.clone(), value.clone()))
            .filter(|(key, _)| key.starts_with(scan.prefix) && scan.after.is_none_or(|after| key[..] > *after))
            .take(scan.limit)
            .collect()
    }
}

fn check_size(batch: &Batch) -> Result<()> {
    let sizes = batch.records().map(|record| record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len));
    match sizes.max().filter(|size| *size > MAX_RECORD_BYTES) {
        Some(size) => {
            let text = format!("a record larger than the log takes: bytes={size} max_record_bytes={MAX_RECORD_BYTES}");
            Err(Error::new(ErrorKind::Invalid, text))
        }
        None => Ok(()),
    }
}

impl Shared {
    fn now(&self) -> Duration {
        self.clock.monotonic()
    }
}
