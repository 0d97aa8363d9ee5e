//! The calls of the log itself.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use linecook_log::{
    Batch, BatchBuilder, Error, GroupDescription, GroupName, GroupSpec, InputSpec, Log, Member, MemberSpec, Offset,
    Partition, PartitionDescription, PartitionRows, Result, Row, Rows, Scan, Status, TableName, Ticket,
    TopicDescription, TopicPartition, TopicSpec,
};

use super::{Data, SimulatedLog, State, check_size, group::Unit, member::SimulatedMember};
use crate::{accidents::Call, defect::Defect};

impl SimulatedLog {
    /// The state, unless it is closed.
    fn open_state(&self) -> Result<parking_lot::MutexGuard<'_, State>> {
        let state = self.shared.state.lock();
        state.check_open()?;
        if self.process.is_dead() { Err(Error::closed()) } else { Ok(state) }
    }
}

/// What has one owner, in the order of the inputs.
fn units(data: &Data, inputs: &[InputSpec]) -> Result<Vec<Unit>> {
    let mut units = Vec::new();
    for topics in inputs.iter().map(|input| &input.topics).filter(|topics| !topics.is_empty()) {
        let count = data.partition_count(&topics[0])?;
        for topic in topics {
            let other = data.partition_count(topic)?;
            if other != count {
                let text = "co-partitioned topics with different counts of partitions";
                return Err(Error::invalid(format!("{text}: {}={count} {topic}={other}", topics[0])));
            }
        }
        let unit = |partition| topics.iter().map(|topic| TopicPartition::new(topic, partition)).collect();
        units.extend(Partition::all(count).map(unit));
    }
    Ok(units)
}

fn without_members(state: &State, group: &GroupName) -> Result<()> {
    if !state.current.offsets.contains_key(group) {
        return Err(Error::invalid(format!("no such group: group={group}")));
    }
    match state.groups.get(group).map_or(0, |known| known.members.len()) {
        0 => Ok(()),
        count => Err(Error::invalid(format!("the group has members, stop them first: group={group} members={count}"))),
    }
}

impl Log for SimulatedLog {
    fn create_topics(&self, topics: &[TopicSpec]) -> Result<()> {
        let mut state = self.open_state()?;
        for TopicSpec { name, partition_count } in topics {
            match state.current.partition_count(name).ok() {
                _ if *partition_count == 0 => {
                    return Err(Error::invalid(format!("a topic has at least one partition: topic={name}")));
                }
                Some(there) if there != *partition_count => {
                    let text = format!("topic={name} partitions={there} asked_for={partition_count}");
                    return Err(Error::invalid(format!("the topic has another number of partitions: {text}")));
                }
                Some(_) => {}
                None => {
                    let (name, empty) = (name.clone(), vec![Vec::new(); *partition_count as usize]);
                    self.shared.make_durable(&mut state, move |data| {
                        data.topics.insert(name.clone(), empty.clone());
                    });
                }
            }
        }
        Ok(())
    }

    fn declare_groups(&self, groups: &[GroupSpec]) -> Result<()> {
        let mut state = self.open_state()?;
        for topic in groups.iter().flat_map(|group| &group.topics) {
            state.current.partition_count(topic)?;
        }
        let groups = groups.to_vec();
        self.shared.make_durable(&mut state, move |data| {
            groups.iter().for_each(|group| data.declare(&group.name, &group.topics));
        });
        Ok(())
    }

    fn describe(&self) -> Result<Vec<TopicDescription>> {
        let state = self.open_state()?;
        let description = |partition: &Vec<Batch>| PartitionDescription {
            start: Offset(0),
            end: partition.last().map_or(Offset(0), Batch::end),
        };
        let topics = state.durable.topics.iter().map(|(name, partitions)| TopicDescription {
            name: name.clone(),
            partitions: partitions.iter().map(description).collect(),
        });
        Ok(topics.collect())
    }

    fn append(&self, to: &TopicPartition, records: BatchBuilder) -> Result<Ticket> {
        self.shared.accident(Call::Append, &self.process)?;
        let mut state = self.open_state()?;
        state.current.batches(to)?;
        if records.is_empty() {
            return Err(Error::invalid(format!("an append without records: {to}")));
        }
        let batch = records.finish(Offset(0), self.shared.world.clock.timestamp());
        check_size(&batch)?;
        let to = to.clone();
        let ticket = self.shared.make(&mut state, move |data| data.append(&to, &batch));
        Ok(if self.shared.has(Defect::AcknowledgedAtOnce) { Ticket::done() } else { ticket })
    }

    fn read(&self, from: &TopicPartition, offset: Offset, max_bytes: usize) -> Result<Vec<Batch>> {
        self.open_state()?.durable.batches_from(from, offset, max_bytes)
    }

