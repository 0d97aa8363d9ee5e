//! A member of a group on the embedded log.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use linecook_log::{
    Assignment, Commit, Error, ErrorKind, Fetch, Member, MemberSpec, Offset, Output, Partition, Poll, Result, Row,
    RowChange, Scan, TableName, Ticket, TopicName, TopicPartition,
};
use linecook_rows::{Lookup, Number, Overlay};

use crate::{
    catalog::{Catalog, GroupId, PartitionId, TableId},
    coordinator::{Change, Input, Joining, MemberId, NewEpochs},
    core::Core,
    frame::CommitNumber,
    outside::Awaited,
    payload::{self, FullRow},
    rows,
    segments::Cursor,
    tail::{HotRead, Tail},
    wakeup::Wakeup,
    writer::{Prepared, PreparedOffset},
};

pub(crate) struct EmbeddedMember {
    core: Arc<Core>,
    group: GroupId,
    id: MemberId,
    wakeup: Arc<Wakeup>,
    max_silence: Duration,
    /// The topics in the order in which they are polled.
    topics: Vec<TopicName>,
    tables: Vec<(TableName, TableId)>,
    /// In the order of `topics`.
    owned: Vec<Owned>,
    /// Owned partitions that it is told of when the rows of their owner before are all in the store.
    arriving: Option<Arriving>,
    /// What it was told to give up with its last poll.
    revoking: Vec<TopicPartition>,
    /// What it has committed and the store does not have yet. It is the only one who writes these rows.
    overlay: Overlay,
}

struct Owned {
    at: TopicPartition,
    rank: usize,
    partition: PartitionId,
    epoch: u64,
    position: Offset,
    cursor: Option<Cursor>,
    tail: Arc<Tail>,
}

struct Arriving {
    partitions: Vec<TopicPartition>,
    complete_at: CommitNumber,
}

impl EmbeddedMember {
    pub(crate) fn join(core: Arc<Core>, spec: &MemberSpec, ids: (GroupId, Vec<(TableName, TableId)>)) -> Result<Self> {
        let (group, tables) = ids;
        let inputs = spec.inputs.iter().map(|topics| input(&core, topics)).collect::<Result<Vec<_>>>()?;
        let wakeup = Arc::new(Wakeup::default());
        let name = (spec.instance.clone(), spec.worker);
        let joining = Joining { name, inputs, max_silence: spec.max_silence, wakeup: Arc::clone(&wakeup) };
        let mut coordinator = core.coordinator.lock();
        let (id, new_epochs) = coordinator.join(group, joining, core.clock.monotonic())?;
        give_new_epochs(&core, group, &new_epochs);
        drop(coordinator);
        core.wake_at_end(&wakeup);
        let topics = spec.inputs.concat();
        Ok(Self {
            core,
            group,
            id,
            wakeup,
            max_silence: spec.max_silence,
            topics,
            tables,
            owned: Vec::new(),
            arriving: None,
            revoking: Vec::new(),
            overlay: Overlay::default(),
        })
    }

    fn change(&mut self) -> Change {
        let core = Arc::clone(&self.core);
        let mut coordinator = core.coordinator.lock();
        let (change, new_epochs) = coordinator.poll(self.group, self.id, core.clock.monotonic());
        // Under the coordinator's lock: nobody is told of a new owner before the old one is fenced.
        give_new_epochs(&core, self.group, &new_epochs);
        change
    }

    fn assigned(&mut self, partitions: Vec<TopicPartition>) -> Result<()> {
        let writer = self.core.writer();
        check_known(&writer.catalog, self.group)?;
        for at in &partitions {
            let partition = writer.catalog.partition_id(at)?;
            let progress = writer.catalog.group(self.group).progress.get(&partition).copied().unwrap_or_default();
            let start = self.core.segments.start(partition);
            let tail = Arc::clone(writer.tail(partition));
            tail.watch(&self.wakeup);
            self.owned.push(Owned {
                at: at.clone(),
                rank: self.topics.iter().position(|topic| *topic == at.topic).unwrap_or(usize::MAX),
                partition,
                epoch: progress.epoch,
                position: progress.offset.max(start),
                cursor: None,
                tail,
            });
        }
        self.owned.sort_by_key(|owned| owned.rank);
        // Others may still be on their way.
        let mut all = self.arriving.take().map_or_else(Vec::new, |before| before.partitions);
        all.extend(partitions);
        self.arriving = Some(Arriving { partitions: all, complete_at: writer.number });
        Ok(())
    }

