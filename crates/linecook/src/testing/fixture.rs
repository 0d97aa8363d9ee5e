//! A worker of a service on a scripted log.

use std::sync::Arc;

use linecook_log::{Assignment, Clock, Fetch, InstanceName, Log, Offset, Partition, Poll, TopicName, TopicPartition};
use parking_lot::MutexGuard;
use prometheus_client::registry::Registry;

use super::{HandClock, Made, ScriptedLog, batch_of, script::Script};
use crate::{Definition, Limits, Metrics, Seat, Service, Step, Topology, Worker};

/// See the module.
pub(crate) struct Fixture {
    pub(crate) log: ScriptedLog,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) worker: Worker,
    registry: Registry,
}

/// `topic/partition` as what it is.
pub(crate) fn at(text: &str) -> TopicPartition {
    let (topic, partition) = text.split_once('/').unwrap();
    TopicPartition::new(&TopicName::new(topic).unwrap(), Partition(partition.parse().unwrap()))
}

/// Records that begin at `base`, none of which is consumed.
pub(crate) fn fetch(from: &str, base: u64, records: &[(&str, &str)]) -> Fetch {
    Fetch::new(at(from), Offset(base), batch_of(Offset(base), records))
}

impl Fixture {
    /// A worker of the service `test` that has joined; its topics have two partitions each.
    pub(crate) fn new(build: fn(&mut Service)) -> Self {
        Self::with_limits(build, Limits::default())
    }

    pub(crate) fn with_limits(build: fn(&mut Service), limits: Limits) -> Self {
        let mut fixture = Self::not_joined(build, limits);
        assert_eq!(fixture.step(), Step::Moved);
        fixture
    }

    pub(crate) fn not_joined(build: fn(&mut Service), limits: Limits) -> Self {
        let service = Definition::new("test", 0, build).service(&mut Default::default()).unwrap();
        let topology = Topology::of([&service]).unwrap();
        let names: Vec<_> = topology.topics().map(|(name, _)| name.as_str()).collect();
        let log = ScriptedLog::with_topics(&names);
        Self::not_joined_on(log, Arc::new(HandClock::default()), build, limits)
    }

    /// Another process on the log of one before it.
    pub(crate) fn on(log: ScriptedLog, clock: Arc<HandClock>, build: fn(&mut Service), limits: Limits) -> Self {
        let mut fixture = Self::not_joined_on(log, clock, build, limits);
        assert_eq!(fixture.step(), Step::Moved);
        fixture
    }

    fn not_joined_on(log: ScriptedLog, clock: Arc<HandClock>, build: fn(&mut Service), limits: Limits) -> Self {
        let service = Definition::new("test", 0, build).service(&mut Default::default()).unwrap();
        let mut registry = Registry::default();
        let metrics = Metrics::new(&mut registry);
        let seat = Seat {
            instance: InstanceName::new("test-1").unwrap(),
            worker: 0,
            max_silence: std::time::Duration::from_secs(60),
        };
        let as_log: Arc<dyn Log> = Arc::new(log.clone());
        let as_clock: Arc<dyn Clock> = Arc::clone(&clock) as _;
        let worker = Worker::new(Arc::new(service), as_log, as_clock, seat, &metrics).with_limits(limits);
        Self { log, clock, worker, registry }
    }

    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.log.0.lock()
    }

    /// The next poll says that.
    pub(crate) fn will_poll(&self, poll: Poll) {
        self.script().polls.push_back(Ok(poll));
    }

    /// Partitions are assigned.
    pub(crate) fn assign(&mut self, partitions: &[&str]) {
        self.assign_from(partitions, 0);
    }

    /// Partitions are assigned from that offset on.
    pub(crate) fn assign_from(&mut self, partitions: &[&str], position: u64) {
        let assignment = |text: &&str| Assignment { partition: at(text), position: Offset(position) };
        self.will_poll(Poll::Assigned(partitions.iter().map(assignment).collect()));
        assert_eq!(self.step(), Step::Moved);
    }

    /// The next poll brings these.
    pub(crate) fn will_fetch(&self, fetches: impl IntoIterator<Item = Fetch>) {
        self.will_poll(Poll::Records(fetches.into_iter().collect()));
    }

    /// A poll brings these, and what came of them is committed.
    pub(crate) fn handle(&mut self, fetches: impl IntoIterator<Item = Fetch>) -> Made {
        self.will_fetch(fetches);
        let step = self.step();
        assert!(matches!(step, Step::Committed { .. }), "{step:?}");
        self.last_made()
    }

    pub(crate) fn last_made(&self) -> Made {
        self.script().made.pop().unwrap()
    }

    pub(crate) fn step(&mut self) -> Step {
        self.worker.step().unwrap()
    }

    /// The metrics page.
    pub(crate) fn metrics(&self) -> String {
        let mut page = String::new();
        prometheus_client::encoding::text::encode(&mut page, &self.registry).unwrap();
        page
    }
}
