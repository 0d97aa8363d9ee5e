//! What is known of the places where records are begun.

use std::collections::BTreeMap;

use linecook_log::{GroupName, Offset, Partition, Timestamp, TopicPartition};

use super::{
    super::{Seat, parking::Beginning},
    IN_COMPANY,
};
use crate::{random, service::StationIndex};

/// After so many suspects of a place nothing more is expected. If that was too early it is found after the next starts.
const SUSPECTS: u32 = 1_000;

/// What is known of a place where records are begun.
#[derive(Debug, Clone)]
pub(super) enum Watch {
    /// None was, since it was assigned.
    Unbegun,
    /// The first was noted.
    Noted(Beginning),
    /// Each is noted: how often the next one was begun before, the note, and how many more there are.
    Suspect { starts: u8, noted: Option<Beginning>, left: u32 },
}

impl Watch {
    pub(super) fn suspect(starts: u8) -> Self {
        Self::Suspect { starts, noted: None, left: SUSPECTS }
    }

    /// One of which the next one was noted, after so many starts. Returns what is known then.
    pub(super) fn suspect_noted(before: Option<&Self>, starts: u8, noted: Beginning) -> Self {
        let left = match before {
            Some(Self::Suspect { left, .. }) => *left,
            _ => SUSPECTS,
        };
        Self::Suspect { starts, noted: Some(noted), left }
    }

    /// What was begun here was committed. Returns whether something is still to be looked at.
    fn goes_on(&mut self) -> bool {
        match self {
            Self::Unbegun => true,
            Self::Noted(_) => false,
            Self::Suspect { starts, noted, left } => {
                (*starts, *noted, *left) = (IN_COMPANY, None, left.saturating_sub(1));
                *left > 0
            }
        }
    }

    pub(super) fn noted(&self) -> Option<&Beginning> {
        match self {
            Self::Unbegun => None,
            Self::Noted(beginning) => Some(beginning),
            Self::Suspect { noted, .. } => noted.as_ref(),
        }
    }
}

/// Where records that are begun may end the process. Nothing is kept of a place where all is well.
#[derive(Debug)]
pub(in crate::worker) struct Beginnings {
    /// Whose they are: nobody else's, and not this one's after a restart.
    pub(super) worker: u64,
    pub(super) inputs: BTreeMap<TopicPartition, Watch>,
    pub(super) waiting: BTreeMap<(StationIndex, Partition), Watch>,
    /// Inputs of which records were polled, and that were not begun.
    pub(super) polled: Vec<TopicPartition>,
}

impl Beginnings {
    /// Those of a worker that has started at that time.
    pub(in crate::worker) fn new(service: &GroupName, seat: &Seat, started_at: Timestamp) -> Self {
        let Seat { instance, worker, .. } = seat;
        let worker = random::hashed(format!("{service} {instance} {worker} {}", started_at.0).as_bytes());
        Self { worker, inputs: BTreeMap::new(), waiting: BTreeMap::new(), polled: Vec::new() }
    }

    /// Nothing is owned any longer.
    pub(in crate::worker) fn give_up_all(&mut self) {
        self.inputs.clear();
        self.waiting.clear();
        self.polled.clear();
    }

    pub(super) fn assign(&mut self, at: &TopicPartition, stations: impl IntoIterator<Item = StationIndex>) {
        self.inputs.insert(at.clone(), Watch::Unbegun);
        self.waiting.extend(stations.into_iter().map(|station| ((station, at.partition), Watch::Unbegun)));
    }

    pub(super) fn give_up(&mut self, at: &TopicPartition, stations: impl Iterator<Item = StationIndex>) {
        self.inputs.remove(at);
        self.polled.retain(|polled| polled != at);
        for station in stations {
            self.waiting.remove(&(station, at.partition));
        }
    }

    /// Records of that partition were polled.
    pub(in crate::worker) fn polled(&mut self, at: &TopicPartition) {
        let is_unbegun = matches!(self.inputs.get(at), Some(Watch::Unbegun));
        if is_unbegun && !self.polled.contains(at) {
            self.polled.push(at.clone());
        }
    }

    /// Nothing of it is begun for now.
    pub(in crate::worker) fn held(&mut self, at: &TopicPartition) {
        self.polled.retain(|polled| polled != at);
    }

    /// What was noted is withdrawn: it is as if it had not been begun.
    pub(super) fn withdrawn(&mut self) {
        let all = self.inputs.values_mut().chain(self.waiting.values_mut());
        for watch in all.filter(|watch| watch.noted().is_some()) {
            *watch = match watch {
                Watch::Unbegun | Watch::Noted(_) => Watch::Unbegun,
                Watch::Suspect { left, .. } => Watch::Suspect { starts: IN_COMPANY, noted: None, left: *left },
            };
        }
    }

    /// Whether records of that partition may be begun with so many in hand: a suspect is alone, and permitted; what is to be
    /// noted is begun when it was.
    pub(in crate::worker) fn may_begin(
        &self,
        at: &TopicPartition,
        permitted: Option<&TopicPartition>,
        in_hand: usize,
    ) -> bool {
        match self.inputs.get(at) {
            None | Some(Watch::Noted(_)) => true,
            Some(Watch::Unbegun) => in_hand == 0,
            Some(Watch::Suspect { .. }) => in_hand == 0 && permitted == Some(at),
        }
    }

    /// What was begun was committed: of these inputs, or of what waits for that station.
    pub(in crate::worker) fn committed(&mut self, offsets: &[(TopicPartition, Offset)], station: Option<StationIndex>) {
        let is_here = |of: &TopicPartition| offsets.iter().any(|(at, _)| at == of);
        match station {
            Some(station) => {
                let is_here = |place: &(StationIndex, Partition)| {
                    place.0 == station && offsets.iter().any(|(at, _)| at.partition == place.1)
                };
                self.waiting.retain(|place, watch| !is_here(place) || watch.goes_on());
            }
            None => self.inputs.retain(|at, watch| !is_here(at) || watch.goes_on()),
        }
    }
}

#[cfg(test)]
mod tests {
    use linecook_log::TableName;

    use super::*;
    use crate::testing::at;

    /// Each note began the count anew, and a place was suspected for ever.
    #[test]
    fn a_suspicion_ends_after_so_many_suspects() {
        let table = TableName::new("baked.parked").unwrap();
        let mut watch = Watch::suspect(IN_COMPANY);
        for count in 1..=SUSPECTS {
            let beginning = Beginning::of_input(&table, &at("pizza/0"), Offset(u64::from(count)));
            watch = Watch::suspect_noted(Some(&watch), IN_COMPANY, beginning);
            assert_eq!(watch.goes_on(), count < SUSPECTS);
        }
    }
}
