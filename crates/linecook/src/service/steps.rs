//! What a service does with the records of a topic.

use linecook_log::TopicName;

use super::{Misplaced, StationIndex};
use crate::{Context, Failure, random::StageSeed, worker::Outputs};

/// A topic that a service reads.
pub(crate) struct Input {
    pub(crate) topic: TopicName,
    /// What is done with each of its records.
    pub(crate) steps: Vec<Step>,
    /// What tables of keys do instead with a record that is not in the partition of its key.
    pub(crate) misplaced: Misplaced,
    /// The stations that its records are instructions for; none, if they are records as any.
    pub(crate) controls: Vec<StationIndex>,
}

impl Input {
    /// Whether its records are instructions of operators.
    pub(crate) fn is_control(&self) -> bool {
        !self.controls.is_empty()
    }

    /// The stations that its records are for.
    pub(crate) fn stations(&self) -> impl Iterator<Item = StationIndex> {
        self.steps.iter().map(|step| step.station).chain(self.controls.iter().copied())
    }
}

/// What a stage or a table does with a record of one topic.
pub(crate) struct Step {
    /// Its place in the service's list of steps.
    pub(crate) number: usize,
    pub(crate) station: StationIndex,
    pub(crate) seed: StageSeed,
    pub(crate) work: Work,
}

pub(crate) enum Work {
    Stage(Box<StageFn>),
    /// By the record's key.
    Fold {
        table: usize,
        fold: usize,
    },
    /// By something else.
    Count {
        table: usize,
        fold: usize,
    },
}

impl Step {
    /// Whether it looks the record's key up.
    pub(crate) fn is_keyed(&self) -> bool {
        matches!(self.work, Work::Fold { .. })
    }
}

pub(crate) type StageFn = dyn Fn(&Context<'_>, &mut Outputs) -> Result<(), Failure> + Send + Sync;

/// A step as it is told about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StepDeclaration {
    /// A stage is named after the topic that it writes, a table has a name.
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) from: TopicName,
}

/// What of a service reads a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Role {
    Stage { to: TopicName },
    Table { table: usize },
}
