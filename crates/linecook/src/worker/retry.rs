//! Trying again what waits, between the polls.

mod timer;

use std::{sync::Arc, time::Duration};

use linecook_log::{Clock, ErrorKind, Member, Partition, Result, TableName, Timestamp, TopicName, TopicPartition};

pub(super) use self::timer::RetryTimer;
use self::timer::Whose;
use super::{
    Hand, InputIndex, Joined, Step, Taken, Worker,
    beginnings::{OTHER_IS_ALONE, Permit},
    dead_letters::Extent,
    failing::{Handled, Refusal},
    joined,
    pace::Pace,
    parking::{Kept, LaneName, Parking, WaitingCounts},
};
use crate::{
    Failure, Service,
    failure::InTheEnd,
    service::{self, Input, StationIndex},
};

/// A lane whose first record is to be tried again.
#[derive(Debug, Clone)]
pub(crate) struct Due {
    pub(super) station: StationIndex,
    pub(super) partition: Partition,
    lane: LaneName,
}

impl Worker {
    /// Tries again some of what is due. When that does not come about, the next steps poll and handle what comes without it:
    /// a topic that is gone keeps nobody from polling, who would be put out for that.
    ///
    /// # Errors
    /// As those of a commit of records that were polled: what is tried again may fail in the same ways.
    pub(super) fn retry_if_due(&mut self) -> Result<Option<Step>> {
        if !self.retry_timer.begin(self.clock.monotonic()) {
            return Ok(None);
        }
        let retried = self.retry_some();
        match &retried {
            Ok(None) => {}
            Ok(Some(_)) => self.retry_timer.succeeded(),
            // It is tried in parts, at once.
            Err(error) if error.kind() == ErrorKind::Invalid => {}
            Err(_) => self.retry_timer.failed(self.clock.monotonic()),
        }
        retried
    }

    /// No more of that partition is taken: too much of it waits already. It comes again when there is room.
    pub(super) fn hold(&mut self, at: &TopicPartition) -> Result<()> {
        let Joined { member, queue, held, .. } = joined(&mut self.joined);
        // The member comes first: what is cut off comes again only if it has paused.
        member.pause(at)?;
        queue.cut(at);
        self.beginnings.held(at);
        if !held.contains(at) {
            held.push(at.clone());
            let limit = self.limits.waiting_records;
            tracing::warn!(
                service = %self.service.name(), %at,
                "no more is taken: as many records wait as may: waiting_records={limit}"
            );
        }
        Ok(())
    }

    /// Goes on with partitions that there is room for again. With nothing in hand: what the queue has of them comes again.
    ///
    /// # Errors
    /// Those of the member.
    pub(super) fn resume_held(&mut self) -> Result<()> {
        let Joined { member, hand, queue, held, .. } = joined(&mut self.joined);
        let mut index = 0;
        while let Some(at) = held.get(index) {
            if hand.has_much_room(at) {
                member.resume(at)?;
                queue.forget_polled_of(std::slice::from_ref(at));
                let at = held.remove(index);
                tracing::info!(service = %self.service.name(), %at, "there is room again for what is tried again later");
            } else {
                index += 1;
            }
        }
        self.health.holds(held);
        Ok(())
    }

    /// Tries again some of what is due, in a commit of its own: of one station and one partition.
    fn retry_some(&mut self) -> Result<Option<Step>> {
        let Joined { member, hand, queue, .. } = joined(&mut self.joined);
        if hand.nothing_is_parked() {
            return Ok(None);
        }
        hand.read_parked(&mut **member)?;
        hand.take_parked_counts().for_each(|(table, at, waiting)| self.metrics.waits(table, at, waiting));
        let now = self.clock.timestamp();
        let (timer, monotonic) = (&mut self.retry_timer, self.clock.monotonic());
        let Some(due) = hand.due(now, |whose| timer.wait(whose, monotonic).is_zero()) else { return Ok(None) };
        timer.tries((due.station, due.partition));
        let topics = self.service.topics_of_station(due.station);
        let owned = queue.owned().find(|at| at.partition == due.partition && topics.contains(&&at.topic));
        let at = owned.expect("what waits is read when its partition is assigned").clone();
        let offset = queue.committed_offset(&at).expect("it is owned");
        let station = due.station;
        // Held until what is begun is committed.
        let _alone = match self.begin_waiting(&due, &at, offset)? {
            Permit::Free => None,
            Permit::Alone { _alone, .. } => Some(_alone),
            Permit::NotYet => {
                self.retry_timer.wait_until(self.clock.monotonic() + OTHER_IS_ALONE);
                return Ok(None);
            }
        };
        let retried = self.retry_beside(due, now);
        self.health.has_handled();
        let offsets = vec![(at, offset)];
        match retried {
            Ok(()) => self.commit_hand(offsets, Some(station)).map(Some),
            Err(error) => self.stop_at(error, offsets).map(Some),
        }
    }

