//! What there is in the cluster: topics and their ends, groups.

pub(crate) mod changelogs;
pub(crate) mod groups;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use linecook_log::{Clock, Error, ErrorKind, Offset, Partition, Result, TopicName, TopicPartition};
use parking_lot::{Mutex, RwLock};
use rdkafka::error::RDKafkaErrorCode;

use crate::{
    Options, client,
    client::{Consumer, News},
    fault,
    fencing::Fencing,
    native::{
        Fault,
        admin::{self, End, FoundTopic, Isolation},
        brokers,
    },
};

/// How long an answer may take.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long to wait before asking again for what will be known soon.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(10);
/// While it is known that no broker answers: long enough to find out that one is back. Requests other than a ping get more
/// in any case, since one that is given up on its way takes its connection with it, and all others that are on it.
const SILENT_WITHIN: Duration = Duration::from_millis(500);

/// A client that asks, and what it knows by now.
pub(crate) struct Cluster {
    client: RwLock<Arc<Consumer>>,
    pub(crate) news: Arc<News>,
    pub(crate) fencing: Fencing,
    clock: Arc<dyn Clock>,
    options: Options,
    counts: RwLock<HashMap<TopicName, Count>>,
    /// When all topics were asked for last.
    asked_for_topics_at: Mutex<Duration>,
}

impl Cluster {
    pub(crate) fn new(options: &Options, clock: &Arc<dyn Clock>) -> Result<Self> {
        let news = Arc::<News>::default();
        let client = RwLock::new(Arc::new(client::asking(options, &news)?));
        Ok(Self {
            client,
            news,
            fencing: Fencing::default(),
            clock: Arc::clone(clock),
            options: options.clone(),
            counts: RwLock::default(),
            asked_for_topics_at: Mutex::default(),
        })
    }

    /// The brokers have not answered.
    pub(crate) fn not_answered(&self) {
        self.news.not_answered();
        self.fencing.silence(self.clock.monotonic());
    }

    /// How long an answer may take now.
    fn patience(&self) -> Duration {
        let now = self.clock.monotonic();
        self.news.deadline(now + ANSWER_WITHIN).saturating_sub(now)
    }

    /// That it is worth asking.
    fn check_answering(&self) -> Result<()> {
        if self.news.is_silent() { self.ping(SILENT_WITHIN) } else { Ok(()) }
    }

    fn client(&self) -> Arc<Consumer> {
        Arc::clone(&self.client.read())
    }

    /// Lets the client tell why no broker answers, if that is so.
    pub(crate) fn hear(&self) {
        // A poll that has served an event that is no error says the same as one that had nothing to serve.
        let (client, mut nothing_count) = (self.client(), 0);
        while nothing_count < 8 {
            nothing_count = if client.poll(Duration::ZERO).is_some() { 0 } else { nothing_count + 1 };
        }
    }

    pub(crate) fn error(&self, what: impl Into<String>, fault: Fault) -> Error {
        self.hear();
        fault::error(what, client::reason(fault, &self.news))
    }

    /// That a broker answers.
    ///
    /// # Errors
    /// `Unavailable`; `Invalid` when the cluster does not let us in.
    pub(crate) fn ping(&self, within: Duration) -> Result<()> {
        let client = self.client();
        admin::ping(&client, within).map_err(|fault| {
            brokers::find_again(&client, self.options.properties.servers().unwrap_or_default());
            self.error("no broker answers", fault)
        })?;
        if self.news.is_silent() {
            // What it knows of coordinators is from before, and may lead nowhere.
            *self.client.write() = Arc::new(client::asking(&self.options, &self.news)?);
        }
        self.news.answered();
        Ok(())
    }

