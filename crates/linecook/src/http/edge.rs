//! What a service's routes are given.

use std::{collections::HashMap, marker::PhantomData, sync::Arc};

use linecook_log::{
    BatchBuilder, Clock, Error, GroupName, Log, Origin, Result, Rows, TableName, Ticket, TopicName, TopicPartition,
    partition_of,
};

use crate::{CountsReader, Event, Key, PartialCounts, Service, State, Table, TableReader, Topic};

/// Readers of a service's tables, and producers of topics.
///
/// Everything it gives shows only what is durable.
pub struct Edge {
    service: GroupName,
    log: Arc<dyn Log>,
    clock: Arc<dyn Clock>,
    partition_counts: Arc<HashMap<TopicName, u32>>,
    /// The rows of each of the service's tables, and how many partitions it has.
    tables: HashMap<String, (Arc<dyn Rows>, u32)>,
}

impl Edge {
    /// That of a service, on a log that has its topics.
    ///
    /// # Errors
    /// As [`Log::rows`].
    pub(crate) fn of(
        service: &Service,
        log: &Arc<dyn Log>,
        clock: &Arc<dyn Clock>,
        partition_counts: &Arc<HashMap<TopicName, u32>>,
    ) -> Result<Self> {
        let mut tables = HashMap::new();
        for (table, input) in service.inputs_of_tables() {
            let rows = log.rows(service.name(), &TableName::new(&table)?)?;
            tables.insert(table, (rows, partition_counts[&input]));
        }
        Ok(Self {
            service: service.name().clone(),
            log: Arc::clone(log),
            clock: Arc::clone(clock),
            partition_counts: Arc::clone(partition_counts),
            tables,
        })
    }

    /// A reader of one of the service's tables.
    ///
    /// # Panics
    /// When the service has no such table: a mistake in the program.
    pub fn table<K: Key, S: State, I: Event>(&self, table: Table<K, S, I>) -> TableReader<K, S, I> {
        let (rows, partition_count) = self.rows(table.name());
        TableReader::new(rows, partition_count)
    }

    /// A reader of one of the service's counts.
    ///
    /// # Panics
    /// When the service has no such counts: a mistake in the program.
    pub fn counts<G: Key + Ord>(&self, counts: PartialCounts<G>) -> CountsReader<G> {
        let (rows, partition_count) = self.rows(counts.name());
        CountsReader::new(rows, partition_count)
    }

    /// A producer of a topic that the service has declared with [`produces`](crate::Service::produces).
    ///
    /// # Panics
    /// When no service of the process knows the topic: a mistake in the program.
    pub fn producer<K: Key, V: Event>(&self, topic: &Topic<K, V>) -> Producer<K, V> {
        let name = topic.log_name();
        let partition_count = self.partition_counts.get(&name).copied();
        let partition_count = partition_count.unwrap_or_else(|| panic!("no service declared the topic: topic={name}"));
        Producer {
            service: self.service.clone(),
            topic: name,
            partition_count,
            log: Arc::clone(&self.log),
            clock: Arc::clone(&self.clock),
            types: PhantomData,
        }
    }

    fn rows(&self, table: &str) -> (Arc<dyn Rows>, u32) {
        let (rows, partition_count) =
            self.tables.get(table).unwrap_or_else(|| panic!("the service has no such table: table={table}"));
        (Arc::clone(rows), *partition_count)
    }
}

/// Appends events to a topic: the way in from outside.
pub struct Producer<K, V> {
    service: GroupName,
    topic: TopicName,
    partition_count: u32,
    log: Arc<dyn Log>,
    clock: Arc<dyn Clock>,
    types: PhantomData<fn(K, V)>,
}

impl<K: Key, V: Event> Producer<K, V> {
    /// Appends one event. The ticket is done when it is durable; until then nobody must be told that it is there.
    ///
    /// # Errors
    /// As [`Log::append`].
    pub fn append(&self, key: &K, event: &V) -> Result<Ticket> {
        let now = self.clock.timestamp();
        let mut key_bytes = Vec::with_capacity(64);
        key.encode(&mut key_bytes);
        let to = TopicPartition::new(&self.topic, partition_of(&key_bytes, self.partition_count));
        let origin = Origin { service: self.service.clone(), taken_at: now, attempt: 1, source: None };
        let mut batch = BatchBuilder::new(&origin, 256);
        let encoded = batch.push_with(Some(&key_bytes), now, |out| event.encode(out));
        encoded.map_err(|error| Error::invalid(error.to_string()))?;
        self.log.append(&to, batch)
    }
}