    fn join(&self, spec: MemberSpec) -> Result<Box<dyn Member>> {
        self.shared.accident(Call::Join, &self.process)?;
        let mut state = self.open_state()?;
        let units = units(&state.current, &spec.inputs)?;
        let (group, topics) = (spec.group.clone(), spec.topics());
        let (declared, read) = (group.clone(), topics.clone());
        // What is known already is no change: else each start would be a sync of all that waits.
        let mut known = state.current.clone();
        known.declare(&declared, &read);
        if known.offsets != state.current.offsets || known.dropped != state.current.dropped {
            self.shared.make_durable(&mut state, move |data| data.declare(&declared, &read));
        }
        state.next_member += 1;
        let id = state.next_member;
        state.groups.entry(group.clone()).or_default().join(id, spec, self.shared.now());
        let (shared, process) = (Arc::clone(&self.shared), Arc::clone(&self.process));
        Ok(Box::new(SimulatedMember::new(shared, process, group, id, units, topics)))
    }

    fn rows(&self, service: &GroupName, table: &TableName) -> Result<Arc<dyn Rows>> {
        drop(self.open_state()?);
        let (service, table) = (service.clone(), table.clone());
        let log = Self { shared: Arc::clone(&self.shared), process: Arc::clone(&self.process) };
        Ok(Arc::new(SimulatedRows { log, service, table }))
    }

    fn groups(&self) -> Result<Vec<GroupDescription>> {
        let state = self.open_state()?;
        let groups = state.durable.offsets.iter().map(|(name, offsets)| GroupDescription {
            name: name.clone(),
            has_members: state.groups.get(name).is_some_and(|group| !group.members.is_empty()),
            offsets: offsets.iter().map(|(from, offset)| (from.clone(), *offset)).collect(),
        });
        Ok(groups.collect())
    }

    fn reset(&self, group: &GroupName, offsets: &[(TopicPartition, Offset)]) -> Result<()> {
        let mut state = self.open_state()?;
        without_members(&state, group)?;
        for (from, offset) in offsets {
            let end = state.current.end(from)?;
            if *offset > end {
                return Err(Error::invalid(format!("an offset outside of {from}: offset={offset} start=0 end={end}")));
            }
        }
        let (group, offsets) = (group.clone(), offsets.to_vec());
        self.shared.make_durable(&mut state, move |data| {
            data.offsets.entry(group.clone()).or_default().extend(offsets.iter().cloned());
        });
        Ok(())
    }

    fn drop_group(&self, group: &GroupName) -> Result<()> {
        let mut state = self.open_state()?;
        without_members(&state, group)?;
        let group = group.clone();
        self.shared.make_durable(&mut state, move |data| {
            let offsets = data.offsets.remove(&group).unwrap_or_default();
            let ends = offsets.into_keys().map(|at| (at.clone(), data.end(&at).expect("its topic exists")));
            let ends = ends.collect();
            data.dropped.insert(group.clone(), ends);
        });
        Ok(())
    }

    fn status(&self) -> Status {
        Status { refuses_writes: self.shared.state.lock().check_open().err(), figures: Vec::new() }
    }

    fn close(&self) -> Result<()> {
        let mut state = self.shared.state.lock();
        if !state.is_ended {
            state.sync();
            self.shared.end(&mut state);
        }
        Ok(())
    }
}

struct SimulatedRows {
    log: SimulatedLog,
    service: GroupName,
    table: TableName,
}

impl Rows for SimulatedRows {
    fn at_one_moment(
        &self,
        partition: Partition,
        read: &mut dyn FnMut(&dyn PartitionRows) -> Result<()>,
    ) -> Result<()> {
        let of = (self.service.clone(), self.table.clone(), partition);
        let rows = self.log.open_state()?.durable.scan(&of, Scan::prefix(b""));
        read(&RowsOfMoment(rows.into_iter().collect()))
    }

    fn caught_up(&self, input: &TopicPartition) -> Result<Ticket> {
        let end = self.log.open_state()?.durable.end(input)?;
        let (service, input) = (self.service.clone(), input.clone());
        Ok(self.log.shared.ticket(move |state| state.durable.offset(&service, &input) >= end))
    }
}

/// Copied, since others may commit while they are read.
struct RowsOfMoment(BTreeMap<Bytes, Bytes>);

impl PartitionRows for RowsOfMoment {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(self.0.get(key).cloned())
    }

    fn scan(&self, scan: Scan<'_>) -> Result<Vec<Row>> {
        let rows = self.0.iter().map(|(key, value)| (key.clone(), value.clone()));
        let rows =
            rows.filter(|(key, _)| key.starts_with(scan.prefix) && scan.after.is_none_or(|after| key[..] > *after));
        Ok(rows.take(scan.limit).collect())
    }
}