    /// How long nothing is due.
    pub(super) fn until_due(&mut self) -> Duration {
        let hand = &joined(&mut self.joined).hand;
        if hand.nothing_is_parked() {
            return Duration::MAX;
        }
        let (now, monotonic) = (self.clock.timestamp(), self.clock.monotonic());
        let wait = |(due, first): (Timestamp, Due)| {
            due.since(now).max(self.retry_timer.wait((first.station, first.partition), monotonic))
        };
        hand.first_of_each(now).map(wait).min().unwrap_or(Duration::MAX)
    }

    /// Takes the first record of that lane in hand, and then what else is due of its station and its partition, as far as
    /// the limits of one commit allow.
    fn retry_beside(&mut self, first: Due, now: Timestamp) -> Result<()> {
        let Joined { member, hand, .. } = joined(&mut self.joined);
        let mut pace = Pace::begin(&*self.clock);
        let mut next = Some(first);
        while let Some(due) = next {
            match hand.first_parked(&due, &mut **member)? {
                // It is begun alone.
                Some(kept) if kept.was_condemned() && hand.record_count() > 0 => break,
                Some(kept) => {
                    self.health.takes(&kept.from, kept.batch.base(), self.clock.monotonic());
                    let refused = self.isolation.take_refused(&kept.from, kept.batch.base(), Some(due.station));
                    // One that is to be taken apart is of one station already.
                    let refusal = refused.and_then(|refused| refused.refusal());
                    hand.retry(&due, &kept, refusal, now, &mut **member, &*self.clock)?;
                }
                None => hand.pass_over(&due, now),
            }
            let is_full = hand.output_bytes() >= self.limits.output_bytes || self.isolation.is_one_by_one();
            if is_full || pace.is_over(self.limits.commit_time, &*self.clock) {
                break;
            }
            next = hand.due_beside(&due, now);
        }
        Ok(())
    }
}

