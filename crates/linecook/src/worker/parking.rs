//! Records that wait, and those behind them.
//!
//! ```text
//!  a station (stage or table), a partition
//!
//!    lane of key "7"    12:00:03 ◄─┬─ record 4, tried twice ─ record 5 ─ record 6
//!    lane of key "12"   12:00:01 ◄─┴─ record 0, tried once
//!    lane of key "31"   parked   ◄─── record 2, failed ─ record 9
//! ```
//!
//! A record that is to be tried again, or to be given to its station in a commit without others, is the first of a *lane*;
//! later records of its key queue up behind it, whatever topic of the station they are from. A lane whose first record has
//! failed for good may be *parked*: then it is due when somebody redrives it. All of it are rows of a table beside the
//! station, written in the commit that moves the offsets past them, so other keys go on and a restart loses nothing. In
//! memory is when each lane is due, and how long it is: with no lanes a record costs one look at an empty map.

mod beginning;
mod lanes;
mod layout;
mod place;
mod rows;

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    time::Duration,
};

use bytes::Bytes;
use linecook_log::{
    Error, ErrorKind, GroupName, Member, Partition, Record, Result, RowChange, Scan, TableName, Timestamp,
    TopicPartition,
};

pub(super) use self::beginning::Beginning;
use self::lanes::{Lane, Lanes};
pub(crate) use self::layout::Kept;
pub(super) use self::place::Place;
pub(crate) use self::rows::{WaitingKey, read_waiting};

/// The name of a lane: that of a key, or of a single record that has none.
pub(super) type LaneName = Bytes;

/// A record that begins to wait, or goes on.
#[derive(Debug)]
pub(super) struct Parked<'a> {
    pub(super) from: &'a TopicPartition,
    pub(super) record: Record<'a>,
    /// How often it was tried; never, if it waits behind another, or was taken apart.
    pub(super) attempts: u16,
    pub(super) first_failed_at: Timestamp,
    pub(super) last_failed_at: Timestamp,
    pub(super) reason: &'a str,
}

impl<'a> Parked<'a> {
    /// One that has not been tried.
    fn untried(from: &'a TopicPartition, record: &Record<'a>) -> Self {
        let never = Timestamp(0);
        Self { from, record: *record, attempts: 0, first_failed_at: never, last_failed_at: never, reason: "" }
    }
}

/// How much waits in a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct WaitingCounts {
    pub(crate) records: u64,
    /// Keys that wait for a redrive.
    pub(crate) parked_keys: usize,
}

/// What waits for one station, as a worker has it in hand.
#[derive(Debug)]
pub(super) struct Parking {
    service: GroupName,
    table: TableName,
    /// How many records of a partition may wait.
    limit: u64,
    /// Nothing is due later than that from now: what is was put off by a clock that has been put back since, or under another
    /// policy, and is due now.
    longest_wait: Duration,
    /// Partitions with no lanes are left out.
    lanes: BTreeMap<Partition, Lanes>,
    /// Partitions whose rows were not read yet.
    unread: BTreeSet<Partition>,
    /// Rows of records that were changed since the last commit.
    rows: Vec<RowChange>,
    rows_bytes: usize,
    /// What the lanes that were changed since the last commit were at that commit.
    undo: BTreeMap<(Partition, LaneName), Option<Lane>>,
    /// Partitions whose number of records has changed, as of the last commit.
    changed: BTreeSet<Partition>,
    /// The name of a lane that is looked for, in an allocation that is used again.
    name: Vec<u8>,
}

/// What is put off waits from when its handler has ended. So what is tried again may be due as much later than the policy's
/// longest wait from when its commit was begun, and is not to be taken for what a clock has done: it would be tried for ever
/// in that commit. Whose handlers take longer is put out.
const HANDLERS_TAKE_LESS: Duration = Duration::from_secs(120);

/// How many rows are read at a time.
const PAGE_ROWS: usize = 1_000;

impl Parking {
    pub(super) fn new(service: &GroupName, table: &TableName, longest_wait: Duration, limit: u64) -> Self {
        Self {
            service: service.clone(),
            table: table.clone(),
            limit: limit.max(1),
            longest_wait: longest_wait.saturating_add(HANDLERS_TAKE_LESS),
            lanes: BTreeMap::new(),
            unread: BTreeSet::new(),
            rows: Vec::new(),
            rows_bytes: 0,
            undo: BTreeMap::new(),
            changed: BTreeSet::new(),
            name: Vec::new(),
        }
    }

    /// This partition is owned from here on; what waits there is in its rows.
    pub(super) fn assign(&mut self, partition: Partition) {
        self.lanes.remove(&partition);
        self.unread.insert(partition);
    }

