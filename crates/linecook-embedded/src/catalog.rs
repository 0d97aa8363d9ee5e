//! What the log knows besides the records: topics and their ends, groups and their offsets, tables. It follows from the
//! entries of all frames; a segment begins with it, so that opening reads the last segments only.

use std::collections::{BTreeMap, HashMap};

use linecook_log::{Error, GroupName, Offset, Partition, Result, TableName, TopicName, TopicPartition};

use crate::{
    codec::{Put, Reader, length},
    frame::Entry,
};

/// A partition of a topic, numbered over all topics in the order of their creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PartitionId(pub(crate) u32);

/// A group, numbered in the order in which they became known. A forgotten one keeps its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct GroupId(pub(crate) u32);

/// A table, numbered in the order of creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TableId(pub(crate) u32);

/// A topic and where its partitions lie among all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Topic {
    pub(crate) name: TopicName,
    pub(crate) partition_count: u32,
    first: u32,
}

impl Topic {
    pub(crate) fn partition_ids(&self) -> impl Iterator<Item = PartitionId> + use<> {
        (self.first..self.first + self.partition_count).map(PartitionId)
    }
}

/// How far a group is in a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Progress {
    pub(crate) offset: Offset,
    /// The generation of the partition's ownership; only the member that holds it may commit.
    pub(crate) epoch: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) name: GroupName,
    /// It is forgotten. Its progress is where one of its name goes on: behind what was there when it was dropped.
    pub(crate) is_dropped: bool,
    pub(crate) progress: BTreeMap<PartitionId, Progress>,
}

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Catalog {
    pub(crate) topics: Vec<Topic>,
    topic_ids: HashMap<TopicName, usize>,
    /// The end of each partition: the offset of the next record.
    pub(crate) ends: Vec<Offset>,
    pub(crate) groups: Vec<Group>,
    tables: Vec<(GroupName, TableName)>,
}

impl Catalog {
    pub(crate) fn topic(&self, name: &TopicName) -> Result<&Topic> {
        let unknown = || Error::invalid(format!("no such topic: topic={name}"));
        self.topic_ids.get(name).map(|index| &self.topics[*index]).ok_or_else(unknown)
    }

    pub(crate) fn partition_id(&self, at: &TopicPartition) -> Result<PartitionId> {
        let topic = self.topic(&at.topic)?;
        if at.partition.0 >= topic.partition_count {
            let text = format!(
                "no such partition: topic={} partition={} partition_count={}",
                at.topic, at.partition, topic.partition_count
            );
            return Err(Error::invalid(text));
        }
        Ok(PartitionId(topic.first + at.partition.0))
    }

    pub(crate) fn topic_partition(&self, id: PartitionId) -> Option<TopicPartition> {
        let index = self.topics.partition_point(|topic| topic.first <= id.0).checked_sub(1)?;
        let topic = self.topics.get(index).filter(|topic| id.0 < topic.first + topic.partition_count)?;
        Some(TopicPartition::new(&topic.name, Partition(id.0 - topic.first)))
    }

    pub(crate) fn group_id(&self, name: &GroupName) -> Option<GroupId> {
        self.known_groups().find(|(_, group)| group.name == *name).map(|(id, _)| id)
    }

    /// Where a new group of that name begins, if one was forgotten that had read the partition.
    pub(crate) fn dropped_progress(&self, name: &GroupName, partition: PartitionId) -> Option<Offset> {
        let mut dropped = self.groups.iter().rev().filter(|group| group.is_dropped && group.name == *name);
        dropped.find_map(|group| group.progress.get(&partition)).map(|progress| progress.offset)
    }

    /// The groups that are not forgotten.
    pub(crate) fn known_groups(&self) -> impl Iterator<Item = (GroupId, &Group)> {
        let numbered = self.groups.iter().enumerate().map(|(index, group)| (GroupId(length(index)), group));
        numbered.filter(|(_, group)| !group.is_dropped)
    }

    pub(crate) fn tables(&self) -> impl Iterator<Item = (TableId, &(GroupName, TableName))> {
        self.tables.iter().enumerate().map(|(index, table)| (TableId(length(index)), table))
    }

    pub(crate) fn group(&self, id: GroupId) -> &Group {
        &self.groups[id.0 as usize]
    }

    pub(crate) fn group_mut(&mut self, id: GroupId) -> &mut Group {
        &mut self.groups[id.0 as usize]
    }

    pub(crate) fn table_id(&self, service: &GroupName, name: &TableName) -> Option<TableId> {
        self.tables().find(|(_, table)| table.0 == *service && table.1 == *name).map(|(id, _)| id)
    }

    pub(crate) fn end(&self, partition: PartitionId) -> Offset {
        self.ends[partition.0 as usize]
    }