    /// Which of these it was told of; the others it never had, as far as anyone outside knows.
    fn forget_arriving(&mut self, partitions: &[TopicPartition]) -> Vec<TopicPartition> {
        let mut told = partitions.to_vec();
        if let Some(arriving) = &mut self.arriving {
            told.retain(|at| !arriving.partitions.contains(at));
            arriving.partitions.retain(|at| !partitions.contains(at));
        }
        self.arriving.take_if(|arriving| arriving.partitions.is_empty());
        told
    }

    fn disown(&mut self, partitions: &[TopicPartition]) {
        for gone in self.owned.extract_if(.., |owned| partitions.contains(&owned.at)) {
            gone.tail.unwatch(&self.wakeup);
        }
    }

    /// The partitions that have arrived, when their rows are complete.
    fn arrived(&mut self, max_wait: Duration) -> Option<Poll> {
        let complete_at = self.arriving.as_ref()?.complete_at;
        if !self.core.outside.wait_for(complete_at, max_wait) {
            return Some(Poll::Idle);
        }
        // What it still holds of a partition that it owned before is older than the store by now.
        self.overlay.retire(Number(self.core.outside.number().0));
        let arriving = self.arriving.take()?;
        let owned = self.owned.iter().filter(|owned| arriving.partitions.contains(&owned.at));
        let assignment = |owned: &Owned| Assignment { partition: owned.at.clone(), position: owned.position };
        Some(Poll::Assigned(owned.map(assignment).collect()))
    }

    /// Earlier topics first, but never all of the room for them: a flood of the first must not starve the others.
    fn fetch(&mut self, max_bytes: usize) -> Result<Vec<Fetch>> {
        let mut found = Vec::new();
        let mut bytes_left = max_bytes;
        let mut rest = self.owned.as_mut_slice();
        while let Some(first) = rest.first() {
            let rank = first.rank;
            let count = rest.iter().take_while(|owned| owned.rank == rank).count();
            let (of_topic, later) = rest.split_at_mut(count);
            let mut budget = if later.is_empty() { bytes_left } else { bytes_left.div_ceil(2) };
            // The partition that was fetched from first comes last the next time.
            of_topic.rotate_left(1);
            for (index, owned) in of_topic.iter_mut().enumerate() {
                let share = budget.div_ceil(count - index).max(1);
                let taken = owned.fetch(&self.core, share, &mut found)?;
                budget = budget.saturating_sub(taken);
                bytes_left = bytes_left.saturating_sub(taken);
            }
            rest = later;
        }
        Ok(found)
    }

    fn owned(&self, at: &TopicPartition) -> Result<&Owned> {
        let found = self.owned.iter().find(|owned| owned.at == *at);
        found.ok_or_else(|| Error::new(ErrorKind::Fenced, format!("the partition is not owned: partition={at}")))
    }

    fn table(&self, table: &TableName) -> Result<TableId> {
        let found = self.tables.iter().find(|(name, _)| name == table).map(|(_, id)| *id);
        found.ok_or_else(|| Error::invalid(format!("the member did not join with this table: table={table}")))
    }

