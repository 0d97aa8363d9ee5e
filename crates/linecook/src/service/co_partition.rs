//! Which topics of a service need one owner for the partitions of one number: those whose records may wait for each other,
//! or change the same rows.

use linecook_log::{InputSpec, TopicName};

use super::{Service, StationIndex};

impl Service {
    /// What it reads, with its tables.
    pub(crate) fn input_specs(&self) -> Vec<InputSpec> {
        self.co_partitioned().into_iter().map(|set| self.input_spec(set)).collect()
    }

    /// The sets of topics whose records go to the same stations.
    pub(super) fn co_partitioned(&self) -> Vec<Related> {
        let mut sets: Vec<Related> = Vec::new();
        for input in &self.inputs {
            let mut set = Related { stations: input.stations().collect(), topics: vec![] };
            let first = sets.iter().position(|other| other.shares_a_station_with(&set)).unwrap_or(sets.len());
            let related: Vec<_> = sets.extract_if(first.., |other| other.shares_a_station_with(&set)).collect();
            for other in related {
                set.stations.extend(other.stations);
                set.topics.extend(other.topics);
            }
            set.stations.sort_unstable();
            set.stations.dedup();
            set.topics.push(input.topic.clone());
            sets.insert(first, set);
        }
        sets
    }

    /// The tables of each station: its own, if it is one, and that of what waits for it.
    fn input_spec(&self, set: Related) -> InputSpec {
        let own = self.tables.iter().filter(|table| set.stations.contains(&table.station));
        let own = own.map(|table| table.declared.name().clone());
        let parked = set.stations.iter().map(|station| self.station(*station).parked.clone());
        InputSpec { tables: own.chain(parked).collect(), topics: set.topics }
    }
}

/// Topics whose records go to the same stations.
pub(super) struct Related {
    pub(super) stations: Vec<StationIndex>,
    pub(super) topics: Vec<TopicName>,
}

impl Related {
    fn shares_a_station_with(&self, other: &Self) -> bool {
        self.stations.iter().any(|station| other.stations.contains(station))
    }
}