    /// This partition is not owned any longer.
    pub(super) fn give_up(&mut self, partition: Partition) {
        self.lanes.remove(&partition);
        self.unread.remove(&partition);
    }

    /// Reads what waits in the partitions that were assigned.
    ///
    /// # Errors
    /// Those of `member`; what was not read is read next time.
    pub(super) fn read(&mut self, member: &mut dyn Member) -> Result<()> {
        while let Some(partition) = self.unread.first().copied() {
            let mut lanes = Lanes::default();
            let mut after = Bytes::new();
            loop {
                let scan = Scan { after: Some(&after), limit: PAGE_ROWS, ..Scan::prefix(layout::LANES) };
                let page = member.scan(&self.table, partition, scan)?;
                for (key, value) in &page {
                    lanes.set(&layout::lane_of(key), Some(layout::read_lane(value)?));
                }
                match page.into_iter().nth(PAGE_ROWS - 1) {
                    Some((last, _)) => after = last,
                    None => break,
                }
            }
            self.unread.remove(&partition);
            self.changed.insert(partition);
            if !lanes.by_name.is_empty() {
                self.lanes.insert(partition, lanes);
            }
        }
        Ok(())
    }

    /// Whether nothing waits, and nothing is left to be read.
    pub(super) fn is_empty(&self) -> bool {
        self.lanes.is_empty() && self.unread.is_empty()
    }

    /// The lane of each partition that is due first, when it is, and where.
    pub(super) fn first_due_of_each(&self, now: Timestamp) -> impl Iterator<Item = (Timestamp, Partition, &LaneName)> {
        self.lanes.keys().filter_map(move |at| self.first_due_of(*at, now).map(|(due, name)| (due, *at, name)))
    }

    /// That of one partition.
    pub(super) fn first_due_of(&self, partition: Partition, now: Timestamp) -> Option<(Timestamp, &LaneName)> {
        let by_due = &self.lanes.get(&partition)?.by_due;
        if let Some((_, name)) = by_due.last().filter(|(due, _)| *due > now.plus(self.longest_wait)) {
            return Some((now, name));
        }
        by_due.first().map(|(due, name)| (*due, name))
    }

    /// Whether records of that key wait in that partition.
    pub(super) fn holds_key(&self, at: Partition, key: &[u8]) -> bool {
        self.lanes.get(&at).is_some_and(|lanes| lanes.by_name.contains_key(&layout::lane_name_of(key)[..]))
    }

    /// How many records wait in that partition.
    pub(super) fn record_count(&self, partition: Partition) -> u64 {
        self.lanes.get(&partition).map_or(0, |lanes| lanes.record_count)
    }

    /// Whether one record more of that partition may wait.
    pub(super) fn has_room(&self, partition: Partition) -> bool {
        self.record_count(partition) < self.limit
    }

    /// Whether so many more may wait that it is worth while to take some. What is parked does not become less by itself, so
    /// where nothing else waits any room will do.
    pub(super) fn has_much_room(&self, partition: Partition) -> bool {
        let is_all_parked = self.lanes.get(&partition).is_none_or(|lanes| lanes.by_due.is_empty());
        self.record_count(partition) <= self.limit / 2 || (is_all_parked && self.has_room(partition))
    }

    /// Lets a record wait behind those of its key, if some wait. Returns whether it does.
    pub(super) fn queue_behind(&mut self, from: &TopicPartition, record: &Record<'_>) -> bool {
        let Some(lanes) = self.lanes.get(&from.partition) else { return false };
        layout::put_lane_name(from, record, &mut self.name);
        let Some((name, lane)) = lanes.by_name.get_key_value(&self.name[..]) else { return false };
        let (name, lane) = (name.clone(), *lane);
        self.put_record(&name, lane.next, &Parked::untried(from, record));
        self.set(from.partition, &name, Some(Lane { next: lane.next + 1, ..lane }));
        true
    }

    /// Lets a record wait that was not tried: behind those of its key if some wait, to be due at that time if none does.
    pub(super) fn wait_untried(&mut self, from: &TopicPartition, record: &Record<'_>, due: Timestamp) {
        if !self.queue_behind(from, record) {
            self.begin(&Parked::untried(from, record), Some(due));
        }
    }

    /// A record of a key of which none waits begins to. Without a time at which it is due, its lane is parked.
    pub(super) fn begin(&mut self, parked: &Parked<'_>, due: Option<Timestamp>) {
        debug_assert!(!self.unread.contains(&parked.from.partition), "what waits is read before records are taken");
        layout::put_lane_name(parked.from, &parked.record, &mut self.name);
        let name = Bytes::copy_from_slice(&self.name);
        self.put_record(&name, 0, parked);
        self.set(parked.from.partition, &name, Some(Lane { due, is_redriven: false, first: 0, next: 1 }));
    }

