//! What the catalog and the counts come to.

use super::Check;
use crate::{
    catalog::{self, PartitionId},
    inspect::report::{GroupReport, PartitionReport, Progress, TableReport, TopicReport},
};

impl Check<'_> {
    pub(super) fn topics(&self) -> Vec<TopicReport> {
        let partition = |id: PartitionId| {
            let counted = self.partitions.get(&id).copied().unwrap_or_default();
            PartitionReport { start: self.start(id), end: self.catalog.end(id), ..counted }
        };
        let topics = self.catalog.topics.iter().map(|topic| TopicReport {
            name: topic.name.clone(),
            partitions: topic.partition_ids().map(partition).collect(),
        });
        let mut topics: Vec<_> = topics.collect();
        topics.sort_by(|one, other| one.name.cmp(&other.name));
        topics
    }

    pub(super) fn groups(&self) -> Vec<GroupReport> {
        let progress = |(id, it): (&PartitionId, &catalog::Progress)| {
            let partition = self.catalog.topic_partition(*id)?;
            let lag = self.catalog.end(*id).0.saturating_sub(it.offset.0);
            Some(Progress { partition, offset: it.offset, lag, epoch: it.epoch })
        };
        let groups = self.catalog.known_groups().map(|(_, group)| GroupReport {
            name: group.name.clone(),
            partitions: group.progress.iter().filter_map(progress).collect(),
        });
        let mut groups: Vec<_> = groups.collect();
        groups.sort_by(|one, other| one.name.cmp(&other.name));
        groups
    }

    pub(super) fn tables(&self) -> Vec<TableReport> {
        let tables = self.catalog.tables();
        tables.map(|(_, (service, name))| TableReport { service: service.clone(), name: name.clone() }).collect()
    }
}
