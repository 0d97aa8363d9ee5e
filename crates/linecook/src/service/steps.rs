//! What a service does with the records of a topic.

use linecook_log::TopicName;

use crate::{Context, Failure, random::StageSeed, worker::Outputs};

/// A topic that a service reads.
pub(crate) struct Input {
    pub(crate) topic: TopicName,
    /// What is done with each of its records.
    pub(crate) steps: Vec<Step>,
}

/// What a stage or a table does with a record of one topic.
pub(crate) struct Step {
    /// Its place in the service's list of steps.
    pub(crate) number: usize,
    pub(crate) seed: StageSeed,
    pub(crate) work: Work,
}

pub(crate) enum Work {
    Stage(Box<StageFn>),
    Fold { table: usize, fold: usize },
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
