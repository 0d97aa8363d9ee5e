//! What workers measure.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use linecook_log::{ErrorKind, Partition, TableName, TopicPartition};
use parking_lot::Mutex;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

use crate::{
    Service,
    counter::Counted,
    service::{Input, Misplaced},
    worker::{Done, WaitingCounts},
};

type Labels = Vec<(&'static str, String)>;
type Seconds = Gauge<f64, AtomicU64>;

/// The metrics of all workers of a process. What a worker counts, it counts when its commit is made.
///
/// ```
/// use linecook::Metrics;
/// use prometheus_client::registry::Registry;
///
/// let mut registry = Registry::default();
/// let metrics = Metrics::new(&mut registry);
/// ```
#[derive(Debug, Clone)]
pub struct Metrics {
    records: Family<Labels, Counter>,
    dead_letters: Family<Labels, Counter>,
    retries: Family<Labels, Counter>,
    waiting: Family<Labels, Gauge>,
    parked_keys: Family<Labels, Gauge>,
    moved: Family<Labels, Counter>,
    commits: Family<Labels, Counter>,
    commit_seconds: Family<Labels, Histogram, fn() -> Histogram>,
    errors: Family<Labels, Counter>,
    lag_seconds: Family<Labels, Seconds>,
    counted: Arc<CountedByHandlers>,
    /// Which worker of the process owns what, by service.
    owners: Arc<Mutex<BTreeMap<(String, TopicPartition), u32>>>,
}

impl Metrics {
    /// Metrics that `registry` tells, each with its service as a label.
    pub fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            records: Family::default(),
            dead_letters: Family::default(),
            retries: Family::default(),
            waiting: Family::default(),
            parked_keys: Family::default(),
            moved: Family::default(),
            commits: Family::default(),
            commit_seconds: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.000_05, 2.0, 16))),
            errors: Family::default(),
            lag_seconds: Family::default(),
            counted: Arc::default(),
            owners: Arc::default(),
        };
        let Self { records, dead_letters, retries, waiting, parked_keys, moved, .. } = metrics.clone();
        let Self { commits, commit_seconds, errors, lag_seconds, counted, .. } = metrics.clone();
        registry.register("linecook_records", "Records handled, by stage or table and partition", records);
        registry.register(
            "linecook_dead_letters",
            "Records that failed, by stage or table and partition",
            dead_letters,
        );
        registry.register(
            "linecook_retries",
            "Records put off to be tried again, by stage or table and partition",
            retries,
        );
        registry.register(
            "linecook_waiting_records",
            "Records that wait, to be tried again, for a redrive, or behind one that does, by the table that keeps them and \
             partition",
            waiting,
        );
        registry.register(
            "linecook_parked_keys",
            "Keys whose first record failed and that wait for a redrive, by the table that keeps them and partition",
            parked_keys,
        );
        registry.register("linecook_records_moved", "Records moved into the partition of their key, by topic", moved);
        registry.register("linecook_commits", "Commits made", commits);
        registry.register("linecook_commit_seconds", "Time that the log took for a commit", commit_seconds);
        registry.register("linecook_errors", "Calls to the log that failed, by kind", errors);
        registry.register("linecook_lag_seconds", "Age of the records taken last, 0 when none wait", lag_seconds);
        registry.register_collector(Box::new(counted));
        metrics
    }

    /// Those of a worker of that service, looked up once.
    pub(crate) fn of_worker(&self, service: &Service, worker: u32) -> WorkerMetrics {
        let name = service.name().to_string();
        let of_service = vec![("service", name.clone())];
        let moved = |input: &Input| {
            let labels = || vec![("service", name.clone()), ("topic", input.topic.to_string())];
            matches!(input.misplaced, Misplaced::Move(_)).then(|| self.moved.get_or_create_owned(&labels()))
        };
        WorkerMetrics {
            moved: service.inputs().iter().map(moved).collect(),
            steps: service.steps().iter().map(|step| step.name.clone()).collect(),
            of_partitions: Vec::new(),
            commits: self.commits.get_or_create_owned(&of_service),
            commit_seconds: self.commit_seconds.get_or_create_owned(&of_service),
            lags: Vec::new(),
            service: name,
            worker,
            all: self.clone(),
        }
    }
}

