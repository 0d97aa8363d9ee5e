//! A member of a group on the embedded log.

mod commit;
mod owned;
mod spec;

use std::{
    sync::Arc,
    task::{self, Waker},
    time::Duration,
};

use bytes::Bytes;
use linecook_log::{
    Acknowledgement, Assignment, Commit, Error, ErrorKind, Fetch, Member, MemberSpec, Partition, Poll, Result, Row,
    Scan, TableName, Ticket, TopicName, TopicPartition, waiting::Wakeup,
};
use linecook_rows::{Lookup, Number, Overlay};

pub(crate) use self::spec::{MemberTable, inputs};
use self::{
    commit::{check_known, check_offsets},
    owned::Owned,
};
use crate::{
    catalog::{GroupId, TableId},
    coordinator::{Change, Coordinator, Input, Joining, MemberId, NewEpochs},
    engine::Engine,
    outside::{Awaited, SeenAck},
    payload, row_store,
};

pub(crate) struct EmbeddedMember {
    engine: Arc<Engine>,
    group: GroupId,
    id: MemberId,
    wakeup: Arc<Wakeup>,
    max_silence: Duration,
    /// The topics in the order in which they are polled.
    topics: Vec<TopicName>,
    tables: Vec<MemberTable>,
    /// In the order of `topics`.
    owned: Vec<Owned>,
    /// Owned partitions that it is told of when the rows of their owner before are all in the store.
    arriving: Option<Arriving>,
    /// What it was told to give up with its last poll.
    revoking: Vec<TopicPartition>,
    /// Why the last poll, which had records, had not those of another partition; the next one says so first. Otherwise
    /// partitions that always have records could keep it from being heard of.
    unread: Option<Error>,
    /// What it has committed and the store does not have yet. It is the only one who writes these rows.
    overlay: Overlay,
}

struct Arriving {
    partitions: Vec<TopicPartition>,
    /// That the store has all the rows of their owner before.
    complete: SeenAck,
}

impl EmbeddedMember {
    /// Joins the group, whose coordinator has checked the inputs.
    pub(crate) fn join(
        engine: &Arc<Engine>,
        coordinator: &mut Coordinator,
        spec: &MemberSpec,
        inputs: Vec<Input>,
        (group, tables): (GroupId, Vec<MemberTable>),
    ) -> Self {
        let wakeup = Arc::new(Wakeup::default());
        let name = (spec.instance.clone(), spec.worker);
        let joining = Joining { name, inputs, max_silence: spec.max_silence, wakeup: Arc::clone(&wakeup) };
        let (id, new_epochs) = coordinator.join(group, joining, engine.clock.monotonic());
        give_new_epochs(engine, group, &new_epochs);
        engine.wake_at_end(&wakeup);
        let topics = spec.topics();
        Self {
            engine: Arc::clone(engine),
            group,
            id,
            wakeup,
            max_silence: spec.max_silence,
            topics,
            tables,
            owned: Vec::new(),
            arriving: None,
            revoking: Vec::new(),
            unread: None,
            overlay: Overlay::default(),
        }
    }

    fn change(&mut self) -> Change {
        let engine = Arc::clone(&self.engine);
        let mut coordinator = engine.coordinator.lock();
        let (change, new_epochs) = coordinator.poll(self.group, self.id, engine.clock.monotonic());
        // Under the coordinator's lock: nobody is told of a new owner before the old one is fenced.
        give_new_epochs(&engine, self.group, &new_epochs);
        change
    }