    /// Follows what a frame says. `None` when it speaks of what does not exist: such a frame was never written.
    pub(crate) fn apply(&mut self, entry: &Entry) -> Option<()> {
        match entry {
            Entry::Topic { name, partition_count } => {
                let first = length(self.ends.len());
                self.topic_ids.insert(name.clone(), self.topics.len());
                self.topics.push(Topic { name: name.clone(), partition_count: *partition_count, first });
                self.ends.resize(self.ends.len() + *partition_count as usize, Offset(0));
            }
            Entry::Group { name } => {
                self.groups.push(Group { name: name.clone(), is_dropped: false, progress: BTreeMap::new() });
            }
            Entry::Table { service, name } => self.tables.push((service.clone(), name.clone())),
            Entry::Output { partition, base, count, .. } => {
                let end = self.ends.get_mut(partition.0 as usize).filter(|end| *end == base)?;
                *end = base.plus(u64::from(*count));
            }
            Entry::Offset { group, partition, offset, epoch } => {
                let progress = Progress { offset: *offset, epoch: *epoch };
                self.groups.get_mut(group.0 as usize)?.progress.insert(*partition, progress);
            }
            Entry::Rows { .. } => {}
            Entry::GroupDropped { group } => {
                let group = self.groups.get_mut(group.0 as usize)?;
                group.is_dropped = true;
                for (partition, progress) in &mut group.progress {
                    progress.offset = *self.ends.get(partition.0 as usize)?;
                }
            }
        }
        Some(())
    }

    /// As a segment begins with it: the entries that make it, then the ends.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let entries = self.entries();
        out.put_u32(length(entries.len()));
        for entry in entries {
            entry.encode(out);
        }
        out.put_u32(length(self.ends.len()));
        for end in &self.ends {
            out.put_u64(end.0);
        }
    }

    pub(crate) fn decode(reader: &mut Reader<'_>) -> Option<Self> {
        let mut catalog = Self::default();
        for _ in 0..reader.u32()? {
            catalog.apply(&Entry::decode(reader)?)?;
        }
        let count = reader.u32()? as usize;
        if count != catalog.ends.len() {
            return None;
        }
        for end in &mut catalog.ends {
            *end = Offset(reader.u64()?);
        }
        Some(catalog)
    }

    fn entries(&self) -> Vec<Entry> {
        let topics = self
            .topics
            .iter()
            .map(|topic| Entry::Topic { name: topic.name.clone(), partition_count: topic.partition_count });
        let tables =
            self.tables.iter().map(|(service, name)| Entry::Table { service: service.clone(), name: name.clone() });
        let mut entries: Vec<_> = topics.chain(tables).collect();
        for (index, group) in self.groups.iter().enumerate() {
            let id = GroupId(length(index));
            entries.push(Entry::Group { name: group.name.clone() });
            if group.is_dropped {
                entries.push(Entry::GroupDropped { group: id });
            }
            entries.extend(group.progress.iter().map(|(partition, progress)| Entry::Offset {
                group: id,
                partition: *partition,
                offset: progress.offset,
                epoch: progress.epoch,
            }));
        }
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalog_comes_back_as_it_was_written() {
        let mut catalog = Catalog::default();
        let entries = [
            Entry::Topic { name: TopicName::new("a").unwrap(), partition_count: 2 },
            Entry::Topic { name: TopicName::new("b").unwrap(), partition_count: 1 },
            Entry::Group { name: GroupName::new("gone").unwrap() },
            Entry::GroupDropped { group: GroupId(0) },
            Entry::Group { name: GroupName::new("g").unwrap() },
            Entry::Offset { group: GroupId(1), partition: PartitionId(2), offset: Offset(5), epoch: 3 },
            Entry::Table { service: GroupName::new("g").unwrap(), name: TableName::new("t").unwrap() },
        ];
        for entry in &entries {
            catalog.apply(entry).unwrap();
        }
        catalog.ends[2] = Offset(9);
        let mut bytes = Vec::new();
        catalog.encode(&mut bytes);
        assert_eq!(Catalog::decode(&mut Reader(&bytes)).unwrap(), catalog);
        let b = catalog.topic_partition(PartitionId(2)).unwrap();
        assert_eq!((b.topic.as_str(), b.partition), ("b", Partition(0)));
        assert_eq!(catalog.partition_id(&b).unwrap(), PartitionId(2));
        assert_eq!(catalog.topic_partition(PartitionId(3)), None);
        assert_eq!(catalog.group_id(&GroupName::new("gone").unwrap()), None);
    }

    #[test]
    fn an_output_that_leaves_a_gap_is_refused() {
        let mut catalog = Catalog::default();
        catalog.apply(&Entry::Topic { name: TopicName::new("a").unwrap(), partition_count: 1 }).unwrap();
        let part = crate::frame::Part { raw: 1, stored: 1, crc: 0 };
        let output = Entry::Output { partition: PartitionId(0), base: Offset(1), count: 1, part };
        assert_eq!(catalog.apply(&output), None);
    }
}
