//! The contract at its simplest: maps in memory behind one mutex. It is also what the simulator runs on.
//!
//! There are two copies of the data. *Current* is what members see: every change is made to it at once. *Durable* is
//! what the outside sees and a kill leaves: it gets the same changes in the same order, later. So a commit is atomic
//! because a change is made under the mutex, and a crash loses a suffix because it drops those still waiting.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Poll, Waker},
    thread,
    time::Duration,
};

use linecook_log::{
    Acknowledgement, Batch, Clock, Error, ErrorKind, GroupName, Log, Result, SystemClock, Ticket, conformance::Subject,
};
use parking_lot::{Condvar, Mutex};

mod calls;
mod data;
mod group;
mod member;
mod mishaps;

use self::{data::Data, group::Group};
use crate::{
    accidents::{Accidents, Call},
    defect::Defect,
};

/// A larger record is refused.
const MAX_RECORD_BYTES: usize = 4 << 20;

/// When a change becomes durable.
#[derive(Debug, Clone, Copy)]
pub enum Durability {
    /// At once.
    Immediate,
    /// With the next of the syncs that follow each other in this distance.
    Delayed(Duration),
    /// When who has the simulation in hand says so. Nothing waits for anything: time does not pass by itself either.
    ByHand,
}

/// The log as a subject of the conformance suite: the data, which outlives the log that is open on it.
#[derive(Debug)]
pub struct Model {
    shared: Arc<Shared>,
    patience: Duration,
}

impl Model {
    /// An empty one.
    pub fn new(durability: Durability, patience: Duration) -> Self {
        let world = World { clock: Arc::new(SystemClock::new()), accidents: None, defect: None };
        Self { shared: Shared::open(Data::default(), durability, world), patience }
    }
}

impl Subject for Model {
    fn open(&mut self) -> Arc<dyn Log> {
        self.kill();
        let data = self.shared.state.lock().durable.clone();
        self.shared = Shared::open(data, self.shared.durability, self.shared.world.clone());
        Arc::new(SimulatedLog::of(&self.shared))
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
    durability: Durability,
    /// Whether changes are durable at once, whatever `durability` says.
    is_prompt: AtomicBool,
    world: World,
}

/// What a log is in.
#[derive(Clone)]
struct World {
    clock: Arc<dyn Clock>,
    /// What befalls its calls.
    accidents: Option<Arc<Accidents>>,
    /// What is wrong with it.
    defect: Option<Defect>,
}

/// A log as one process has it open.
#[derive(Debug)]
pub struct SimulatedLog {
    shared: Arc<Shared>,
    process: Arc<Process>,
}

/// A process that has the log open. When it has died its calls come to nothing, and nobody hears of that.
#[derive(Debug, Default)]
pub struct Process {
    is_dead: AtomicBool,
}

impl Process {
    /// As `kill -9`.
    pub fn die(&self) {
        self.is_dead.store(true, Ordering::SeqCst);
    }

    /// Whether it is.
    pub fn is_dead(&self) -> bool {
        self.is_dead.load(Ordering::SeqCst)
    }
}

impl SimulatedLog {
    fn of(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), process: Arc::default() }
    }
}

/// What is stored, with all that may befall it: who has the simulation in hand.
pub(crate) struct Disk(Arc<Shared>);

impl Disk {
    pub(crate) fn new(clock: Arc<dyn Clock>, accidents: Arc<Accidents>, defect: Option<Defect>) -> Self {
        let world = World { clock, accidents: Some(accidents), defect };
        Self(Shared::open(Data::default(), Durability::ByHand, world))
    }

    /// The log, as a new process opens it.
    pub(crate) fn open(&self) -> (Arc<dyn Log>, Arc<Process>) {
        let log = SimulatedLog::of(&self.0);
        let process = Arc::clone(&log.process);
        (Arc::new(log), process)
    }

    /// Makes so many of the changes durable that are not, the oldest first. Returns how many are left.
    pub(crate) fn sync(&self, count: usize) -> usize {
        let mut state = self.0.state.lock();
        state.sync_some(count);
        state.waiting.len()
    }

    /// As a power cut: so many of the changes that are not durable have become so, all others are gone, and so is every
    /// process.
    pub(crate) fn lose_power(&mut self, survivors: usize) {
        let mut state = self.0.state.lock();
        state.sync_some(survivors);
        state.waiting.clear();
        let data = state.durable.clone();
        self.0.end(&mut state);
        drop(state);
        self.0 = Shared::open(data, Durability::ByHand, self.0.world.clone());
    }

    /// A group takes one of its members for silent, though it is not: its partitions go to others, and it hears so with its next
    /// poll. Returns whose it is.
    pub(crate) fn put_out(&self, choose: impl Fn(usize) -> usize) -> Option<GroupName> {
        let mut state = self.0.state.lock();
        let members: Vec<_> =
            state.groups.iter().flat_map(|(name, group)| group.members.keys().map(|id| (name.clone(), *id))).collect();
        let (name, id) = (!members.is_empty()).then(|| members[choose(members.len())].clone())?;
        state.groups.get_mut(&name)?.members.get_mut(&id)?.be_away();
        Some(name)
    }

    /// From here on everything is durable at once, or when it is synced.
    pub(crate) fn be_prompt(&self, is_prompt: bool) {
        if is_prompt {
            self.sync(usize::MAX);
        }
        self.0.is_prompt.store(is_prompt, Ordering::SeqCst);
    }

    pub(crate) fn waiting_count(&self) -> usize {
        self.0.state.lock().waiting.len()
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimulatedLog").field("durability", &self.durability).finish_non_exhaustive()
    }
}

impl Shared {
    fn open(data: Data, durability: Durability, world: World) -> Arc<Self> {
        let state = State { current: data.clone(), durable: data, ..State::default() };
        let shared = Self {
            state: Mutex::new(state),
            news: Condvar::new(),
            durability,
            is_prompt: AtomicBool::new(false),
            world,
        };
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
        if matches!(self.durability, Durability::Immediate) || self.is_prompt.load(Ordering::SeqCst) {
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
        self.sync_some(usize::MAX);
    }

    /// Makes the oldest of the changes that wait durable.
    fn sync_some(&mut self, count: usize) {
        let count = count.min(self.waiting.len());
        for change in self.waiting.drain(..count) {
            change(&mut self.durable);
        }
        self.durable_count = self.made_count - self.waiting.len() as u64;
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
        self.world.clock.monotonic()
    }

    /// What befalls this call of a process, if something does. It may be the end of that.
    fn accident(&self, call: Call, process: &Process) -> Result<()> {
        let Some(accidents) = &self.world.accidents else { return Ok(()) };
        if accidents.is_end() {
            process.die();
            return Err(Error::closed());
        }
        accidents.at(call)
    }

    fn has(&self, defect: Defect) -> bool {
        self.world.defect == Some(defect)
    }
}