/// The metrics of a worker.
#[derive(Debug)]
pub(crate) struct WorkerMetrics {
    service: String,
    worker: u32,
    all: Metrics,
    /// The names of the service's steps, in their order.
    steps: Vec<String>,
    /// For each partition that records came from, a pair of counters for each step.
    of_partitions: Vec<(Partition, Vec<StepCounters>)>,
    /// Of each input whose records are moved.
    moved: Vec<Option<Counter>>,
    commits: Counter,
    commit_seconds: Histogram,
    lags: Vec<(TopicPartition, Seconds)>,
}

#[derive(Debug)]
struct StepCounters {
    records: Counter,
    dead_letters: Counter,
    retries: Counter,
}

impl WorkerMetrics {
    pub(crate) fn committed(&mut self, done: &Done, counted: &[Counted], took: Duration) {
        for (partition, of_steps) in done.by_partition() {
            for (counters, step) in self.counters(partition).iter().zip(of_steps) {
                counters.records.inc_by(step.records);
                counters.dead_letters.inc_by(step.dead_letters);
                counters.retries.inc_by(step.put_off);
            }
        }
        for (counter, count) in self.moved.iter().zip(done.moved()).filter(|(_, count)| **count > 0) {
            if let Some(counter) = counter {
                counter.inc_by(*count);
            }
        }
        if !counted.is_empty() {
            self.all.counted.add(&self.service, counted);
        }
        self.commits.inc();
        self.commit_seconds.observe(took.as_secs_f64());
    }

    /// Those of a partition, for each step. The first record of a partition makes them, be they 0.
    fn counters(&mut self, partition: Partition) -> &[StepCounters] {
        let known = self.of_partitions.iter().position(|(of, _)| *of == partition);
        let index = known.unwrap_or_else(|| {
            let of_step = |step: &String| {
                let labels = stage_labels(&self.service, step, partition);
                StepCounters {
                    records: self.all.records.get_or_create_owned(&labels),
                    dead_letters: self.all.dead_letters.get_or_create_owned(&labels),
                    retries: self.all.retries.get_or_create_owned(&labels),
                }
            };
            self.of_partitions.push((partition, self.steps.iter().map(of_step).collect()));
            self.of_partitions.len() - 1
        });
        &self.of_partitions[index].1
    }

    pub(crate) fn failed(&self, kind: ErrorKind) {
        let kind = format!("{kind:?}").to_lowercase();
        self.all.errors.get_or_create(&vec![("service", self.service.clone()), ("kind", kind)]).inc();
    }

    /// The newest record taken from there was committed that long ago.
    pub(crate) fn lags(&mut self, from: &TopicPartition, age: Duration) {
        let known = self.lags.iter().position(|(of, _)| of == from);
        let index = known.unwrap_or_else(|| {
            let gauge = self.all.lag_seconds.get_or_create_owned(&place_labels(&self.service, from));
            self.lags.push((from.clone(), gauge));
            self.lags.len() - 1
        });
        self.lags[index].1.set(age.as_secs_f64());
    }

    /// Nothing came, so nothing waits where everything that came before is done.
    pub(crate) fn has_caught_up(&self, is_done: impl Fn(&TopicPartition) -> bool) {
        for (_, lag) in self.lags.iter().filter(|(of, _)| is_done(of)) {
            lag.set(0.0);
        }
    }

    /// So much waits there, kept in that table.
    pub(crate) fn waits(&mut self, table: &TableName, partition: Partition, waiting: WaitingCounts) {
        let WaitingCounts { records, parked_keys } = waiting;
        let labels = parked_labels(&self.service, table, partition);
        self.all.waiting.get_or_create(&labels).set(i64::try_from(records).unwrap_or(i64::MAX));
        self.all.parked_keys.get_or_create(&labels).set(i64::try_from(parked_keys).unwrap_or(i64::MAX));
    }

