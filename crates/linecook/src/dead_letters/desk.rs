//! Where operators are served, whichever process they ask.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    sync::Arc,
    time::Duration,
};

use linecook_log::{BatchBuilder, Clock, Error, Log, Origin, Partition, Record, Result, Scan, TopicPartition};

use super::{Action, Detail, Instruction, Letter, RecordId, Selection, State, letter};
use crate::{
    Service,
    service::StationIndex,
    worker::{Kept, WaitingKey, read_waiting},
};

/// What waits for some services, and how they are told what to do with it.
pub(crate) struct Desk {
    log: Arc<dyn Log>,
    clock: Arc<dyn Clock>,
    services: Vec<Arc<Service>>,
}

/// Why it cannot be done.
#[derive(Debug)]
pub(crate) enum Denied {
    /// No such record waits, be it that it was handled meanwhile.
    NoSuchRecord(RecordId),
    /// That one comes before it.
    Behind {
        id: Box<RecordId>,
        first: Box<RecordId>,
    },
    /// It is not said for which records.
    NothingSelected,
    Log(Error),
}

impl From<Error> for Denied {
    fn from(error: Error) -> Self {
        Self::Log(error)
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchRecord(id) => write!(f, "no such record waits; it may have been handled meanwhile: id={id}"),
            Self::Behind { id, first } => {
                write!(f, "the record waits behind another of its key, redrive that: id={id} first={first}")
            }
            Self::NothingSelected => f.write_str("it is not said which: an ID, a key, a reason, a time, or all"),
            Self::Log(error) => f.write_str(&error.chain()),
        }
    }
}

/// How long a log may take to store what was said.
const STORED_WITHIN: Duration = Duration::from_secs(10);

/// How many instructions are stored at once.
const INSTRUCTIONS: usize = 500;

/// What waits in a partition of a station.
struct Place<'a> {
    service: &'a Service,
    station: StationIndex,
    keys: Vec<WaitingKey>,
}

/// A record that waits, and what is known of it.
struct Found<'a> {
    service: &'a Service,
    station: StationIndex,
    key: &'a WaitingKey,
    index: usize,
}

impl Desk {
    /// That of these services.
    pub(crate) fn new(log: Arc<dyn Log>, clock: Arc<dyn Clock>, services: Vec<Arc<Service>>) -> Self {
        Self { log, clock, services }
    }

    /// The first record of every key that is parked, or of all that wait: in the order of their failures.
    ///
    /// # Errors
    /// Those of the log.
    pub(crate) fn list(&self, with_retrying: bool) -> Result<Vec<Letter>> {
        self.firsts_where(|letter| with_retrying || letter.state == State::Parked)
    }

    /// A record that waits.
    ///
    /// # Errors
    /// `NoSuchRecord`, and those of the log.
    pub(crate) fn show(&self, id: &RecordId) -> Result<Detail, Denied> {
        self.with(id, |found| Ok(found.detail()))
    }

    /// Lets keys go on: those whose first record is meant. Which they are is returned; each is tried once, and the rest of
    /// its key behind it.
    ///
    /// # Errors
    /// `NoSuchRecord` and `Behind`, for one that is named; `NothingSelected`; those of the log. On `Unknown` and
    /// `Unavailable` some may go on: saying it again does no harm.
    pub(crate) fn redrive(&self, selection: &Selection) -> Result<Vec<Letter>, Denied> {
        if !selection.is_given() {
            return Err(Denied::NothingSelected);
        }
        for id in &selection.ids {
            self.with(id, |found| match found.index {
                0 => Ok(()),
                _ => Err(Denied::Behind { id: Box::new(id.clone()), first: Box::new(found.id_of(0)) }),
            })?;
        }
        let mut letters = self.firsts_where(|letter| {
            (letter.state == State::Parked || selection.ids.contains(&letter.id)) && selection.has(letter)
        })?;
        letters.truncate(selection.max.unwrap_or(usize::MAX));
        if !selection.dry_run {
            let meant: HashSet<_> = letters.iter().map(|letter| &letter.id).collect();
            self.each_place(|place| {
                let meant: Vec<_> = place.firsts().filter(|first| meant.contains(&first.id_of(0))).collect();
                self.instruct(meant.iter().map(|found| (found, found.instruction(Action::Redrive, None))))
            })?;
        }
        Ok(letters)
    }

    /// Gives a record another value; it goes on waiting.
    ///
    /// # Errors
    /// `NoSuchRecord`, and those of the log.
    pub(crate) fn edit(&self, id: &RecordId, value: Option<&[u8]>) -> Result<Letter, Denied> {
        self.with(id, |found| {
            self.instruct([(&found, found.instruction(Action::Edit, value))])?;
            Ok(found.letter())
        })
    }

    /// Leaves a record out. If it was the first of its key, that goes on.
    ///
    /// # Errors
    /// `NoSuchRecord`, and those of the log.
    pub(crate) fn discard(&self, id: &RecordId, dry_run: bool) -> Result<Letter, Denied> {
        self.with(id, |found| {
            if !dry_run {
                self.instruct([(&found, found.instruction(Action::Discard, None))])?;
            }
            Ok(found.letter())
        })
    }

