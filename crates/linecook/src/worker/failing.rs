//! What becomes of a record that a step has failed at.

use std::time::Duration;

use linecook_log::{Clock, Error, Result, Timestamp};

use super::{
    Hand, Taken,
    burst::Burst,
    dead_letters::{DeadLetter, Extent},
};
use crate::{Failure, failure::InTheEnd, service::Step};

/// Who is put off is not due again in the same commit, which would find the record as it was.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// What of a step's failures is told.
#[derive(Debug, Default)]
pub(super) struct Bursts {
    put_off: Burst,
    dead_letters: Burst,
}

/// What has come of a record at one step.
#[derive(Debug)]
pub(super) enum Handled {
    /// The step is through with it, be it by a dead letter.
    Done,
    /// It waits.
    Waits(Box<Wait>),
}

// Waits are boxed, and errors are, so that what comes of each record is handed back in two registers.
const _: () = assert!(size_of::<Result<Handled>>() == 2 * size_of::<usize>());

/// Why a record waits.
#[derive(Debug)]
pub(super) struct Wait {
    /// When it is tried again; without a time, when somebody redrives its key.
    pub(super) due: Option<Timestamp>,
    pub(super) failure: Failure,
}

impl Handled {
    fn waits(due: Option<Timestamp>, failure: Failure) -> Self {
        Self::Waits(Box::new(Wait { due, failure }))
    }
}

/// Why a record fails unseen by any handler.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refusal<'a> {
    pub(super) why: &'a Failure,
    /// How much of it goes into its letter.
    pub(super) extent: Extent,
    /// Whether a row of it may be kept.
    pub(super) may_wait: bool,
}

impl Hand {
    /// A step has failed at a record. Whether it is tried again, or what becomes of it else, is the policy's.
    ///
    /// # Errors
    /// `Invalid` when it may not be left out.
    pub(super) fn fail(
        &mut self,
        step: &Step,
        taken: &Taken<'_>,
        failure: Failure,
        clock: &dyn Clock,
    ) -> Result<Handled> {
        let policy = self.service.station(step.station).policy;
        let random = step.seed.attempt(taken.from.partition, taken.record.offset, taken.attempt);
        let wait = policy.wait(&failure, taken.attempt, &random).filter(|_| !taken.is_last);
        let Some(wait) = wait else {
            let refusal = Refusal { why: &failure, extent: Extent::Whole, may_wait: true };
            return self.fail_for_good(step, taken, refusal, clock);
        };
        self.undo();
        self.done.of_step(step.number).put_off += 1;
        if let Some(untold_count) = self.bursts[step.number].put_off.count(clock.monotonic()) {
            self.tell("a record is tried again later", step, taken, &failure, untold_count);
        }
        let due = clock.timestamp().plus(wait).max(taken.at.plus(SHORTEST_WAIT));
        Ok(Handled::waits(Some(due), failure))
    }

    /// A step has failed at a record, and is not to try again by itself.
    ///
    /// # Errors
    /// `Invalid` when it may not be left out.
    pub(super) fn fail_for_good(
        &mut self,
        step: &Step,
        taken: &Taken<'_>,
        refusal: Refusal<'_>,
        clock: &dyn Clock,
    ) -> Result<Handled> {
        self.undo();
        let Refusal { why, extent, may_wait } = refusal;
        let parks = match self.service.station(step.station).policy.in_the_end() {
            InTheEnd::Stop => {
                self.must_stop = true;
                let name = &self.service.steps()[step.number].name;
                let Taken { from, record, attempt, .. } = taken;
                let offset = record.offset;
                return Err(Error::invalid(format!(
                    "a record failed that may not be left out: stage={name} at={from} offset={offset} attempts={attempt}: \
                     {why}"
                )));
            }
            // Without a key there is nothing to be kept in order. What lies in a partition that is not its key's is not
            // what the rows of the table there are about.
            InTheEnd::Park => may_wait && taken.record.key.is_some() && !self.is_misplaced(step, taken),
            InTheEnd::Skip => false,
        };
        let counts = self.done.of_step(step.number);
        counts.dead_letters += 1;
        counts.records += u64::from(!parks);
        self.write_letter(step, taken, why, extent);
        if let Some(untold_count) = self.bursts[step.number].dead_letters.count(clock.monotonic()) {
            let what =
                if parks { "a record failed, and its key is parked" } else { "a record goes to the dead letters" };
            self.tell(what, step, taken, why, untold_count);
        }
        Ok(if parks { Handled::waits(None, why.clone()) } else { Handled::Done })
    }

    /// Nothing that the step has made of the record stays.
    fn undo(&mut self) {
        self.outputs.rollback();
        self.tally.drop_record();
    }

    fn tell(&self, what: &str, step: &Step, taken: &Taken<'_>, failure: &Failure, untold_count: u64) {
        let (service, stage) = (self.service.name(), &self.service.steps()[step.number].name);
        let Taken { from, record, .. } = taken;
        tracing::warn!(%service, stage, at = %from, offset = %record.offset, untold_count, "{what}: {failure}");
    }

    fn write_letter(&mut self, step: &Step, taken: &Taken<'_>, failure: &Failure, extent: Extent) {
        let letter = DeadLetter {
            service: self.service.name(),
            stage: &self.service.steps()[step.number].name,
            from: taken.from,
            record: taken.record,
            reason: failure.reason(),
            attempts: taken.attempt,
            first_failed_at: taken.first_failed_at.unwrap_or(taken.at),
            failed_at: taken.at,
            extent,
        };
        letter.write(&mut self.outputs);
    }
}