    /// These partitions are this worker's now.
    pub(crate) fn owns<'a>(&self, partitions: impl IntoIterator<Item = &'a TopicPartition>) {
        let mut owners = self.all.owners.lock();
        owners.extend(partitions.into_iter().map(|at| ((self.service.clone(), at.clone()), self.worker)));
    }

    /// These partitions are another worker's, and so are their lag and what waits there. When it is of this process, it may
    /// have said so already.
    pub(crate) fn gave_up(&mut self, partitions: &[TopicPartition], parked: &[(TableName, Partition)]) {
        let mut owners = self.all.owners.lock();
        let mut is_nobodys = |at: &&TopicPartition| {
            let key = (self.service.clone(), (*at).clone());
            let was_own = owners.get(&key) == Some(&self.worker);
            was_own && owners.remove(&key).is_some()
        };
        let nobodys: Vec<_> = partitions.iter().filter(|at| is_nobodys(at)).collect();
        let is_among = |partition: Partition| nobodys.iter().any(|at| at.partition == partition);
        for (table, partition) in parked.iter().filter(|(_, partition)| is_among(*partition)) {
            let labels = parked_labels(&self.service, table, *partition);
            self.all.waiting.remove(&labels);
            self.all.parked_keys.remove(&labels);
        }
        for (of, _) in
            self.lags.extract_if(.., |(of, _)| partitions.contains(of)).filter(|(of, _)| nobodys.contains(&of))
        {
            let labels = place_labels(&self.service, &of);
            self.all.lag_seconds.remove(&labels);
        }
    }
}

fn stage_labels(service: &str, stage: &str, partition: Partition) -> Labels {
    vec![("service", service.to_owned()), ("stage", stage.to_owned()), ("partition", partition.to_string())]
}

fn parked_labels(service: &str, table: &TableName, partition: Partition) -> Labels {
    vec![("service", service.to_owned()), ("table", table.to_string()), ("partition", partition.to_string())]
}

fn place_labels(service: &str, from: &TopicPartition) -> Labels {
    let TopicPartition { topic, partition } = from;
    vec![("service", service.to_owned()), ("topic", topic.to_string()), ("partition", partition.to_string())]
}

/// Service, then the value of the counter's own label.
type CountsByLabel = BTreeMap<(String, &'static str), u64>;

/// The counters of handlers: which there are is known only when they count.
#[derive(Default)]
struct CountedByHandlers(Mutex<BTreeMap<crate::Counter, CountsByLabel>>);

impl CountedByHandlers {
    fn add(&self, service: &str, counted: &[Counted]) {
        let mut all = self.0.lock();
        for Counted { counter, label_value, count } in counted {
            *all.entry(*counter).or_default().entry((service.to_owned(), label_value)).or_default() += count;
        }
    }
}

impl Collector for CountedByHandlers {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for (counter, counts) in &*self.0.lock() {
            // The encoder adds the suffix itself.
            let name = counter.name().trim_end_matches("_total");
            let kind = ConstCounter::new(0_u64).metric_type();
            let mut family = encoder.encode_descriptor(name, counter.help(), None, kind)?;
            for ((service, value), count) in counts {
                let labels = [("service", service.as_str()), (counter.label(), *value)];
                ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for CountedByHandlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CountedByHandlers")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Definition, Topic, testing::at};

    /// A worker that was silent for too long hears that it has lost its partitions after another of its process has taken
    /// them over: it took away what that one had said of them.
    #[test]
    fn what_the_next_owner_has_said_stays() {
        const WORDS: Topic<String, String> = Topic::new("words");
        const SHOUTED: Topic<String, String> = Topic::new("shouted");
        let build = |service: &mut Service| {
            service.stage(WORDS, SHOUTED, |word, _| Ok(word));
        };
        let service = Definition::new("test", 0, build).service(&mut Default::default()).unwrap();
        let mut registry = Registry::default();
        let metrics = Metrics::new(&mut registry);
        let [mut first, mut second] = [0, 1].map(|worker| metrics.of_worker(&service, worker));
        let (from, table) = (at("words/0"), TableName::new("words.shouted.parked").unwrap());
        for worker in [&mut first, &mut second] {
            worker.owns([&from]);
            worker.lags(&from, Duration::from_secs(1));
            worker.waits(&table, Partition(0), WaitingCounts { records: 3, parked_keys: 1 });
        }
        let gauges = || {
            let mut page = String::new();
            prometheus_client::encoding::text::encode(&mut page, &registry).unwrap();
            page.lines().filter(|line| line.contains("partition=\"0\"")).count()
        };
        let give_up = |worker: &mut WorkerMetrics| {
            worker.gave_up(std::slice::from_ref(&from), &[(table.clone(), Partition(0))]);
            gauges()
        };
        assert_eq!((give_up(&mut first), give_up(&mut second)), (3, 0));
    }
}
