//! What operators change.

use bytes::Bytes;
use linecook_log::{Headers, Member, Partition, Record, Result, Timestamp};

use super::{Kept, Lane, LaneName, Parked, Parking, layout};
use crate::dead_letters::Instruction;

/// Where a record waits, and which it is.
#[derive(Debug)]
pub(in crate::worker) struct Place<'a> {
    instruction: &'a Instruction<'a>,
    lane: LaneName,
}

impl<'a> Place<'a> {
    /// That which an instruction names.
    pub(in crate::worker) fn of(instruction: &'a Instruction<'a>) -> Self {
        let Instruction { key, offset, .. } = *instruction;
        let record = Record { offset, timestamp: Timestamp(0), key, value: None, headers: Headers::default() };
        let mut lane = Vec::new();
        layout::put_lane_name(&instruction.from, &record, &mut lane);
        Self { instruction, lane: lane.into() }
    }

    fn partition(&self) -> Partition {
        self.instruction.from.partition
    }

    fn row_key(&self) -> Bytes {
        layout::record_key(&self.lane, self.instruction.number)
    }

    /// Whether that is the record.
    fn is_of(&self, kept: &Kept) -> bool {
        let Instruction { from, offset, .. } = self.instruction;
        kept.from == *from && kept.batch.base() == *offset
    }
}

impl Parking {
    /// Whether anything of its key has changed since the last commit.
    pub(in crate::worker) fn has_changed(&self, place: &Place<'_>) -> bool {
        self.undo.contains_key(&(place.partition(), place.lane.clone()))
    }

    /// The record, as of the last commit, if it waits there.
    ///
    /// # Errors
    /// Those of `member`.
    pub(in crate::worker) fn find(&self, place: &Place<'_>, member: &mut dyn Member) -> Result<Option<Kept>> {
        let number = place.instruction.number;
        if !self.lane_at(place).is_some_and(|lane| (lane.first..lane.next).contains(&number)) {
            return Ok(None);
        }
        let Some(row) = member.get(&self.table, place.partition(), &place.row_key())? else { return Ok(None) };
        Ok(layout::read_record(&row)?.filter(|kept| place.is_of(kept)))
    }

    /// Whether no other of its key comes before it.
    pub(in crate::worker) fn is_first(&self, place: &Place<'_>) -> bool {
        self.lane_at(place).is_some_and(|lane| lane.first == place.instruction.number)
    }

    /// The first of a lane is due now, be it parked or not.
    pub(in crate::worker) fn release(&mut self, place: &Place<'_>, now: Timestamp) {
        let lane = self.lane(place.partition(), &place.lane);
        self.set(place.partition(), &place.lane, Some(Lane { due: Some(now), is_redriven: true, ..lane }));
    }

    /// A record gets another value, and goes on waiting as it did.
    pub(in crate::worker) fn edit(&mut self, place: &Place<'_>, kept: &Kept, value: Option<&[u8]>) {
        let Kept { from, batch, attempts, first_failed_at, last_failed_at, reason } = kept;
        for record in batch.records() {
            let (record, reason) = (Record { value, ..record }, reason.as_str());
            let (first_failed_at, last_failed_at) = (*first_failed_at, *last_failed_at);
            let parked = Parked { from, record, attempts: *attempts, first_failed_at, last_failed_at, reason };
            self.put_record(&place.lane, place.instruction.number, &parked);
        }
        // Its row has changed, and the next instruction for it reads that.
        let lane = self.lane(place.partition(), &place.lane);
        self.set(place.partition(), &place.lane, Some(lane));
    }

    /// A record is left out.
    pub(in crate::worker) fn discard(&mut self, place: &Place<'_>, now: Timestamp) {
        if self.is_first(place) {
            return self.finish_first(place.partition(), &place.lane, now);
        }
        self.put_row(place.partition(), place.row_key(), Some(layout::discarded_value()));
        let lane = self.lane(place.partition(), &place.lane);
        self.set(place.partition(), &place.lane, Some(lane));
    }

    fn lane_at(&self, place: &Place<'_>) -> Option<Lane> {
        self.lanes.get(&place.partition())?.by_name.get(&place.lane).copied()
    }
}