    fn check_owns(&self, partition: Partition) -> Result<()> {
        self.core.check()?;
        if self.owned.iter().any(|owned| owned.at.partition == partition) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Fenced, format!("the partition is not owned: partition={partition}")))
    }

    fn prepare(&self, commit: &mut Commit) -> Result<Prepared> {
        let offsets = self.prepare_offsets(&commit.offsets)?;
        let rows = self.prepare_rows(std::mem::take(&mut commit.rows), &commit.offsets)?;
        let stored_rows = (!rows.is_empty()).then(|| payload::store(&payload::encode_rows(&rows)));
        let filled = commit.outputs.drain(..).filter(|output| !output.batch.is_empty());
        let outputs = filled.map(|Output { to, batch }| {
            let partition = self.core.partition_id(&to)?;
            self.core.prepare_output(partition, batch)
        });
        Ok(Prepared { definitions: Vec::new(), outputs: outputs.collect::<Result<_>>()?, rows, stored_rows, offsets })
    }

    fn prepare_offsets(&self, offsets: &[(TopicPartition, Offset)]) -> Result<Vec<PreparedOffset>> {
        if offsets.is_empty() {
            return Err(Error::invalid("a commit without an offset speaks for no partition"));
        }
        let prepare = |(at, offset): &(TopicPartition, Offset)| {
            let owned = self.owned(at)?;
            Ok(PreparedOffset { group: self.group, partition: owned.partition, offset: *offset, epoch: owned.epoch })
        };
        offsets.iter().map(prepare).collect()
    }

    fn prepare_rows(&self, rows: Vec<RowChange>, offsets: &[(TopicPartition, Offset)]) -> Result<Vec<FullRow>> {
        let prepare = |row: RowChange| {
            if !offsets.iter().any(|(at, _)| at.partition == row.partition) {
                let text =
                    format!("a row of a partition that the commit has no offset of: partition={}", row.partition);
                return Err(Error::invalid(text));
            }
            if row.key.len() > payload::ROW_KEY_BYTES_MAX {
                let (bytes, max) = (row.key.len(), payload::ROW_KEY_BYTES_MAX);
                return Err(Error::invalid(format!("the key of a row is too long: bytes={bytes} max_bytes={max}")));
            }
            let table = self.table(&row.table)?;
            Ok((payload::row_key(table, row.partition, &row.key), row.value))
        };
        rows.into_iter().map(prepare).collect()
    }

    /// After a commit that did not happen: what it was to consume is polled again.
    fn rewind(&mut self) {
        let writer = self.core.writer();
        let progress = &writer.catalog.group(self.group).progress;
        for owned in &mut self.owned {
            let committed = progress.get(&owned.partition).map(|progress| progress.offset).unwrap_or_default();
            owned.position = committed.max(self.core.segments.start(owned.partition));
        }
    }

    fn give_up(&mut self) {
        let mut coordinator = self.core.coordinator.lock();
        let new_epochs = coordinator.leave(self.group, self.id);
        give_new_epochs(&self.core, self.group, &new_epochs);
        drop(coordinator);
        for owned in self.owned.drain(..) {
            owned.tail.unwatch(&self.wakeup);
        }
        self.core.forget_sleeper(&self.wakeup);
    }
}

impl Owned {
    /// Adds what comes next, about `max_bytes` of it; returns how much that was.
    fn fetch(&mut self, core: &Core, max_bytes: usize, found: &mut Vec<Fetch>) -> Result<usize> {
        // Members run ahead of the disk: what a service makes of it is on disk after it, in the same order.
        let everything = CommitNumber(u64::MAX);
        let batches = match self.tail.read(self.position, everything, max_bytes) {
            HotRead::End => return Ok(0),
            HotRead::Batches(batches) => batches,
            HotRead::Older => {
                core.segments.read((self.partition, self.position), everything, max_bytes, &mut self.cursor)?
            }
        };
        let mut bytes = 0;
        for batch in batches {
            bytes += batch.bytes().len();
            let position = std::mem::replace(&mut self.position, batch.end());
            found.push(Fetch { from: self.at.clone(), position, batch });
        }
        Ok(bytes)
    }
}

impl Member for EmbeddedMember {
    fn poll(&mut self, max_wait: Duration, max_bytes: usize) -> Result<Poll> {
        let deadline = self.core.clock.monotonic() + max_wait;
        self.overlay.retire(Number(self.core.outside.number().0));
        let given_up = std::mem::take(&mut self.revoking);
        self.disown(&given_up);
        loop {
            self.core.check()?;
            let left = deadline.saturating_sub(self.core.clock.monotonic());
            match self.change() {
                Change::None => {}
                Change::Assigned(partitions) => self.assigned(partitions)?,
                Change::Revoking(partitions) => {
                    let told = self.forget_arriving(&partitions);
                    if told.is_empty() {
                        self.disown(&partitions);
                        continue; // it has nothing in hand for them: asking again gives them up
                    }
                    self.revoking = partitions;
                    return Ok(Poll::Revoking(told));
                }
                Change::Lost(partitions) => {
                    self.disown(&partitions);
                    self.overlay.clear();
                    let told = self.forget_arriving(&partitions);
                    if told.is_empty() {
                        continue;
                    }
                    return Ok(Poll::Lost(told));
                }
            }
            if let Some(poll) = self.arrived(left) {
                return Ok(poll);
            }
            let records = self.fetch(max_bytes)?;
            if !records.is_empty() {
                return Ok(Poll::Records(records));
            }
            if left.is_zero() {
                return Ok(Poll::Idle);
            }
            // Who waits in here is not silent.
            self.wakeup.wait(left.min(self.max_silence / 3));
        }
    }

