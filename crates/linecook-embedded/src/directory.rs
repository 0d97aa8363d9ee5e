//! Names, without the commit lock.

use std::{collections::HashMap, sync::Arc};

use linecook_log::{GroupName, Partition, TableName, TopicName, TopicPartition};

use crate::{
    catalog::{GroupId, PartitionId, TableId},
    tail::Tail,
    writer::Writer,
};

/// A copy of the catalog's names, so that who reads or appends needs no commit lock to find things.
#[derive(Default)]
pub(crate) struct Directory {
    pub(crate) topics: HashMap<TopicName, Vec<PartitionId>>,
    /// By their ids.
    pub(crate) partitions: Vec<TopicPartition>,
    pub(crate) tails: Vec<Arc<Tail>>,
    pub(crate) groups: HashMap<GroupName, GroupId>,
    pub(crate) tables: HashMap<(GroupName, TableName), TableId>,
}

impl Directory {
    pub(crate) fn of(writer: &Writer) -> Self {
        let catalog = &writer.catalog;
        let topics = catalog.topics.iter().map(|topic| (topic.name.clone(), topic.partition_ids().collect()));
        let partitions = catalog.topics.iter().flat_map(|topic| {
            Partition::all(topic.partition_count).map(|partition| TopicPartition::new(&topic.name, partition))
        });
        Self {
            topics: topics.collect(),
            partitions: partitions.collect(),
            tails: writer.tails.clone(),
            groups: catalog.known_groups().map(|(id, group)| (group.name.clone(), id)).collect(),
            tables: catalog.tables().map(|(id, table)| (table.clone(), id)).collect(),
        }
    }
}
