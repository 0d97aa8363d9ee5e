//! The contract on a cluster.

use std::{collections::BTreeMap, fmt, sync::Arc, thread, time::Duration};

use linecook_log::{
    Batch, BatchBuilder, Clock, Error, ErrorKind, GroupDescription, GroupName, GroupSpec, InputSpec, Log, Member,
    MemberSpec, Offset, Partition, PartitionDescription, Result, Row, Rows, Scan, Status, TableName, Ticket,
    TopicDescription, TopicName, TopicPartition, TopicSpec,
};

use crate::{
    Options,
    client::News,
    cluster,
    member::KafkaMember,
    native::admin::{self, FoundTopic, Isolation},
    rows::{self, KafkaRows},
    shared::{End, Shared, dropped_name, is_dropped_name},
    tables,
};

/// How long opening waits for a broker to answer before it goes on without. That nobody is there is known much earlier.
const REACHED_WITHIN: Duration = Duration::from_secs(3);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// The log on a Kafka cluster.
///
/// ```no_run
/// use std::sync::Arc;
///
/// use linecook_kafka::{KafkaLog, Options, Properties};
/// use linecook_log::{InstanceName, Log, Result, SystemClock};
///
/// fn open() -> Result<Arc<dyn Log>> {
///     let properties = Properties::of_servers("127.0.0.1:9092");
///     let options = Options::new(properties, InstanceName::new("kitchen-1")?, "kitchen-data/kitchen-1".into());
///     Ok(Arc::new(KafkaLog::open(options, Arc::new(SystemClock::new()))?))
/// }
/// ```
pub struct KafkaLog {
    shared: Arc<Shared>,
}

impl KafkaLog {
    /// Opens the log. A cluster that cannot be reached is no error: calls end with `Unavailable` until it is there.
    ///
    /// # Errors
    /// `Invalid`: librdkafka does not take the properties, or the cluster does not let us in.
    pub fn open(options: Options, clock: Arc<dyn Clock>) -> Result<Self> {
        let shared = Arc::new(Shared::new(options, clock)?);
        let cluster = &shared.cluster;
        if let Err(error) = reach(&cluster.news, &*shared.clock, || cluster.ping(LOOK_AGAIN_AFTER)) {
            shared.end(End::Sudden);
            return Err(error);
        }
        Ok(Self { shared })
    }

    /// Ends it as the death of its process would: nothing is finished, nobody is told. For tests of what is left then.
    pub fn abandon(&self) {
        self.shared.end(End::Sudden);
    }

    fn describe_where(&self, is_wanted: impl Fn(&TopicName) -> bool) -> Result<Vec<TopicDescription>> {
        self.shared.check_open()?;
        let cluster = &self.shared.cluster;
        let mut topics = cluster.topics()?;
        topics.retain(|topic| is_wanted(&topic.name));
        let all = topics.iter().flat_map(|topic| {
            Partition::all(topic.partition_count).map(|partition| TopicPartition::new(&topic.name, partition))
        });
        let all: Vec<_> = all.collect();
        let starts = cluster.offsets_at(admin::End::Start, &all, Isolation::Committed)?;
        let ends = cluster.offsets_at(admin::End::End, &all, Isolation::Committed)?;
        let partition = |at: TopicPartition| PartitionDescription {
            start: starts.get(&at).copied().unwrap_or_default(),
            end: ends.get(&at).copied().unwrap_or_default(),
        };
        let described = topics.into_iter().map(|topic| TopicDescription {
            partitions: Partition::all(topic.partition_count)
                .map(|it| partition(TopicPartition::new(&topic.name, it)))
                .collect(),
            name: topic.name,
        });
        Ok(described.collect())
    }

    fn groups_where(&self, is_wanted: impl Fn(&GroupName) -> bool) -> Result<Vec<GroupDescription>> {
        self.shared.check_open()?;
        let describe = |(name, has_members)| {
            let offsets = self.shared.cluster.committed_offsets(&name)?;
            Ok(GroupDescription { name, has_members, offsets: offsets.into_iter().collect() })
        };
        self.known_groups(is_wanted)?.into_iter().map(describe).collect()
    }

    /// Which there are of those that are wanted, and whether each has members.
    fn known_groups(&self, is_wanted: impl Fn(&GroupName) -> bool) -> Result<BTreeMap<GroupName, bool>> {
        self.shared.cluster.groups(|name| !is_dropped_name(name) && is_wanted(name))
    }

