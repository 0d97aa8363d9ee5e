//! What a member asks for when it joins.

use linecook_log::{Error, MemberSpec, Partition, Result, TableName, TopicName, TopicPartition};

use crate::{catalog::TableId, coordinator::Input, engine::Engine};

/// A table that a member keeps.
pub(crate) struct MemberTable {
    pub(crate) name: TableName,
    pub(crate) id: TableId,
    /// The topics that it is kept of: who owns a partition of them owns its rows.
    pub(crate) topics: Vec<TopicName>,
}

impl MemberTable {
    /// Whether who owns `at` owns the rows of `partition`.
    pub(super) fn is_kept_of(&self, at: &TopicPartition, partition: Partition) -> bool {
        at.partition == partition && self.topics.contains(&at.topic)
    }
}

/// What the member asks for, as far as there is such a thing.
pub(crate) fn inputs(engine: &Engine, spec: &MemberSpec) -> Result<Vec<Input>> {
    spec.inputs.iter().map(|input| co_partitioned(engine, &input.topics)).collect()
}

fn co_partitioned(engine: &Engine, topics: &[TopicName]) -> Result<Input> {
    let mut counts = topics.iter().map(|topic| engine.partition_count(topic).map(|count| (topic, count)));
    let Some(first) = counts.next() else { return Err(Error::invalid("an input without topics")) };
    let (name, partition_count) = first?;
    for count in counts {
        let (other, count) = count?;
        if count != partition_count {
            let text = format!(
                "topics that are read together have different numbers of partitions: {name} has {partition_count}, \
                 {other} has {count}"
            );
            return Err(Error::invalid(text));
        }
    }
    Ok(Input { topics: topics.to_vec(), partition_count })
}
