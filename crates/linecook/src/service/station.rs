//! What of a service fails, and waits, by itself.

use linecook_log::{TableName, TopicName};

use super::{Input, Service};
use crate::FailurePolicy;

/// A stage, or a table with all its folds: a record that waits for one of a table's folds holds up the later records of its
/// key in the others, since they change the same entry.
#[derive(Debug)]
pub(crate) struct Station {
    /// Where records are that wait for it: a table of the same partitions.
    pub(crate) parked: TableName,
    pub(crate) policy: FailurePolicy,
}

/// A station, by its place in the service's list of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct StationIndex(pub(crate) usize);

impl Service {
    pub(crate) fn stations(&self) -> &[Station] {
        &self.stations
    }

    pub(crate) fn station(&self, index: StationIndex) -> &Station {
        &self.stations[index.0]
    }

    pub(crate) fn station_indices(&self) -> impl Iterator<Item = StationIndex> + use<> {
        (0..self.stations.len()).map(StationIndex)
    }

    /// The topics that one reads.
    pub(crate) fn topics_of_station(&self, index: StationIndex) -> Vec<&TopicName> {
        let reads = |input: &&Input| input.steps.iter().any(|step| step.station == index);
        self.inputs.iter().filter(reads).map(|input| &input.topic).collect()
    }

    /// Those that get the records of a topic.
    pub(crate) fn stations_of_records(&self, topic: &TopicName) -> impl Iterator<Item = StationIndex> {
        let input = self.inputs.iter().find(|input| input.topic == *topic);
        input.into_iter().flat_map(|input| &input.steps).map(|step| step.station)
    }

    /// What one is called: the topic that a stage writes, or a table.
    pub(crate) fn name_of_station(&self, index: StationIndex) -> &str {
        let steps = self.inputs.iter().flat_map(|input| &input.steps);
        let mut of_station = steps.filter(|step| step.station == index);
        of_station.next().map_or("", |step| &self.steps[step.number].name)
    }

    /// Adds one whose records wait in a table named after `place`.
    pub(super) fn add_station(&mut self, place: &str) -> StationIndex {
        let parked = TableName::new(format!("{place}.parked")).unwrap_or_else(|error| {
            self.faults.push(format!("the name leaves no room for the table of what waits: {error}"));
            TableName::new("parked").expect("this is a name")
        });
        self.expect_new_table(&parked);
        let policy = FailurePolicy::default();
        self.stations.push(Station { parked, policy });
        StationIndex(self.stations.len() - 1)
    }

    /// Notes a fault when there is a table of that name already.
    pub(super) fn expect_new_table(&mut self, name: &TableName) {
        let parked = self.stations.iter().map(|station| &station.parked);
        if self.table_names().chain(parked).any(|known| known == name) {
            self.faults.push(format!("two tables of one name: table={name}"));
        }
    }

    pub(crate) fn set_policy(&mut self, index: StationIndex, policy: FailurePolicy) {
        self.stations[index.0].policy = policy;
    }
}

/// Goes on with the declaration of a stage, or of counts.
#[derive(Debug)]
pub struct StageDeclaration<'a> {
    service: &'a mut Service,
    station: StationIndex,
}

impl<'a> StageDeclaration<'a> {
    pub(super) fn new(service: &'a mut Service, station: StationIndex) -> Self {
        Self { service, station }
    }

    /// What becomes of records that it cannot handle; [`FailurePolicy::default`] unless another is set.
    pub fn on_failure(self, policy: FailurePolicy) {
        self.service.set_policy(self.station, policy);
    }
}
