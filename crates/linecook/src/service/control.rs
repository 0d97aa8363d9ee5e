//! Where operators tell a service what to do with what waits.
//!
//! ```text
//!  dead-letters redrive ──► S.orders.control / 2 ──┐
//!                                                  ├─ one owner ──► what waits in partition 2
//!                           orders           / 2 ──┘
//! ```
//!
//! Whoever owns a partition is the only one that may change what waits there, and only the log knows who that is. So an
//! [instruction](crate::dead_letters::Instruction) is a record of a topic that is co-partitioned with what the service reads,
//! one such topic for each set of co-partitioned topics: it reaches the owner from any process, on each log, and what it
//! changes is in the commit that consumes it.

use linecook_log::TopicName;

use super::{Input, Misplaced, Service, StationIndex};

impl Service {
    /// Adds the topics of instructions, when all else is declared.
    ///
    /// They come first in the order of polls: an operator waits, and an input at the end has all the room that is left in a
    /// poll, which is for those that are always busy.
    pub(super) fn add_control_topics(&mut self) {
        for set in self.co_partitioned() {
            let declared = set.topics.iter().find(|topic| !self.is_repartition(topic));
            let name = format!("{}.{}.control", self.name, declared.unwrap_or(&set.topics[0]));
            let topic = TopicName::new(name).unwrap_or_else(|error| {
                self.faults.push(format!("the names leave no room for the topic of instructions: {error}"));
                TopicName::new("control").expect("this is a name")
            });
            let first = self.inputs.iter().position(|input| set.topics.contains(&input.topic)).unwrap_or(0);
            let input = Input { topic, steps: Vec::new(), misplaced: Misplaced::Stay, controls: set.stations };
            self.inputs.insert(first, input);
        }
    }

    /// The topics of instructions.
    pub(crate) fn control_topics(&self) -> impl Iterator<Item = &TopicName> {
        self.inputs.iter().filter(|input| input.is_control()).map(|input| &input.topic)
    }

    /// Where instructions for a station are written.
    pub(crate) fn control_topic_of(&self, station: StationIndex) -> &TopicName {
        let input = self.inputs.iter().find(|input| input.controls.contains(&station));
        &input.expect("a service that was defined has one for each station").topic
    }
}