    /// That a group may be moved or dropped.
    fn check_idle(&self, group: &GroupName) -> Result<()> {
        match self.known_groups(|name| name == group)?.get(group) {
            None => Err(cluster::groups::no_such_group(group)),
            Some(true) => Err(cluster::groups::has_members(group)),
            Some(false) => Ok(()),
        }
    }

    fn declare_group(&self, spec: &GroupSpec) -> Result<()> {
        let cluster = &self.shared.cluster;
        let partitions = cluster.partitions_of(&spec.topics)?;
        let committed = cluster.committed_offsets(&spec.name)?;
        let new: Vec<_> = partitions.into_iter().filter(|at| !committed.contains_key(at)).collect();
        if new.is_empty() || cluster.has_members(&spec.name)? {
            return Ok(()); // who is there sets what is new itself
        }
        let starts = cluster.offsets_at(admin::End::Start, &new, Isolation::All)?;
        let offsets: Vec<_> = self.shared.first_offsets(&spec.name, &new, &starts)?.into_iter().collect();
        match cluster.alter_offsets(&spec.name, &offsets) {
            // A member has come meanwhile.
            Err(error) if error.kind() == ErrorKind::Invalid && cluster.has_members(&spec.name)? => Ok(()),
            outcome => outcome,
        }
    }

    /// How many partitions the topics of an input have.
    fn check_input(&self, input: &InputSpec) -> Result<u32> {
        let mut counts = input.topics.iter().map(|topic| Ok((topic, self.shared.cluster.partition_count(topic)?)));
        let (first, count) = counts.next().ok_or_else(|| Error::invalid("an input without topics"))??;
        for other in counts {
            let (other, other_count) = other?;
            if other_count != count {
                let text = format!(
                    "topics that are read together have different numbers of partitions: {first} has {count}, {other} \
                     has {other_count}"
                );
                return Err(Error::invalid(text));
            }
        }
        Ok(count)
    }

    fn create(&self, topics: &[(TopicName, u32)], settings: &[(&str, &str)]) -> Result<()> {
        let new = topics.iter().map(|(name, partition_count)| admin::NewTopic {
            name,
            partition_count: *partition_count,
            settings,
        });
        self.shared.cluster.create_topics(&new.collect::<Vec<_>>())
    }

    /// Makes those that are not there. Those that are may be somebody else's making.
    fn create_changelogs(&self, spec: &MemberSpec, partition_counts: &[u32]) -> Result<()> {
        let mut changelogs = Vec::new();
        for (input, partition_count) in spec.inputs.iter().zip(partition_counts) {
            for table in &input.tables {
                changelogs.push((tables::changelog_of(&spec.group, table)?, *partition_count));
            }
        }
        if changelogs.is_empty() {
            return Ok(());
        }
        self.create(&changelogs, cluster::changelogs::SETTINGS)?;
        let topics: Vec<_> = changelogs.into_iter().map(|(topic, _)| topic).collect();
        self.shared.cluster.check_compacted(&topics)
    }
}

impl Log for KafkaLog {
    fn create_topics(&self, topics: &[TopicSpec]) -> Result<()> {
        self.shared.check_open()?;
        let topics: Vec<_> = topics.iter().map(|topic| (topic.name.clone(), topic.partition_count)).collect();
        self.create(&topics, &[])
    }

    fn declare_groups(&self, groups: &[GroupSpec]) -> Result<()> {
        self.shared.check_open()?;
        groups.iter().try_for_each(|group| self.declare_group(group))
    }

    fn topics(&self) -> Result<Vec<TopicSpec>> {
        self.shared.check_open()?;
        let spec = |topic: FoundTopic| TopicSpec { name: topic.name, partition_count: topic.partition_count };
        Ok(self.shared.cluster.topics()?.into_iter().map(spec).collect())
    }

    fn describe(&self) -> Result<Vec<TopicDescription>> {
        self.describe_where(|_| true)
    }

    fn describe_only(&self, topics: &[TopicName]) -> Result<Vec<TopicDescription>> {
        self.describe_where(|name| topics.contains(name))
    }

    fn append(&self, to: &TopicPartition, records: BatchBuilder) -> Result<Ticket> {
        self.shared.check_open()?;
        let ticket = self.shared.appender.append(to, records)?;
        self.shared.figures.appended();
        Ok(ticket)
    }

