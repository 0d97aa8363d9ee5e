//! What a worker has in hand: what the records taken since the last commit have led to.

use std::{cell::OnceCell, sync::Arc};

use linecook_log::{
    Clock, Commit, Error, Member, Offset, Partition, Record, Result, Timestamp, TopicName, TopicPartition, TopicSpec,
    partition_of,
};

use super::{
    Outputs, TargetIndex,
    dead_letters::Extent,
    done::Done,
    failing::{Bursts, Handled, Refusal},
    parking::{Parked, Parking},
    queue::InputIndex,
};
use crate::{
    Context, Failure, Service,
    counter::{Counted, Tally},
    failure::guarded,
    service::{Input, Misplaced, Role, Station, Step, Work},
    table::{DeclaredTable, TableInHand},
};

/// See the [module](self).
pub(crate) struct Hand {
    pub(super) service: Arc<Service>,
    /// The partition count of each input.
    partition_counts: Vec<u32>,
    pub(super) outputs: Outputs,
    tables: Vec<Box<dyn TableInHand>>,
    /// What waits for each station.
    pub(super) parkings: Vec<Parking>,
    /// Whether something may wait for one of them: most of the time nothing does, and a record costs one look at this.
    pub(super) is_parking: bool,
    pub(super) tally: Tally,
    pub(super) done: Done,
    pub(super) bursts: Vec<Bursts>,
    record_count: usize,
    /// The first of them.
    first: Option<(TopicPartition, Offset)>,
    /// The last of them has failed where nothing may be left out.
    pub(super) must_stop: bool,
}

/// A record, where it lies, and when it was taken in hand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken<'a> {
    pub(crate) input: InputIndex,
    pub(crate) from: &'a TopicPartition,
    /// Referred to, not moved: a move reads two of its fields at a time, which were written one by one a moment ago, and the
    /// processor has to wait for such a store.
    pub(crate) record: &'a Record<'a>,
    pub(crate) at: Timestamp,
    /// Which attempt at it this is, from 1, and when the first one failed, if there was one before.
    pub(crate) attempt: u16,
    pub(crate) first_failed_at: Option<Timestamp>,
    /// Whatever the policy lets it have, it is not tried again by itself.
    pub(crate) is_last: bool,
}

impl<'a> Taken<'a> {
    /// A record that is taken in hand for the first time.
    pub(crate) fn new(input: InputIndex, from: &'a TopicPartition, record: &'a Record<'a>, at: Timestamp) -> Self {
        Self { input, from, record, at, attempt: 1, first_failed_at: None, is_last: false }
    }

    /// As it waits after having failed.
    pub(super) fn parked<'b>(&'b self, failure: &'b Failure) -> Parked<'b> {
        Parked {
            from: self.from,
            record: *self.record,
            attempts: self.attempt,
            first_failed_at: self.first_failed_at.unwrap_or(self.at),
            last_failed_at: self.at,
            reason: failure.reason(),
        }
    }
}

impl Hand {
    /// An empty one.
    ///
    /// # Errors
    /// `Invalid` when a topic does not exist, or one that a stage writes has another partition count than the one it
    /// reads.
    pub(crate) fn new(service: &Arc<Service>, topics: &[TopicSpec], waiting_records: u64) -> Result<Self> {
        check_stages(service, topics)?;
        check_repartitions(service, topics)?;
        let with_count = |topic: &TopicName| Ok((topic.clone(), partition_count(topic, topics)?));
        let targets = service.targets().iter().map(with_count).collect::<Result<_>>()?;
        let inputs = service.inputs().iter().map(|input| partition_count(&input.topic, topics));
        let parking = |station: &Station| {
            Parking::new(service.name(), &station.parked, station.policy.longest_wait(), waiting_records)
        };
        Ok(Self {
            partition_counts: inputs.collect::<Result<_>>()?,
            outputs: Outputs::new(service.name(), targets),
            tables: service.tables().map(DeclaredTable::in_hand).collect(),
            parkings: service.stations().iter().map(parking).collect(),
            is_parking: false,
            tally: Tally::default(),
            done: Done::new(service.steps().len(), service.inputs().len()),
            bursts: service.steps().iter().map(|_| Bursts::default()).collect(),
            record_count: 0,
            first: None,
            must_stop: false,
            service: Arc::clone(service),
        })
    }

