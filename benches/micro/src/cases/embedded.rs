//! The embedded log, without what linecook does on it.
//!
//! What its own threads do is not counted: they sync and keep rows. It is timed as far as it is waited for.

use std::{sync::Arc, time::Duration};

use linecook_embedded::{EmbeddedLog, Options};
use linecook_log::{
    BatchBuilder, Commit, Fetch, GroupName, GroupSpec, InputSpec, InstanceName, Log, Member, MemberSpec, NewRecord,
    Output, Partition, Poll, SystemClock, TopicName, TopicPartition, TopicSpec,
};
use tempfile::TempDir;

use super::batches::{KeyAndValue, builder, origin, pizzas};
use crate::Work;

const RECORDS_OF_AN_APPEND: usize = 100;
/// As a worker polls.
pub(super) const POLL_BYTES: usize = 256 << 10;

/// How long the disk may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A log in a folder that goes with it.
pub(super) struct TemporaryLog {
    pub(super) log: Arc<EmbeddedLog>,
    _folder: TempDir,
}

impl TemporaryLog {
    /// A new one, in which all that is written stays in memory as well: what is measured reads no file.
    pub(super) fn with_topics(topics: &[&TopicName]) -> Self {
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        let mut options = Options::default();
        options.hot_bytes = 1 << 30;
        let log = EmbeddedLog::open(&folder.path().join("log"), options, Arc::new(SystemClock::default()))
            .expect("a new log");
        let spec = |topic: &&TopicName| TopicSpec { name: (*topic).clone(), partition_count: 1 };
        log.create_topics(&topics.iter().map(spec).collect::<Vec<_>>()).expect("new topics");
        Self { log: Arc::new(log), _folder: folder }
    }

    /// Puts pizzas into a topic, and waits until they are durable.
    pub(super) fn fill(&self, topic: &TopicName, pizzas: &[KeyAndValue]) {
        let at = TopicPartition::new(topic, Partition(0));
        let tickets: Vec<_> = pizzas
            .chunks(RECORDS_OF_AN_APPEND)
            .map(|some| self.log.append(&at, builder(some)).expect("there is room"))
            .collect();
        let clock = SystemClock::default();
        tickets.into_iter().for_each(|ticket| ticket.wait(PATIENCE, &clock).expect("they are stored"));
    }

    /// A member that reads the one partition of a topic. It has been told so.
    pub(super) fn member(&self, topic: &TopicName) -> Box<dyn Member> {
        let group = GroupName::new("micro").expect("a name");
        let spec = GroupSpec { name: group.clone(), topics: vec![topic.clone()] };
        self.log.declare_groups(&[spec]).expect("a new group");
        let mut member = self
            .log
            .join(MemberSpec {
                group,
                instance: InstanceName::new("micro").expect("a name"),
                worker: 0,
                inputs: vec![InputSpec { topics: vec![topic.clone()], tables: Vec::new() }],
                max_silence: Duration::from_secs(60),
            })
            .expect("a place in the group");
        while !matches!(member.poll(Duration::from_secs(10), POLL_BYTES), Ok(Poll::Assigned(_))) {}
        member
    }
}

pub(super) fn topic(name: &str) -> TopicName {
    TopicName::new(name).expect("a name")
}

/// From a client's hands to its acknowledgement.
pub(super) fn append(records: u32) -> Work {
    let all = pizzas(records);
    let to = topic("pizza");
    let log = TemporaryLog::with_topics(&[&to]);
    Box::new(move || {
        log.fill(&to, &all);
        Box::new((log, all))
    })
}

/// Polls what is there until so many records have come. Each poll is handled at once.
pub(super) fn drain(member: &mut dyn Member, records: u32, mut handle: impl FnMut(&mut dyn Member, &[Fetch])) {
    let mut left = u64::from(records);
    while left > 0 {
        let Ok(Poll::Records(fetches)) = member.poll(Duration::from_secs(10), POLL_BYTES) else {
            panic!("records that are there are polled");
        };
        handle(member, &fetches);
        left -= fetches.iter().map(|fetch| fetch.next.0 - fetch.position.0).sum::<u64>();
    }
}

/// A batch with room for what was polled.
pub(super) fn batch_for(fetches: &[Fetch]) -> BatchBuilder {
    BatchBuilder::new(&origin(), fetches.iter().map(|fetch| fetch.batch.bytes().len()).sum())
}

/// One atomic step: what was made of a poll, and that it was consumed.
pub(super) fn commit(member: &mut dyn Member, fetches: &[Fetch], to: &TopicPartition, batch: BatchBuilder) {
    let outputs = vec![Output { to: to.clone(), batch }];
    let offsets = fetches.last().map(|fetch| (fetch.from.clone(), fetch.next)).into_iter().collect();
    // Nobody waits until it is durable, as in a worker.
    let _ticket = member.commit(Commit { outputs, rows: Vec::new(), offsets }).expect("it is the owner");
}

/// Each record goes on as it is.
pub(super) fn copy(records: u32) -> Work {
    let (from, to) = (topic("pizza"), topic("copy"));
    let log = TemporaryLog::with_topics(&[&from, &to]);
    log.fill(&from, &pizzas(records));
    let mut member = log.member(&from);
    let to = TopicPartition::new(&to, Partition(0));
    Box::new(move || {
        drain(&mut *member, records, |member, fetches| {
            let mut batch = batch_for(fetches);
            for record in fetches.iter().flat_map(|fetch| fetch.batch.records_from(fetch.position)) {
                let (key, value, timestamp) = (record.key, record.value, record.timestamp);
                batch.push(&NewRecord { key, value, timestamp, headers: &[] }).expect("no headers");
            }
            commit(member, fetches, &to, batch);
        });
        Box::new((member, log))
    })
}