    fn get(&mut self, table: &TableName, partition: Partition, key: &[u8]) -> Result<Option<Bytes>> {
        self.check_owns(partition)?;
        let key = payload::row_key(self.table(table)?, partition, key);
        match self.overlay.get(&key) {
            Lookup::Row(value) => Ok(Some(value.clone())),
            Lookup::Deleted => Ok(None),
            Lookup::NotRecorded => self.core.store.get(&key).map_err(rows::error),
        }
    }

    fn scan(&mut self, table: &TableName, partition: Partition, scan: Scan<'_>) -> Result<Vec<Row>> {
        self.check_owns(partition)?;
        let table = self.table(table)?;
        let snapshot = self.core.store.snapshot().map_err(rows::error)?;
        rows::collect(self.overlay.scan(&snapshot, rows::range(table, partition, scan)), scan.limit)
    }

    fn commit(&mut self, mut commit: Commit) -> Result<Ticket> {
        self.core.check()?;
        let prepared = self.prepare(&mut commit).inspect_err(|_| self.rewind())?;
        let changed: Vec<_> = prepared.rows.clone();
        let offsets = prepared.offsets.clone();
        let committed = self.core.commit(prepared, |catalog| check_offsets(catalog, &offsets));
        let number = committed.inspect_err(|_| self.rewind())?;
        for (key, value) in changed {
            self.overlay.record(Number(number.0), key, value);
        }
        Ok(self.core.seen(Awaited::Commit(number)))
    }

    fn leave(self: Box<Self>) -> Result<()> {
        self.core.check()
    }
}

impl Drop for EmbeddedMember {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// Under the commit lock: the epochs are still those, and the offsets go forward to what is there.
fn check_offsets(catalog: &Catalog, offsets: &[PreparedOffset]) -> Result<()> {
    for it in offsets {
        check_known(catalog, it.group)?;
        let progress = catalog.group(it.group).progress.get(&it.partition).copied().unwrap_or_default();
        let end = catalog.end(it.partition);
        if progress.epoch != it.epoch {
            let name = catalog.topic_partition(it.partition).map(|at| at.to_string()).unwrap_or_default();
            let text = format!("another member owns the partition by now: partition={name}");
            return Err(Error::new(ErrorKind::Fenced, text));
        }
        if it.offset < progress.offset || it.offset > end {
            let text = format!(
                "an offset that goes back or beyond the end: offset={} committed={} end={end}",
                it.offset, progress.offset
            );
            return Err(Error::invalid(text));
        }
    }
    Ok(())
}

/// A group can be dropped while a member of it is silent for too long.
fn check_known(catalog: &Catalog, group: GroupId) -> Result<()> {
    let group = catalog.group(group);
    if group.is_dropped {
        let text = format!("the group was dropped while this member was silent: join again: group={}", group.name);
        return Err(Error::new(ErrorKind::Unknown, text));
    }
    Ok(())
}

fn give_new_epochs(core: &Core, group: GroupId, partitions: &NewEpochs) {
    if partitions.is_empty() {
        return;
    }
    let mut writer = core.writer();
    for at in partitions {
        if let Ok(partition) = writer.catalog.partition_id(at) {
            writer.catalog.group_mut(group).progress.entry(partition).or_default().epoch += 1;
        }
    }
}

fn input(core: &Core, topics: &[TopicName]) -> Result<Input> {
    let mut counts = topics.iter().map(|topic| core.partition_count(topic).map(|count| (topic, count)));
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