    /// The records taken next are those of that partition.
    pub(crate) fn begin_source(&mut self, input: InputIndex, from: &TopicPartition, now: Timestamp, attempt: u16) {
        self.done.begin(from.partition);
        self.is_parking = !self.parkings.iter().all(Parking::is_empty);
        self.outputs.begin_source(from, self.partition_counts[input.0], now, attempt);
    }

    /// Gives a record to every stage and table that reads its topic. A failure of one of them is dealt with in here.
    /// Where records of its key wait, it waits behind them. When it lies in a partition that is not its key's, tables of
    /// keys do not get it: it is moved.
    ///
    /// `input` is the service's input that the record is of: whoever takes a batch looks it up once.
    ///
    /// # Errors
    /// Those of `member`; `Invalid` when it has failed at a step whose policy is to stop.
    pub(crate) fn take(
        &mut self,
        input: &Input,
        taken: Taken<'_>,
        member: &mut dyn Member,
        clock: &dyn Clock,
    ) -> Result<()> {
        debug_assert!(std::ptr::eq(input, &raw const self.service.inputs()[taken.input.0]), "of another input");
        self.count(&taken);
        let other_place = self.other_place(input, &taken);
        for step in input.steps.iter().filter(|step| other_place.is_none() || !step.is_keyed()) {
            if self.is_parking && self.parkings[step.station.0].queue_behind(taken.from, taken.record) {
                continue;
            }
            let handled = self.handle(step, &taken, member, clock)?;
            self.keep(step, &taken, handled);
        }
        if let Some(place) = other_place {
            self.take_misplaced(input, &taken, place, clock)?;
        }
        Ok(())
    }