    /// All topics that may be seen.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(crate) fn topics(&self) -> Result<Vec<FoundTopic>> {
        self.check_answering()?;
        let found = admin::topics(&self.client(), self.patience());
        let mut found = found.map_err(|fault| self.error("the topics of the cluster cannot be listed", fault))?;
        found.sort_by(|one, other| one.name.cmp(&other.name));
        self.news.answered();
        let mut counts = self.counts.write();
        counts.values_mut().for_each(|count| count.now = None);
        for topic in &found {
            let count = counts.entry(topic.name.clone()).or_default();
            *count = Count { now: Some(topic.partition_count), most: count.most.max(topic.partition_count) };
        }
        *self.asked_for_topics_at.lock() = self.clock.monotonic();
        Ok(found)
    }

    /// Which of these topics are not there, or may not be seen. What is known is `max_age` old at most, where it says that
    /// all are there.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(crate) fn missing<'a>(
        &self,
        topics: impl Iterator<Item = &'a TopicName> + Clone,
        max_age: Duration,
    ) -> Result<Vec<TopicName>> {
        let is_missing = |name: &&TopicName| self.known_count(name).is_none();
        let age = self.clock.monotonic().saturating_sub(*self.asked_for_topics_at.lock());
        if age <= max_age && topics.clone().find(is_missing).is_none() {
            return Ok(Vec::new());
        }
        self.topics()?;
        let mut missing: Vec<_> = topics.filter(is_missing).cloned().collect();
        missing.sort();
        missing.dedup();
        Ok(missing)
    }

    /// How many partitions a topic has.
    ///
    /// # Errors
    /// `Invalid`: there is no such topic. `Unavailable`, also of one that was there and is gone.
    pub(crate) fn partition_count(&self, topic: &TopicName) -> Result<u32> {
        if let Some(count) = self.known_count(topic) {
            return Ok(count);
        }
        self.topics()?;
        self.counts.read().get(topic).map_or_else(
            || Err(Error::invalid(format!("no such topic, or no right to see it: topic={topic}"))),
            |count| count.now.ok_or_else(|| fault::gone(ErrorKind::Unavailable, std::slice::from_ref(topic))),
        )
    }

    fn known_count(&self, topic: &TopicName) -> Option<u32> {
        self.counts.read().get(topic).and_then(|count| count.now)
    }

    /// That there is such a partition.
    ///
    /// # Errors
    /// As [`partition_count`](Self::partition_count).
    pub(crate) fn check_partition(&self, at: &TopicPartition) -> Result<()> {
        let count = self.partition_count(&at.topic)?;
        if at.partition.0 < count {
            return Ok(());
        }
        let most = self.counts.read().get(&at.topic).map_or(count, |count| count.most);
        // Who has made a topic anew with fewer has to mend that: it is no fault of what was meant for the others.
        let kind = if at.partition.0 < most { ErrorKind::Unavailable } else { ErrorKind::Invalid };
        Err(Error::new(kind, format!("no such partition: partition={at} partition_count={count} before={most}")))
    }

    /// All partitions of the topics.
    ///
    /// # Errors
    /// As [`partition_count`](Self::partition_count).
    pub(crate) fn partitions_of(&self, topics: &[TopicName]) -> Result<Vec<TopicPartition>> {
        let mut partitions = Vec::new();
        for topic in topics {
            let count = self.partition_count(topic)?;
            partitions.extend(Partition::all(count).map(|partition| TopicPartition::new(topic, partition)));
        }
        Ok(partitions)
    }

    /// Creates what is not there, with these settings, and waits until each partition has a leader.
    ///
    /// # Errors
    /// `Invalid`: another partition count; the cluster does not allow it. `Unavailable`.
    pub(crate) fn create_topics(&self, wanted: &[admin::NewTopic<'_>]) -> Result<()> {
        let found = self.topics()?;
        let mut missing: Vec<admin::NewTopic<'_>> = Vec::new();
        for topic in wanted {
            if topic.partition_count == 0 {
                return Err(Error::invalid(format!("a topic has at least one partition: topic={}", topic.name)));
            }
            match found.iter().find(|found| found.name == *topic.name) {
                Some(found) => check_count(found, topic.partition_count)?,
                None if missing.iter().any(|other| other.name == topic.name) => {}
                None => missing.push(admin::NewTopic { ..*topic }),
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let outcomes = admin::create_topics(&self.client(), &missing, self.patience())
            .map_err(|fault| self.error("topics cannot be created", fault))?;
        for (topic, outcome) in outcomes {
            match outcome {
                Err(fault) if fault.code != RDKafkaErrorCode::TopicAlreadyExists => {
                    return Err(fault::error(format!("a topic cannot be created: topic={topic}"), fault));
                }
                _ => {}
            }
        }
        self.wait_for(&missing)
    }

    /// Brokers hear of a new topic one after the other.
    fn wait_for(&self, created: &[admin::NewTopic<'_>]) -> Result<()> {
        let deadline = self.clock.monotonic() + self.patience();
        loop {
            let found = self.topics()?;
            let there = |topic: &admin::NewTopic<'_>| {
                found.iter().find(|found| found.name == *topic.name).filter(|found| found.is_led)
            };
            if let Some(found) = created.iter().map(there).collect::<Option<Vec<_>>>() {
                for (found, wanted) in found.iter().zip(created) {
                    // Somebody else may have been first.
                    check_count(found, wanted.partition_count)?;
                }
                warn_of_few_replicas(&found);
                return Ok(());
            }
            if self.clock.monotonic() >= deadline {
                let names: Vec<_> = created.iter().map(|topic| topic.name.as_str()).collect();
                let text = format!("topics were created, but have no leaders yet: topics={}", names.join(","));
                return Err(Error::new(ErrorKind::Unavailable, text));
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// Start or end of each of these partitions.
    ///
    /// # Errors
    /// `Invalid`: one is not there. `Unavailable`.
    pub(crate) fn offsets_at(
        &self,
        end: End,
        partitions: &[TopicPartition],
        isolation: Isolation,
    ) -> Result<BTreeMap<TopicPartition, Offset>> {
        self.check_answering()?;
        let what = "the ends of partitions cannot be asked for";
        let deadline = self.clock.monotonic() + self.patience();
        loop {
            let found = admin::offsets_at(&self.client(), end, partitions, isolation, self.patience());
            let found = found.map_err(|fault| self.error(what, fault))?;
            let faulty = found.iter().find_map(|(at, offset)| Some((at, *offset.as_ref().err()?)));
            let Some((at, code)) = faulty else {
                return Ok(found.into_iter().filter_map(|(at, offset)| Some((at, offset.ok()?))).collect());
            };
            // Leaders move, and a new topic is not known to everybody at once: the client asks who leads and comes back.
            if !fault::is_passing(code) || self.clock.monotonic() >= deadline {
                return Err(fault::error(format!("{what}: partition={at}"), Fault::of_code(code)));
            }
            std::thread::park_timeout(ASK_AGAIN_AFTER);
        }
    }

    /// The ids of topics.
    ///
    /// # Errors
    /// `Invalid`: one is not there. `Unavailable`.
    pub(crate) fn topic_ids(&self, topics: &[TopicName]) -> Result<BTreeMap<TopicName, String>> {
        if topics.is_empty() {
            return Ok(BTreeMap::new());
        }
        self.check_answering()?;
        let what = "topics cannot be described";
        let mut found =
            admin::topic_ids(&self.client(), topics, self.patience()).map_err(|fault| self.error(what, fault))?;
        let id_of = |topic: &TopicName| {
            let id = found.remove(topic).unwrap_or(Err(RDKafkaErrorCode::UnknownTopicOrPartition));
            let id = id.map_err(|code| fault::error(format!("{what}: topic={topic}"), Fault::of_code(code)))?;
            Ok((topic.clone(), id))
        };
        topics.iter().map(id_of).collect()
    }
}

/// How many partitions a topic has, which it keeps.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    /// None when it was there and is gone.
    now: Option<u32>,
    /// The most that it was ever seen with.
    most: u32,
}

fn check_count(found: &FoundTopic, wanted: u32) -> Result<()> {
    if found.partition_count == wanted {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "the topic exists with another number of partitions, which cannot be changed: topic={} partition_count={} \
         wanted={wanted}",
        found.name, found.partition_count
    )))
}

fn warn_of_few_replicas(created: &[&FoundTopic]) {
    let few: Vec<_> = created.iter().filter(|topic| topic.replica_count < 3).collect();
    let Some(replica_count) = few.iter().map(|topic| topic.replica_count).min() else { return };
    let topics = few.iter().map(|topic| topic.name.as_str()).collect::<Vec<_>>().join(",");
    tracing::warn!(
        topics,
        replica_count,
        "topics lie on fewer than 3 brokers: what is acknowledged may be lost with them"
    );
}
