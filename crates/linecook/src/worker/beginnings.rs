//! Records that end the process.
//!
//! A handler that panics fails at its record. One that ends the process (a stack that overflows, memory that is used up, a
//! call of `exit`) does that again after each start, wherever its partition goes. Nobody can tell afterwards which record it
//! was; so it is noted before. The first record that is begun of a partition, after it was assigned, is noted in a commit of
//! its own, with how often that was so:
//!
//! | noted at the same place | |
//! |---|---|
//! | up to [`IN_COMPANY`] times | as usual, with others in one commit |
//! | [`BY_ITSELF`] times more | alone in its commit, and among the suspects of its process; each that follows is noted, too |
//! | and then | the record fails, unseen by any handler |
//!
//! Who lives to see its handlers return was not ended by them: if the commit does not come about, the note is withdrawn, as far
//! as the log lets it, and so nothing is held against a record for which the log, or a policy, has stopped a worker. Who begins
//! a record once more itself was not ended by it either. The same holds for what waits to be tried again, of each station and
//! partition. An assignment with records costs one more commit; after that nothing is noted.
//!
//! A record that another has taken along is found innocent when it is alone, unless it takes its time and is taken along there,
//! too, by what others of its process have begun in company. It is redriven like any other that was parked.
//!
//! The idea is that of queues which count deliveries on the side of the broker, as SQS's `ApproximateReceiveCount`. A log
//! counts nothing.

mod solitude;
mod watch;

use std::time::Duration;

use linecook_log::{Commit, Offset, Result, RowChange, TopicPartition};

pub(crate) use self::solitude::Solitude;
use self::watch::Watch;
pub(super) use self::{solitude::Alone, watch::Beginnings};
use super::{
    Joined, Worker, joined,
    parking::{Beginning, Kept},
    retry::Due,
};
use crate::{failure::InTheEnd, service::StationIndex};

const IN_COMPANY: u8 = 2;
const BY_ITSELF: u8 = 2;

/// Nobody counts further than it takes to condemn a record.
fn one_more(starts: u8) -> u8 {
    (starts + 1).min(IN_COMPANY + BY_ITSELF)
}

/// How long to wait for another who has one.
pub(super) const OTHER_IS_ALONE: Duration = Duration::from_millis(10);

/// What may be begun.
pub(super) enum Permit {
    /// Anything, with others.
    Free,
    /// One suspect, of that partition if it was polled, while this is held.
    Alone { at: TopicPartition, _alone: Alone },
    /// Nothing: another worker of the process has a suspect in hand.
    NotYet,
}