    /// Gives a record to one step.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub(super) fn handle(
        &mut self,
        step: &Step,
        taken: &Taken<'_>,
        member: &mut dyn Member,
        clock: &dyn Clock,
    ) -> Result<Handled> {
        self.outputs.mark(taken.record.offset);
        match self.run(step, taken, member)? {
            Ok(()) => {
                self.done.of_step(step.number).records += 1;
                self.tally.keep_record();
                Ok(Handled::Done)
            }
            Err(failure) => self.fail(step, taken, failure, clock),
        }
    }

    /// Begins to keep what waits.
    fn keep(&mut self, step: &Step, taken: &Taken<'_>, handled: Handled) {
        if let Handled::Waits(wait) = handled {
            self.parkings[step.station.0].begin(&taken.parked(&wait.failure), wait.due);
            self.is_parking = true;
        }
    }

    /// Whether that step is not to get the record where it lies.
    pub(super) fn is_misplaced(&self, step: &Step, taken: &Taken<'_>) -> bool {
        step.is_keyed() && self.other_place(&self.service.inputs()[taken.input.0], taken).is_some()
    }

    /// Whether no code of the user gets the record where it lies.
    pub(super) fn is_only_moved(&self, input: InputIndex, from: &TopicPartition, record: &Record<'_>) -> bool {
        let taken = Taken::new(input, from, record, Timestamp(0));
        self.service.inputs()[input.0].steps.iter().all(|step| self.is_misplaced(step, &taken))
    }

    /// The partition of the record's key, if it is another than its own and tables of keys read the input.
    fn other_place(&self, input: &Input, taken: &Taken<'_>) -> Option<Partition> {
        if input.misplaced == Misplaced::Stay {
            return None;
        }
        let place = partition_of(taken.record.key?, self.partition_counts[taken.input.0]);
        (place != taken.from.partition).then_some(place)
    }

    /// Moves a record to where its key belongs.
    fn take_misplaced(&mut self, input: &Input, taken: &Taken<'_>, place: Partition, clock: &dyn Clock) -> Result<()> {
        self.outputs.mark(taken.record.offset);
        let moved = match input.misplaced {
            Misplaced::Move(to) => self.move_to(to, place, taken.record),
            Misplaced::Stay | Misplaced::Refuse => {
                Err(Failure::reject(format!("only its service writes to this topic: the key is of partition={place}")))
            }
        };
        match moved {
            Ok(()) => self.done.was_moved(taken.input),
            Err(failure) => {
                let refusal = Refusal { why: &failure, extent: Extent::Whole, may_wait: false };
                for step in input.steps.iter().filter(|step| step.is_keyed()) {
                    self.refuse_by(step, taken, refusal, clock)?;
                }
            }
        }
        Ok(())
    }

    fn move_to(&mut self, to: TargetIndex, place: Partition, record: &Record<'_>) -> Result<(), Failure> {
        let headers: Vec<_> = record.headers.collect();
        let moved = self.outputs.push_as_is_to(to, place, record, &headers);
        moved.map_err(|error| Failure::reject(format!("it cannot be moved to the partition of its key: {error}")))
    }

    /// Lets a record wait for every stage and table that it is for, unseen by them: each gets it in a commit without the
    /// others.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub(crate) fn take_apart(&mut self, taken: Taken<'_>, clock: &dyn Clock) -> Result<()> {
        self.count(&taken);
        let service = Arc::clone(&self.service);
        let input = &service.inputs()[taken.input.0];
        let other_place = self.other_place(input, &taken);
        for step in input.steps.iter().filter(|step| other_place.is_none() || !step.is_keyed()) {
            self.parkings[step.station.0].wait_untried(taken.from, taken.record, taken.at);
            self.is_parking = true;
        }
        other_place.map_or(Ok(()), |place| self.take_misplaced(input, &taken, place, clock))
    }

    /// Lets the record fail everywhere, unseen by any handler. Where records of its key wait and it may, it waits behind
    /// them instead.
    ///
    /// # Errors
    /// `Invalid` when a step's policy is to stop.
    pub(crate) fn refuse(&mut self, taken: Taken<'_>, refusal: Refusal<'_>, clock: &dyn Clock) -> Result<()> {
        self.count(&taken);
        let service = Arc::clone(&self.service);
        let input = &service.inputs()[taken.input.0];
        if input.is_control() {
            let (service, Taken { from, record, .. }) = (service.name(), taken);
            tracing::warn!(%service, at = %from, offset = %record.offset, "an instruction is left out: {}", refusal.why);
        }
        for step in &input.steps {
            let is_behind = refusal.may_wait && !self.is_misplaced(step, &taken);
            if is_behind && self.parkings[step.station.0].queue_behind(taken.from, taken.record) {
                continue;
            }
            let handled = self.refuse_by(step, &taken, refusal, clock)?;
            self.keep(step, &taken, handled);
        }
        Ok(())
    }

    /// Lets it fail at one step.
    ///
    /// # Errors
    /// As [`refuse`](Self::refuse).
    pub(super) fn refuse_by(
        &mut self,
        step: &Step,
        taken: &Taken<'_>,
        refusal: Refusal<'_>,
        clock: &dyn Clock,
    ) -> Result<Handled> {
        self.outputs.mark(taken.record.offset);
        self.fail_for_good(step, taken, refusal, clock)
    }

    pub(super) fn count(&mut self, taken: &Taken<'_>) {
        if self.record_count == 0 {
            self.first = Some((taken.from.clone(), taken.record.offset));
        }
        self.record_count += 1;
    }

    fn run(&mut self, step: &Step, taken: &Taken<'_>, member: &mut dyn Member) -> Result<Result<(), Failure>> {
        let Self { outputs, tables, tally, .. } = self;
        let context = Context {
            from: taken.from,
            record: *taken.record,
            taken_at: taken.at,
            attempt: taken.attempt,
            seed: step.seed,
            random: OnceCell::new(),
            tally,
        };
        match &step.work {
            Work::Stage(run) => Ok(guarded(|| run(&context, outputs))),
            Work::Fold { table, fold } | Work::Count { table, fold } => {
                tables[*table].fold(*fold, &context, outputs, member)
            }
        }
    }

    /// How many records were taken.
    pub(crate) fn record_count(&self) -> usize {
        self.record_count
    }

    /// The first record that was taken: the only one, if one was.
    pub(crate) fn first_record(&self) -> Option<(TopicPartition, Offset)> {
        self.first.clone()
    }

    /// The size of the records to be written, and to be kept.
    pub(crate) fn output_bytes(&self) -> usize {
        let parked = || self.parkings.iter().map(Parking::size_bytes).sum();
        self.outputs.size_bytes() + if self.is_parking { parked() } else { 0 }
    }

    /// The commit that makes all of it true.
    ///
    /// # Errors
    /// `Invalid` when a state cannot be encoded: no log would take it.
    pub(crate) fn commit(&mut self, offsets: Vec<(TopicPartition, Offset)>, now: Timestamp) -> Result<Commit> {
        let mut rows = Vec::new();
        let tables = &mut self.tables;
        let encode = || {
            tables.iter_mut().for_each(|table| table.take(now, &mut rows));
            Ok(())
        };
        guarded(encode).map_err(|failure| Error::invalid(format!("a state that cannot be encoded: {failure}")))?;
        self.parkings.iter_mut().for_each(|parking| parking.take(&mut rows));
        Ok(Commit { outputs: self.outputs.take(), rows, offsets })
    }

    /// What was done by records that are committed by now.
    pub(crate) fn done(&mut self) -> (&Done, &[Counted]) {
        (&self.done, self.tally.counted())
    }

    /// All of it was committed: what waits is what was said to, and nothing is in hand.
    pub(crate) fn committed(&mut self) {
        self.parkings.iter_mut().for_each(Parking::committed);
        self.clear();
    }

    /// Drops everything.
    pub(crate) fn clear(&mut self) {
        self.parkings.iter_mut().for_each(Parking::clear);
        self.outputs.clear();
        self.tables.iter_mut().for_each(|table| table.clear());
        self.tally.clear();
        self.done.clear();
        (self.record_count, self.first, self.must_stop) = (0, None, false);
    }
}