    fn assigned(&mut self, partitions: Vec<TopicPartition>) -> Result<()> {
        let writer = self.engine.writer();
        check_known(&writer.catalog, self.group)?;
        for at in &partitions {
            let partition = writer.catalog.partition_id(at)?;
            let progress = writer.catalog.group(self.group).progress.get(&partition).copied().unwrap_or_default();
            let start = self.engine.segments.start(partition);
            let tail = Arc::clone(writer.tail(partition));
            tail.watch(&self.wakeup);
            self.owned.push(Owned {
                at: at.clone(),
                rank: self.topics.iter().position(|topic| *topic == at.topic).unwrap_or(usize::MAX),
                partition,
                epoch: progress.epoch,
                position: progress.offset.max(start),
                is_paused: false,
                cursor: None,
                tail,
            });
        }
        self.owned.sort_by_key(|owned| owned.rank);
        // Others may still be on their way.
        let mut all = self.arriving.take().map_or_else(Vec::new, |before| before.partitions);
        all.extend(partitions);
        let complete = SeenAck { outside: Arc::clone(&self.engine.outside), awaited: Awaited::Commit(writer.number) };
        self.arriving = Some(Arriving { partitions: all, complete });
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
        if !partitions.is_empty() {
            self.unread = None; // it may speak of one of them
        }
        for gone in self.owned.extract_if(.., |owned| partitions.contains(&owned.at)) {
            gone.tail.unwatch(&self.wakeup);
        }
    }

    /// The partitions that have arrived, if their rows are complete; else `wakeup` is raised when they are.
    fn arrived(&mut self) -> Option<Poll> {
        let waker = Waker::from(Arc::clone(&self.wakeup));
        match self.arriving.as_ref()?.complete.poll(&waker) {
            task::Poll::Ready(Ok(())) => {}
            // An error: the log is over, and says so itself.
            task::Poll::Ready(Err(_)) | task::Poll::Pending => return None,
        }
        // What it still holds of a partition that it owned before is older than the store by now.
        self.overlay.retire(Number(self.engine.outside.number().0));
        let arriving = self.arriving.take()?;
        let owned = self.owned.iter().filter(|owned| arriving.partitions.contains(&owned.at));
        let assignment = |owned: &Owned| Assignment { partition: owned.at.clone(), position: owned.position };
        Some(Poll::Assigned(owned.map(assignment).collect()))
    }