impl Hand {
    /// These partitions are owned from here on.
    pub(super) fn assign<'a>(&mut self, partitions: impl IntoIterator<Item = &'a TopicPartition>) {
        self.of_partitions(partitions, Parking::assign);
    }

    /// These partitions are not owned any longer. Returns which tables what waited there is kept in.
    pub(super) fn give_up(&mut self, partitions: &[TopicPartition]) -> Vec<(TableName, Partition)> {
        self.of_partitions(partitions, Parking::give_up);
        let kept = |at: &TopicPartition| {
            let stations =
                self.service.inputs().iter().filter(|input| input.topic == at.topic).flat_map(Input::stations);
            stations.map(|station| (self.service.station(station).parked.clone(), at.partition)).collect::<Vec<_>>()
        };
        partitions.iter().flat_map(kept).collect()
    }

    fn of_partitions<'a>(
        &mut self,
        partitions: impl IntoIterator<Item = &'a TopicPartition>,
        change: impl Fn(&mut Parking, Partition),
    ) {
        for at in partitions {
            let input = self.service.inputs().iter().find(|input| input.topic == at.topic);
            for station in input.iter().flat_map(|input| input.stations()) {
                change(&mut self.parkings[station.0], at.partition);
            }
        }
    }

    /// Whether no record waits, and nothing is left to be read that could say otherwise.
    pub(super) fn nothing_is_parked(&self) -> bool {
        self.parkings.iter().all(Parking::is_empty)
    }

    /// Reads what waits in the partitions that were assigned.
    ///
    /// # Errors
    /// Those of `member`; what was not read is read next time.
    pub(super) fn read_parked(&mut self, member: &mut dyn Member) -> Result<()> {
        self.parkings.iter_mut().try_for_each(|parking| parking.read(member))
    }

    /// How much waits, by the table that they are kept in, where that has changed since this was asked last.
    pub(super) fn take_parked_counts(&mut self) -> impl Iterator<Item = (&TableName, Partition, WaitingCounts)> {
        let stations = self.service.stations().iter().zip(&mut self.parkings);
        stations.flat_map(|(station, parking)| {
            parking.take_counts().map(|(partition, waiting)| (&station.parked, partition, waiting))
        })
    }

    /// Whether records of that key wait there.
    pub(super) fn keeps_waiting(&self, station: StationIndex, at: Partition, key: &[u8]) -> bool {
        self.parkings[station.0].holds_key(at, key)
    }

    /// Whether one record more of that partition may be taken, should all that it is for put it off.
    pub(super) fn has_room(&self, input: InputIndex, partition: Partition) -> bool {
        if !self.is_parking {
            return true;
        }
        let steps = &self.service.inputs()[input.0].steps;
        steps.iter().all(|step| self.parkings[step.station.0].has_room(partition))
    }

    /// Whether one record more of that partition may be taken, whatever waits by now.
    pub(super) fn has_room_at(&self, at: &TopicPartition) -> bool {
        let input = self.service.inputs().iter().filter(|input| input.topic == at.topic);
        input.flat_map(Input::stations).all(|station| self.parkings[station.0].has_room(at.partition))
    }

    /// Whether it is worth while to go on with that partition, after there was no room.
    pub(super) fn has_much_room(&self, at: &TopicPartition) -> bool {
        let steps = self.service.inputs().iter().filter(|input| input.topic == at.topic).flat_map(|input| &input.steps);
        steps.into_iter().all(|step| self.parkings[step.station.0].has_much_room(at.partition))
    }

    /// What is to be tried again first of each station and partition, and when.
    fn first_of_each(&self, now: Timestamp) -> impl Iterator<Item = (Timestamp, Due)> {
        self.parkings.iter().enumerate().flat_map(move |(station, parking)| {
            parking.first_due_of_each(now).map(move |(due, partition, lane)| {
                (due, Due { station: StationIndex(station), partition, lane: lane.clone() })
            })
        })
    }

    /// What has been due for the longest time, of those that may be tried. Of what is due at the same time, who may end the
    /// worker comes last: those who share the record with it would not get it.
    pub(crate) fn due(&self, now: Timestamp, may_try: impl Fn(Whose) -> bool) -> Option<Due> {
        let may_end = |due: &Due| self.service.station(due.station).policy.in_the_end() == InTheEnd::Stop;
        let due = self.first_of_each(now).filter(|(at, due)| *at <= now && may_try((due.station, due.partition)));
        due.min_by_key(|(at, due)| (*at, may_end(due))).map(|(_, due)| due)
    }

    /// What else is due in the same place.
    fn due_beside(&self, Due { station, partition, .. }: &Due, now: Timestamp) -> Option<Due> {
        let (due, lane) = self.parkings[station.0].first_due_of(*partition, now)?;
        (due <= now).then(|| Due { station: *station, partition: *partition, lane: lane.clone() })
    }

    /// The first record of a lane, unless it was discarded.
    ///
    /// # Errors
    /// As [`Parking::first`].
    pub(crate) fn first_parked(&self, due: &Due, member: &mut dyn Member) -> Result<Option<Kept>> {
        self.parkings[due.station.0].first(due.partition, &due.lane, member)
    }

    /// The first record of a lane was discarded.
    pub(crate) fn pass_over(&mut self, due: &Due, now: Timestamp) {
        self.parkings[due.station.0].finish_first(due.partition, &due.lane, now);
    }

    /// Gives the first record of a lane to the step that it waits for, unless its commit was refused before: then it fails.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub(crate) fn retry(
        &mut self,
        due: &Due,
        kept: &Kept,
        refusal: Option<Refusal<'_>>,
        now: Timestamp,
        member: &mut dyn Member,
        clock: &dyn Clock,
    ) -> Result<()> {
        let Kept { from, batch, attempts, first_failed_at, .. } = kept;
        let service = Arc::clone(&self.service);
        let found = step_of(&service, due.station, &from.topic);
        let (input, step) = found.unwrap_or_else(|| any_step_of(&service, due.station));
        let first_failed_at = (*attempts > 0).then_some(*first_failed_at);
        for record in batch.records() {
            let attempt = attempts.saturating_add(1);
            let is_last = self.parkings[due.station.0].is_redriven(due.partition, &due.lane);
            let taken = Taken { input, from, record: &record, at: now, attempt, first_failed_at, is_last };
            self.begin_source(input, from, now, attempt);
            self.count(&taken);
            let handled = match (refusal, found) {
                (Some(refusal), _) => self.refuse_by(step, &taken, refusal, clock)?,
                (None, Some(_)) => self.handle(step, &taken, member, clock)?,
                (None, None) => {
                    let why = &Failure::reject("what it waited for does not read its topic any more");
                    let refusal = Refusal { why, extent: Extent::Whole, may_wait: true };
                    self.refuse_by(step, &taken, refusal, clock)?
                }
            };
            let parking = &mut self.parkings[due.station.0];
            match handled {
                Handled::Done => parking.finish_first(due.partition, &due.lane, now),
                Handled::Waits(wait) => parking.put_off(&due.lane, &taken.parked(&wait.failure), wait.due),
            }
        }
        Ok(())
    }
}

/// What a station does with records of that topic.
fn step_of<'a>(
    service: &'a Service,
    station: StationIndex,
    topic: &TopicName,
) -> Option<(InputIndex, &'a service::Step)> {
    let index = service.inputs().iter().position(|input| input.topic == *topic)?;
    let step = service.inputs()[index].steps.iter().find(|step| step.station == station)?;
    Some((InputIndex(index), step))
}

/// Something that a station does.
fn any_step_of(service: &Service, station: StationIndex) -> (InputIndex, &service::Step) {
    let topics = service.topics_of_station(station);
    let found = topics.first().and_then(|topic| step_of(service, station, topic));
    found.expect("nothing waits for what reads nothing")
}