    fn with<T>(&self, id: &RecordId, then: impl FnOnce(Found<'_>) -> Result<T, Denied>) -> Result<T, Denied> {
        for service in self.services.iter().filter(|service| *service.name() == id.service) {
            for station in service.station_indices().filter(|station| service.name_of_station(*station) == id.stage) {
                let place = self.place(service, station, id.from.partition, usize::MAX)?;
                if let Some(found) = place.find(id) {
                    return then(found);
                }
            }
        }
        Err(Denied::NoSuchRecord(id.clone()))
    }

    /// The first records of keys, those that are wanted, in the order of their failures.
    fn firsts_where(&self, is_wanted: impl Fn(&Letter) -> bool) -> Result<Vec<Letter>> {
        let mut letters = Vec::new();
        self.each_place(|place| {
            letters.extend(place.firsts().map(|first| first.letter()).filter(&is_wanted));
            Ok::<(), Error>(())
        })?;
        letters.sort_by(Letter::in_order_of_failure);
        Ok(letters)
    }

    /// Looks at the first record of each key, place by place: all of it at once might not fit into memory.
    fn each_place<E: From<Error>>(&self, mut look: impl FnMut(&Place<'_>) -> Result<(), E>) -> Result<(), E> {
        let topics = self.log.topics()?;
        for service in &self.services {
            for station in service.station_indices() {
                let control = service.control_topic_of(station);
                // Without its topics the service has never run here.
                let count = topics.iter().find(|topic| topic.name == *control).map_or(0, |topic| topic.partition_count);
                for partition in Partition::all(count) {
                    look(&self.place(service, station, partition, 1)?)?;
                }
            }
        }
        Ok(())
    }

    fn place<'a>(
        &self,
        service: &'a Service,
        station: StationIndex,
        partition: Partition,
        most_of_a_key: usize,
    ) -> Result<Place<'a>> {
        let table = &service.station(station).parked;
        let scan = |scan: Scan<'_>| self.log.scan_rows(service.name(), table, partition, scan);
        Ok(Place { service, station, keys: read_waiting(most_of_a_key, scan)? })
    }

    /// Stores instructions where their owners read them. Those of one partition are stored in their order.
    fn instruct<'a, 'b: 'a>(
        &self,
        all: impl IntoIterator<Item = (&'a Found<'b>, Instruction<'a>)>,
    ) -> Result<(), Denied> {
        let mut by_place = BTreeMap::<_, Vec<_>>::new();
        for (found, instruction) in all {
            let topic = found.service.control_topic_of(found.station);
            let to = TopicPartition::new(topic, instruction.from.partition);
            by_place.entry((to, found.service.name())).or_default().push(instruction);
        }
        let now = self.clock.timestamp();
        let mut tickets = Vec::new();
        for ((to, service), instructions) in &by_place {
            for some in instructions.chunks(INSTRUCTIONS) {
                let origin = Origin { service: (*service).clone(), taken_at: now, attempt: 1, source: None };
                let mut batch = BatchBuilder::new(&origin, 0);
                some.iter().try_for_each(|instruction| instruction.write(&mut batch, now))?;
                tickets.push(self.log.append(to, batch)?);
            }
        }
        for ticket in tickets {
            ticket.wait(STORED_WITHIN, &*self.clock)?;
        }
        Ok(())
    }
}

impl Place<'_> {
    fn firsts(&self) -> impl Iterator<Item = Found<'_>> {
        let Self { service, station, keys } = self;
        keys.iter().filter(|key| !key.records.is_empty()).map(|key| Found { service, station: *station, key, index: 0 })
    }

    fn find(&self, id: &RecordId) -> Option<Found<'_>> {
        self.firsts().find_map(|first| {
            let records = &first.key.records;
            let index = records.iter().position(|(_, kept)| kept.from == id.from && kept.batch.base() == id.offset)?;
            Some(Found { index, ..first })
        })
    }
}

impl<'a> Found<'a> {
    fn kept(&self, index: usize) -> &'a Kept {
        &self.key.records[index].1
    }

    fn record(&self) -> Record<'a> {
        self.kept(self.index).batch.records().next().expect("a record is kept as a batch of one")
    }

    fn id_of(&self, index: usize) -> RecordId {
        let Kept { from, batch, .. } = self.kept(index);
        let stage = self.service.name_of_station(self.station).to_owned();
        RecordId { service: self.service.name().clone(), stage, from: from.clone(), offset: batch.base() }
    }

    fn letter(&self) -> Letter {
        let Kept { attempts, first_failed_at, last_failed_at, reason, .. } = self.kept(self.index);
        let was_tried = *attempts > 0;
        Letter {
            id: self.id_of(self.index),
            state: match self.key.due {
                _ if self.index > 0 => State::Behind,
                Some(_) => State::Retrying,
                None => State::Parked,
            },
            key: letter::shown(self.record().key),
            reason: reason.clone(),
            attempts: *attempts,
            first_failed_at: letter::told(*first_failed_at, was_tried),
            last_failed_at: letter::told(*last_failed_at, was_tried),
            behind: self.key.count - 1 - self.index,
        }
    }

    fn detail(&self) -> Detail {
        let record = self.record();
        let headers = record.headers.map(|header| (header.name.to_owned(), letter::shown(Some(header.value))));
        Detail {
            letter: self.letter(),
            timestamp: record.timestamp.0,
            value: letter::shown(record.value),
            headers: headers.collect(),
            waiting: (0..self.key.records.len()).map(|index| self.id_of(index)).collect(),
        }
    }

    fn instruction(&self, action: Action, value: Option<&'a [u8]>) -> Instruction<'a> {
        let (number, kept) = &self.key.records[self.index];
        Instruction {
            action,
            table: self.service.station(self.station).parked.clone(),
            number: *number,
            from: kept.from.clone(),
            offset: kept.batch.base(),
            key: self.record().key,
            value,
        }
    }
}

#[cfg(test)]
mod tests;