    /// Records of what it was told to own. Earlier topics first, but never all of the room for them: a flood of the first must not starve the others.
    ///
    /// A partition that cannot be read ends it, but what was found before is handed out: its positions have moved on.
    fn fetch(&mut self, max_bytes: usize) -> Result<Vec<Fetch>> {
        if let Some(error) = self.unread.take() {
            return Err(error);
        }
        let arriving = self.arriving.as_ref().map_or(&[][..], |arriving| &arriving.partitions);
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
                if owned.is_paused || arriving.contains(&owned.at) {
                    continue;
                }
                let share = budget.div_ceil(count - index).max(1);
                let taken = match owned.fetch(&self.engine, share, &mut found) {
                    Ok(taken) => taken,
                    Err(error) if found.is_empty() => return Err(error),
                    Err(error) => {
                        self.unread = Some(error);
                        return Ok(found);
                    }
                };
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

    fn table(&self, table: &TableName) -> Result<&MemberTable> {
        let found = self.tables.iter().find(|it| it.name == *table);
        found.ok_or_else(|| Error::invalid(format!("the member did not join with this table: table={table}")))
    }

    /// The table, if rows of that partition are this member's.
    fn owned_table(&self, table: &TableName, partition: Partition) -> Result<TableId> {
        self.engine.check()?;
        let table = self.table(table)?;
        if self.owned.iter().any(|owned| table.is_kept_of(&owned.at, partition)) {
            return Ok(table.id);
        }
        let text = format!("the partition is not owned: table={} partition={partition}", table.name);
        Err(Error::new(ErrorKind::Fenced, text))
    }

    /// After a commit that did not happen: what it was to consume is polled again.
    fn rewind(&mut self) {
        self.rewind_some(|_| true);
    }

    fn rewind_some(&mut self, is_wanted: impl Fn(&Owned) -> bool) {
        let writer = self.engine.writer();
        let progress = &writer.catalog.group(self.group).progress;
        for owned in self.owned.iter_mut().filter(|owned| is_wanted(owned)) {
            let committed = progress.get(&owned.partition).map(|progress| progress.offset).unwrap_or_default();
            owned.position = committed.max(self.engine.segments.start(owned.partition));
        }
    }

    fn owned_mut(&mut self, at: &TopicPartition) -> Result<&mut Owned> {
        self.engine.check()?;
        self.owned(at)?;
        Ok(self.owned.iter_mut().find(|owned| owned.at == *at).expect("it was just found"))
    }

    fn was_replaced(&mut self) -> Error {
        let owned: Vec<_> = self.owned.iter().map(|owned| owned.at.clone()).collect();
        self.disown(&owned);
        self.arriving = None;
        self.overlay.clear();
        Error::new(
            ErrorKind::Fenced,
            "another member has joined under this one's name: its instance and worker are the same",
        )
    }

    fn give_up(&mut self) {
        let mut coordinator = self.engine.coordinator.lock();
        let new_epochs = coordinator.leave(self.group, self.id);
        give_new_epochs(&self.engine, self.group, &new_epochs);
        drop(coordinator);
        for owned in self.owned.drain(..) {
            owned.tail.unwatch(&self.wakeup);
        }
        self.engine.forget_sleeper(&self.wakeup);
    }
}

impl Member for EmbeddedMember {
    fn poll(&mut self, max_wait: Duration, max_bytes: usize) -> Result<Poll> {
        let deadline = self.engine.clock.monotonic().saturating_add(max_wait);
        self.overlay.retire(Number(self.engine.outside.number().0));
        let given_up = std::mem::take(&mut self.revoking);
        self.disown(&given_up);
        loop {
            self.engine.check()?;
            let left = deadline.saturating_sub(self.engine.clock.monotonic());
            match self.change() {
                Change::None => {}
                Change::Replaced => return Err(self.was_replaced()),
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
            if let Some(poll) = self.arrived() {
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

    fn pause(&mut self, partition: &TopicPartition) -> Result<()> {
        self.owned_mut(partition)?.is_paused = true;
        Ok(())
    }

    fn resume(&mut self, partition: &TopicPartition) -> Result<()> {
        if std::mem::take(&mut self.owned_mut(partition)?.is_paused) {
            self.rewind_some(|owned| owned.at == *partition);
        }
        Ok(())
    }

    fn get(&mut self, table: &TableName, partition: Partition, key: &[u8]) -> Result<Option<Bytes>> {
        let key = payload::row_key(self.owned_table(table, partition)?, partition, key);
        match self.overlay.get(&key) {
            Lookup::Row(value) => Ok(Some(value.clone())),
            Lookup::Deleted => Ok(None),
            Lookup::NotRecorded => self.engine.store.read(|rows| rows.get(&key).map_err(row_store::as_log_error)),
        }
    }

    fn scan(&mut self, table: &TableName, partition: Partition, scan: Scan<'_>) -> Result<Vec<Row>> {
        let range = row_store::range(self.owned_table(table, partition)?, partition, scan);
        self.engine.store.read(|snapshot| row_store::collect(self.overlay.scan(snapshot, range), scan.limit))
    }

    fn commit(&mut self, mut commit: Commit) -> Result<Ticket> {
        self.engine.check()?;
        let prepared = self.prepare(&mut commit).inspect_err(|_| self.rewind())?;
        let changed: Vec<_> = prepared.rows.clone();
        let offsets = prepared.offsets.clone();
        let committed = self.engine.commit(prepared, |catalog| check_offsets(catalog, &offsets));
        let number = committed.inspect_err(|_| self.rewind())?;
        for (key, value) in changed {
            self.overlay.record(Number(number.0), key, value);
        }
        Ok(self.engine.seen(Awaited::Commit(number)))
    }

    fn leave(self: Box<Self>) -> Result<()> {
        self.engine.check()
    }
}

impl Drop for EmbeddedMember {
    fn drop(&mut self) {
        self.give_up();
    }
}

fn give_new_epochs(engine: &Engine, group: GroupId, partitions: &NewEpochs) {
    if partitions.is_empty() {
        return;
    }
    let mut writer = engine.writer();
    for at in partitions {
        if let Ok(partition) = writer.catalog.partition_id(at) {
            writer.catalog.group_mut(group).progress.entry(partition).or_default().epoch += 1;
        }
    }
}