fn partition_count(topic: &TopicName, topics: &[TopicSpec]) -> Result<u32> {
    let count = topics.iter().find(|found| found.name == *topic).map(|found| found.partition_count);
    count.ok_or_else(|| Error::invalid(format!("no such topic; create it before its services start: topic={topic}")))
}

/// A stage keeps the partition, so the topics at its two ends have as many of them.
fn check_stages(service: &Service, topics: &[TopicSpec]) -> Result<()> {
    for step in service.steps() {
        let Role::Stage { to } = &step.role else { continue };
        let (from_count, to_count) = (partition_count(&step.from, topics)?, partition_count(to, topics)?);
        if from_count != to_count {
            let text = format!(
                "a stage keeps the partition, but the counts differ: {}={from_count} {to}={to_count}",
                step.from
            );
            return Err(Error::invalid(text));
        }
    }
    Ok(())
}

/// A record is moved to the partition of its number in its own topic.
fn check_repartitions(service: &Service, topics: &[TopicSpec]) -> Result<()> {
    for (from, to) in service.repartitions() {
        let (from_count, to_count) = (partition_count(from, topics)?, partition_count(to, topics)?);
        if from_count != to_count {
            let text = format!(
                "records are moved to a partition of the same number, but the counts differ: {from}={from_count} \
                 {to}={to_count}"
            );
            return Err(Error::invalid(text));
        }
    }
    Ok(())
}