    fn read(&self, from: &TopicPartition, offset: Offset, max_bytes: usize) -> Result<Vec<Batch>> {
        self.shared.check_open()?;
        self.shared.reader.read(&self.shared.options, from, offset, max_bytes)
    }

    fn join(&self, spec: MemberSpec) -> Result<Box<dyn Member>> {
        self.shared.check_open()?;
        let counts = spec.inputs.iter().map(|input| self.check_input(input)).collect::<Result<Vec<_>>>()?;
        self.create_changelogs(&spec, &counts)?;
        Ok(Box::new(KafkaMember::join(&self.shared, spec, counts)?))
    }

    fn rows(&self, service: &GroupName, table: &TableName) -> Result<Arc<dyn Rows>> {
        self.shared.check_open()?;
        let shared = Arc::clone(&self.shared);
        Ok(Arc::new(KafkaRows { shared, service: service.clone(), table: table.clone() }))
    }

    fn scan_rows(
        &self,
        service: &GroupName,
        table: &TableName,
        partition: Partition,
        scan: Scan<'_>,
    ) -> Result<Vec<Row>> {
        self.shared.check_open()?;
        rows::scan_changelog(&self.shared, &tables::changelog_of(service, table)?, partition, scan)
    }

    fn groups(&self) -> Result<Vec<GroupDescription>> {
        self.groups_where(|_| true)
    }

    fn groups_only(&self, names: &[GroupName]) -> Result<Vec<GroupDescription>> {
        self.groups_where(|name| names.contains(name))
    }

    fn reset(&self, group: &GroupName, offsets: &[(TopicPartition, Offset)]) -> Result<()> {
        self.shared.check_open()?;
        self.check_idle(group)?;
        let cluster = &self.shared.cluster;
        let partitions: Vec<_> = offsets.iter().map(|(at, _)| at.clone()).collect();
        partitions.iter().try_for_each(|at| cluster.check_partition(at))?;
        let starts = cluster.offsets_at(admin::End::Start, &partitions, Isolation::All)?;
        let ends = cluster.offsets_at(admin::End::End, &partitions, Isolation::All)?;
        for (at, offset) in offsets {
            let start = starts.get(at).copied().unwrap_or_default();
            let end = ends.get(at).copied().unwrap_or_default();
            if !(start..=end).contains(offset) {
                let text = format!("no such offset: partition={at} offset={offset} start={start} end={end}");
                return Err(Error::invalid(text));
            }
        }
        cluster.alter_offsets(group, offsets)
    }

    fn drop_group(&self, group: &GroupName) -> Result<()> {
        self.shared.check_open()?;
        self.check_idle(group)?;
        let cluster = &self.shared.cluster;
        let read: Vec<_> = cluster.committed_offsets(group)?.into_keys().collect();
        let ends: Vec<_> = cluster.offsets_at(admin::End::End, &read, Isolation::Committed)?.into_iter().collect();
        // First where it goes on: when the process ends in between, it is only still there.
        cluster.alter_offsets(&dropped_name(group)?, &ends)?;
        cluster.delete_group(group)
    }

    fn status(&self) -> Status {
        let refuses_writes = self.shared.check_open().err().or_else(|| self.shared.pulse.silent());
        Status { refuses_writes, figures: self.shared.figures.all() }
    }

    fn close(&self) -> Result<()> {
        self.shared.end(End::Orderly);
        Ok(())
    }
}

impl Drop for KafkaLog {
    fn drop(&mut self) {
        self.shared.end(End::Orderly);
    }
}

impl fmt::Debug for KafkaLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KafkaLog")
    }
}

/// Waits until a broker answers, or it is clear that none does for now.
///
/// # Errors
/// `Invalid` when the cluster does not let us in.
fn reach(news: &News, clock: &dyn Clock, mut ping: impl FnMut() -> Result<()>) -> Result<()> {
    let deadline = clock.monotonic() + REACHED_WITHIN;
    loop {
        // Before the ping, so that it hears why: who hears that all are down and who hears the reason may be two threads, and
        // the other one has a whole ping's time to tell what it has heard.
        let is_last = news.are_all_down() || clock.monotonic() >= deadline;
        match ping() {
            Err(error) if error.kind() == ErrorKind::Invalid => return Err(error),
            Err(_) if is_last => {
                news.not_answered();
                return Ok(());
            }
            // The ping may have failed without waiting.
            Err(_) => thread::park_timeout(LOOK_AGAIN_AFTER / 5),
            Ok(()) => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
