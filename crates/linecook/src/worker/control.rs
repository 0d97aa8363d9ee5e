//! Doing what operators say about what waits.
//!
//! What an instruction changes is rows as of the last commit. So where the same key has changed since, that is committed
//! first; a thousand instructions for a thousand keys are still one commit.

use linecook_log::{Member, Result, Timestamp};

use super::{
    Hand, InputIndex, Taken,
    parking::{Parking, Place},
};
use crate::dead_letters::{Action, Instruction};

/// What has come of an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Done,
    /// The record waits there no longer: it was handled, or somebody was faster.
    Gone,
    /// Records of its key come before it.
    NotFirst,
}

impl Hand {
    /// Whether a record of this input is an instruction for a key that has changed since the last commit.
    pub(super) fn waits_for_commit(&self, taken: &Taken<'_>) -> bool {
        let Ok(instruction) = Instruction::read(taken.record) else { return false };
        let parking = self.parking_of(taken.input, &instruction);
        parking.is_some_and(|index| self.parkings[index].has_changed(&Place::of(&instruction)))
    }

    /// Does what an instruction says.
    ///
    /// # Errors
    /// Those of `member`.
    pub(super) fn obey(&mut self, taken: &Taken<'_>, member: &mut dyn Member) -> Result<()> {
        self.count(taken);
        let service = self.service.name();
        let instruction = match Instruction::read(taken.record) {
            Ok(instruction) => instruction,
            Err(why) => {
                tracing::warn!(%service, at = %taken.from, offset = %taken.record.offset, "no instruction: {why}");
                return Ok(());
            }
        };
        // A commit changes what waits in the partitions that it speaks for.
        let is_here = instruction.from.partition == taken.from.partition;
        let outcome = match self.parking_of(taken.input, &instruction).filter(|_| is_here) {
            Some(index) => obey(&mut self.parkings[index], &instruction, taken.at, member)?,
            None => Outcome::Gone,
        };
        let Instruction { action, table, from, offset, .. } = &instruction;
        if (*action, outcome) == (Action::Redrive, Outcome::Done) {
            // There may be ten thousand, and what comes of each is told.
            tracing::debug!(%service, %table, %from, %offset, "redriven");
            return Ok(());
        }
        let what = match outcome {
            Outcome::Done => "done as an operator said",
            Outcome::Gone => "nothing to be done: the record does not wait there any more",
            Outcome::NotFirst => "nothing to be done: the record waits behind others of its key",
        };
        tracing::info!(%service, instruction = action.name(), %table, %from, %offset, "{what}");
        Ok(())
    }

    fn parking_of(&self, input: InputIndex, instruction: &Instruction<'_>) -> Option<usize> {
        let controls = &self.service.inputs()[input.0].controls;
        let station = controls.iter().find(|station| self.service.station(**station).parked == instruction.table)?;
        Some(station.0)
    }
}

fn obey(
    parking: &mut Parking,
    instruction: &Instruction<'_>,
    now: Timestamp,
    member: &mut dyn Member,
) -> Result<Outcome> {
    let place = Place::of(instruction);
    let Some(kept) = parking.find(&place, member)? else { return Ok(Outcome::Gone) };
    match instruction.action {
        Action::Redrive if !parking.is_first(&place) => return Ok(Outcome::NotFirst),
        Action::Redrive => parking.release(&place, now),
        Action::Edit => parking.edit(&place, &kept, instruction.value),
        Action::Discard => parking.discard(&place, now),
    }
    Ok(Outcome::Done)
}