    /// The first record of a lane, as of the last commit; `None` if it was discarded while it waited.
    ///
    /// # Errors
    /// Those of `member`; `Fenced` when it is not there: another owner has handled it.
    pub(super) fn first(&self, at: Partition, name: &LaneName, member: &mut dyn Member) -> Result<Option<Kept>> {
        let row = member.get(&self.table, at, &layout::record_key(name, self.lane(at, name).first))?;
        let missing = || {
            let text = format!("what waits here is another's by now: table={} partition={at}", self.table);
            Error::new(ErrorKind::Fenced, text)
        };
        layout::read_record(&row.ok_or_else(missing)?)
    }

    /// Whether the first record of a lane is tried since somebody has redriven it.
    pub(super) fn is_redriven(&self, at: Partition, name: &LaneName) -> bool {
        self.lane(at, name).is_redriven
    }

    /// The first record of a lane goes on waiting, or parks its lane.
    pub(super) fn put_off(&mut self, name: &LaneName, parked: &Parked<'_>, due: Option<Timestamp>) {
        let at = parked.from.partition;
        let lane = self.lane(at, name);
        self.put_record(name, lane.first, parked);
        self.set(at, name, Some(Lane { due, is_redriven: false, ..lane }));
    }

    /// The first record of a lane waits no longer. The next one is due now, after those that have been due for longer.
    pub(super) fn finish_first(&mut self, at: Partition, name: &LaneName, now: Timestamp) {
        let lane = self.lane(at, name);
        self.put_row(at, layout::record_key(name, lane.first), None);
        let rest = Lane { due: Some(now), is_redriven: false, first: lane.first + 1, ..lane };
        self.set(at, name, (rest.length() > 0).then_some(rest));
    }

    /// Appends the rows that were changed since the last commit.
    pub(super) fn take(&mut self, changes: &mut Vec<RowChange>) {
        changes.append(&mut self.rows);
        self.rows_bytes = 0;
        for (at, name) in self.undo.keys() {
            let lane = self.lanes.get(at).and_then(|lanes| lanes.by_name.get(name));
            let (key, value) = (layout::lane_key(name), lane.map(layout::lane_value));
            changes.push(RowChange { table: self.table.clone(), partition: *at, key, value });
        }
    }

    /// The size of the rows of records that were changed since the last commit.
    pub(super) fn size_bytes(&self) -> usize {
        self.rows_bytes
    }

    /// The changes since the last commit were committed.
    pub(super) fn committed(&mut self) {
        self.changed.extend(mem::take(&mut self.undo).into_keys().map(|(at, _)| at));
    }

    /// How much waits, of each partition where that is not what it was when this was asked last.
    pub(super) fn take_counts(&mut self) -> impl Iterator<Item = (Partition, WaitingCounts)> {
        let changed = mem::take(&mut self.changed);
        let counted = |lanes: &Lanes| WaitingCounts { records: lanes.record_count, parked_keys: lanes.parked_count() };
        let waiting = move |at| (at, self.lanes.get(&at).map_or_else(WaitingCounts::default, counted));
        changed.into_iter().map(waiting)
    }

    /// Undoes the changes since the last commit.
    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.rows_bytes = 0;
        for ((at, name), lane) in mem::take(&mut self.undo) {
            self.set_lane(at, &name, lane);
        }
    }

    fn lane(&self, at: Partition, name: &LaneName) -> Lane {
        self.lanes[&at].by_name[name]
    }

    fn set(&mut self, at: Partition, name: &LaneName, lane: Option<Lane>) {
        let before = self.set_lane(at, name, lane);
        self.undo.entry((at, name.clone())).or_insert(before);
    }

    fn set_lane(&mut self, at: Partition, name: &LaneName, lane: Option<Lane>) -> Option<Lane> {
        let lanes = self.lanes.entry(at).or_default();
        let before = lanes.set(name, lane);
        if lanes.by_name.is_empty() {
            self.lanes.remove(&at);
        }
        before
    }

    fn put_record(&mut self, name: &LaneName, number: u64, parked: &Parked<'_>) {
        let value = layout::record_value(&self.service, parked);
        self.put_row(parked.from.partition, layout::record_key(name, number), Some(value));
    }

    fn put_row(&mut self, partition: Partition, key: Bytes, value: Option<Bytes>) {
        let change = RowChange { table: self.table.clone(), partition, key, value };
        self.rows_bytes += change.size_bytes();
        self.rows.push(change);
    }
}

#[cfg(test)]
mod tests;