impl Worker {
    /// These partitions are owned from here on.
    pub(super) fn watch<'a>(&mut self, partitions: impl IntoIterator<Item = &'a TopicPartition>) {
        for at in partitions {
            let stations: Vec<_> = self.service.stations_of_records(&at.topic).collect();
            // Instructions run no code of the user.
            if !stations.is_empty() {
                self.beginnings.assign(at, stations);
            }
        }
    }

    /// These are not owned any longer.
    pub(super) fn unwatch<'a>(&mut self, partitions: impl IntoIterator<Item = &'a TopicPartition>) {
        for at in partitions {
            self.beginnings.give_up(at, self.service.stations_of_records(&at.topic));
        }
    }

    /// Notes what of the polled records is begun first, if it is to be noted. With nothing in hand.
    ///
    /// # Errors
    /// Those of the member.
    pub(super) fn begin_polled(&mut self) -> Result<Permit> {
        if self.beginnings.inputs.is_empty() {
            return Ok(Permit::Free);
        }
        self.note_first_of_polled()?;
        let Joined { queue, hand, .. } = joined(&mut self.joined);
        let Some((mut index, mut waiting)) = queue.next() else { return Ok(Permit::Free) };
        // What is no record ends no process, and is no record's beginning.
        let (starts, offset, is_only_moved) = loop {
            let Some(Watch::Suspect { starts, .. }) = self.beginnings.inputs.get(&waiting.from) else {
                return Ok(Permit::Free);
            };
            if let Some(record) = waiting.records().next() {
                break (*starts, record.offset, hand.is_only_moved(waiting.input, &waiting.from, &record));
            }
            queue.take(index, waiting.end);
            let Some(next) = queue.next() else { return Ok(Permit::Free) };
            (index, waiting) = next;
        };
        let (from, position) = (waiting.from, waiting.next);
        let Some(alone) = self.solitude.try_take(self.beginnings.worker) else {
            joined(&mut self.joined).queue.rewind(); // nothing is in hand, also not what is no record
            return Ok(Permit::NotYet);
        };
        self.isolation.next_is_alone();
        if starts >= IN_COMPANY + BY_ITSELF && self.may_condemn(&from) && !is_only_moved {
            self.condemn_polled(&from, offset);
        } else {
            // What comes before it and is no record goes with it, and so it does after the next start.
            let position = joined(&mut self.joined).queue.committed_offset(&from).unwrap_or(position);
            let beginning = self.beginning_of(&from, position);
            self.note([(from.clone(), position, beginning.clone(), one_more(starts))])?;
            let noted = Watch::suspect_noted(self.beginnings.inputs.get(&from), starts, beginning);
            self.beginnings.inputs.insert(from.clone(), noted);
        }
        Ok(Permit::Alone { at: from, _alone: alone })
    }

    /// Whether a record may fail unseen: where nothing may be left out it comes to its handler at each start, or a release that
    /// has the cause mended would never see it. Where several get it, each finds out for itself.
    fn may_condemn(&self, from: &TopicPartition) -> bool {
        let stations: Vec<_> = self.service.stations_of_records(&from.topic).collect();
        stations.len() > 1 || stations.into_iter().all(|station| self.may_leave_out(station))
    }

    fn may_leave_out(&self, station: StationIndex) -> bool {
        self.service.station(station).policy.in_the_end() != InTheEnd::Stop
    }

    /// The record is the one that has ended the process.
    fn condemn_polled(&mut self, from: &TopicPartition, offset: Offset) {
        let stations: Vec<_> = self.service.stations_of_records(&from.topic).collect();
        let is_shared = stations.len() > 1;
        if is_shared {
            // Which of them it is that it ends the process at is found out in the same way.
            let places = stations.into_iter().map(|station| ((station, from.partition), Watch::suspect(IN_COMPANY)));
            self.beginnings.waiting.extend(places);
        }
        self.isolation.condemn(from, offset, None, is_shared);
    }

    fn note_first_of_polled(&mut self) -> Result<()> {
        let mut notes = Vec::new();
        for at in self.beginnings.polled.clone() {
            let Joined { queue, hand, .. } = joined(&mut self.joined);
            let Some(position) = queue.committed_offset(&at) else { continue };
            // What there is no room for is not begun.
            if !hand.has_room_at(&at) {
                continue;
            }
            let beginning = self.beginning_of(&at, position);
            let starts = self.starts_before(&at, &beginning)?;
            match starts {
                0..IN_COMPANY => notes.push((at, position, beginning, starts + 1)),
                _ => drop(self.beginnings.inputs.insert(at.clone(), self.suspect(&at, starts))),
            }
        }
        if !notes.is_empty() {
            self.note(notes.clone())?;
        }
        let Beginnings { inputs, polled, .. } = &mut self.beginnings;
        inputs.extend(notes.into_iter().map(|(at, _, beginning, _)| (at, Watch::Noted(beginning))));
        polled.retain(|at| matches!(inputs.get(at), Some(Watch::Unbegun)));
        Ok(())
    }

    /// Notes what is begun first of what waits, if it is to be noted. `at` is a partition of the station's that is owned,
    /// with its committed offset.
    ///
    /// # Errors
    /// Those of the member.
    pub(super) fn begin_waiting(&mut self, due: &Due, at: &TopicPartition, position: Offset) -> Result<Permit> {
        let place = (due.station, due.partition);
        let Joined { hand, member, .. } = joined(&mut self.joined);
        let Some(kept) = hand.first_parked(due, &mut **member)? else {
            // It was discarded; what comes behind it is a beginning of its own.
            self.isolation.next_is_alone();
            return Ok(Permit::Free);
        };
        let beginning = Beginning::of_waiting(&self.service.station(due.station).parked, &kept);
        let starts = match self.beginnings.waiting.get(&place) {
            // It has ended the process before: once more is enough.
            watch if kept.was_condemned() => match watch {
                Some(Watch::Suspect { starts, noted: Some(_), .. }) => *starts,
                _ => self.starts_before(at, &beginning)?.max(IN_COMPANY + BY_ITSELF - 1),
            },
            None | Some(Watch::Noted(_)) => return Ok(Permit::Free),
            Some(Watch::Suspect { starts, noted: Some(of), .. }) if *of == beginning => *starts,
            // What is said of a place may be said of another record.
            Some(Watch::Suspect { .. }) => self.starts_before(at, &beginning)?.max(IN_COMPANY),
            Some(Watch::Unbegun) => {
                let starts = self.starts_before(at, &beginning)?;
                if starts < IN_COMPANY {
                    self.note([(at.clone(), position, beginning.clone(), starts + 1)])?;
                    self.beginnings.waiting.insert(place, Watch::Noted(beginning));
                    return Ok(Permit::Free);
                }
                self.beginnings.waiting.insert(place, self.suspect(&kept.from, starts));
                starts
            }
        };
        let Some(alone) = self.solitude.try_take(self.beginnings.worker) else { return Ok(Permit::NotYet) };
        self.isolation.next_is_alone();
        if starts >= IN_COMPANY + BY_ITSELF && self.may_leave_out(due.station) {
            let Kept { from, batch, .. } = &kept;
            self.isolation.condemn(from, batch.base(), Some(due.station), false);
        } else {
            self.note([(at.clone(), position, beginning.clone(), one_more(starts))])?;
            let noted = Watch::suspect_noted(self.beginnings.waiting.get(&place), starts, beginning);
            self.beginnings.waiting.insert(place, noted);
        }
        Ok(Permit::Alone { at: kept.from, _alone: alone })
    }

    /// What was begun has not ended the process, though its commit did not come about: nothing is held against it. As far as
    /// the log lets it; who is gone before has one start more against it.
    pub(super) fn has_survived(&mut self) {
        let Some(Joined { member, queue, .. }) = &mut self.joined else { return };
        let owned: Vec<_> = queue.committed_offsets();
        let mut commit = Commit::default();
        let mut withdraw = |beginning: &Beginning, at: &TopicPartition, offset: Offset| {
            let (table, key) = (beginning.table().clone(), beginning.row_key().clone());
            commit.rows.push(RowChange { table, partition: at.partition, key, value: None });
            commit.offsets.push((at.clone(), offset));
        };
        for (at, offset) in &owned {
            if let Some(beginning) = self.beginnings.inputs.get(at).and_then(Watch::noted) {
                withdraw(beginning, at, *offset);
            }
            for station in self.service.stations_of_records(&at.topic) {
                if let Some(beginning) = self.beginnings.waiting.get(&(station, at.partition)).and_then(Watch::noted) {
                    withdraw(beginning, at, *offset);
                }
            }
        }
        if commit.rows.is_empty() {
            return;
        }
        commit.offsets.sort();
        commit.offsets.dedup();
        if member.commit(commit).is_err() {
            return queue.forget_polled();
        }
        self.beginnings.withdrawn();
    }

    fn beginning_of(&self, from: &TopicPartition, next: Offset) -> Beginning {
        let first = self.service.stations_of_records(&from.topic).next();
        let station = self.service.station(first.expect("only what somebody reads is watched"));
        Beginning::of_input(&station.parked, from, next)
    }

    fn suspect(&self, at: &TopicPartition, starts: u8) -> Watch {
        let service = self.service.name();
        tracing::warn!(
            %service, %at, starts,
            "the process has ended each time when it began here; one record a commit, to find out which it is"
        );
        Watch::suspect(starts)
    }

    /// How often it was begun at that place, if that is what was begun last.
    fn starts_before(&mut self, at: &TopicPartition, beginning: &Beginning) -> Result<u8> {
        let Joined { member, .. } = joined(&mut self.joined);
        let row = member.get(beginning.table(), at.partition, beginning.row_key())?;
        row.map_or(Ok(0), |row| beginning.starts_before(self.beginnings.worker, &row))
    }

    /// Commits what is begun, and how often that was so: each in the name of a partition, with its committed offset.
    fn note(&mut self, notes: impl IntoIterator<Item = (TopicPartition, Offset, Beginning, u8)>) -> Result<()> {
        let (mut rows, mut offsets, by) = (Vec::new(), Vec::new(), self.beginnings.worker);
        for (at, position, beginning, starts) in notes {
            let (table, partition) = (beginning.table().clone(), at.partition);
            rows.push(RowChange {
                table,
                partition,
                key: beginning.row_key().clone(),
                value: Some(beginning.row_value(starts, by)),
            });
            offsets.push((at, position));
        }
        let Joined { member, queue, .. } = joined(&mut self.joined);
        let noted = member.commit(Commit { rows, offsets, ..Commit::default() });
        noted.map(drop).inspect_err(|_| queue.forget_polled())
    }
}
