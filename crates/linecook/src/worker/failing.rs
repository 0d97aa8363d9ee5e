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
    /// It is to be tried again at that time.
    PutOff { due: Timestamp, failure: Failure },
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
        let Some(wait) = policy.wait(&failure, taken.attempt, &random) else {
            return self.fail_for_good(step, taken, &failure, Extent::Whole, clock).map(|()| Handled::Done);
        };
        self.undo();
        self.done.of_step(step.number).put_off += 1;
        if let Some(untold_count) = self.bursts[step.number].put_off.count(clock.monotonic()) {
            self.tell("a record is tried again later", step, taken, &failure, untold_count);
        }
        let due = clock.timestamp().plus(wait).max(taken.at.plus(SHORTEST_WAIT));
        Ok(Handled::PutOff { due, failure })
    }

    /// A step has failed at a record, of which that much goes into its letter, and is not to try again.
    ///
    /// # Errors
    /// `Invalid` when it may not be left out.
    pub(super) fn fail_for_good(
        &mut self,
        step: &Step,
        taken: &Taken<'_>,
        failure: &Failure,
        extent: Extent,
        clock: &dyn Clock,
    ) -> Result<()> {
        self.undo();
        if self.service.station(step.station).policy.in_the_end() == InTheEnd::Stop {
            self.must_stop = true;
            let name = &self.service.steps()[step.number].name;
            let Taken { from, record, attempt, .. } = taken;
            return Err(Error::invalid(format!(
                "a record failed that may not be left out: stage={name} at={from} offset={} attempts={attempt}: {failure}",
                record.offset
            )));
        }
        let counts = self.done.of_step(step.number);
        counts.records += 1;
        counts.dead_letters += 1;
        self.write_letter(step, taken, failure, extent);
        if let Some(untold_count) = self.bursts[step.number].dead_letters.count(clock.monotonic()) {
            self.tell("a record goes to the dead letters", step, taken, failure, untold_count);
        }
        Ok(())
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
            record: &taken.record,
            reason: failure.reason(),
            attempts: taken.attempt,
            first_failed_at: taken.first_failed_at.unwrap_or(taken.at),
            failed_at: taken.at,
            extent,
        };
        letter.write(&mut self.outputs);
    }
}
