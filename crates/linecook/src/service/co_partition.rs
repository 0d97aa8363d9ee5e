//! Which topics of a service need one owner for the partitions of one number.

use linecook_log::{InputSpec, TopicName};

use super::{Role, Service};

impl Service {
    /// What it reads, with its tables: topics that are folded into the same tables are co-partitioned.
    pub(crate) fn input_specs(&self) -> Vec<InputSpec> {
        let mut sets: Vec<Related> = Vec::new();
        for input in &self.inputs {
            let mut set = Related { tables: self.tables_folded_from(&input.topic), topics: vec![] };
            let first = sets.iter().position(|other| other.shares_a_table_with(&set)).unwrap_or(sets.len());
            let related: Vec<_> = sets.extract_if(first.., |other| other.shares_a_table_with(&set)).collect();
            for other in related {
                set.tables.extend(other.tables);
                set.topics.extend(other.topics);
            }
            set.topics.push(input.topic.clone());
            sets.insert(first, set);
        }
        sets.into_iter().map(|set| self.input_spec(set)).collect()
    }

    fn input_spec(&self, mut set: Related) -> InputSpec {
        set.tables.sort_unstable();
        set.tables.dedup();
        let tables = set.tables.iter().map(|table| self.tables[*table].name().clone());
        InputSpec { tables: tables.collect(), topics: set.topics }
    }

    fn tables_folded_from(&self, topic: &TopicName) -> Vec<usize> {
        let steps = self.steps.iter().filter(|step| step.from == *topic);
        steps.filter_map(|step| if let Role::Table { table } = step.role { Some(table) } else { None }).collect()
    }
}

/// Topics that are folded into the same tables.
struct Related {
    tables: Vec<usize>,
    topics: Vec<TopicName>,
}

impl Related {
    fn shares_a_table_with(&self, other: &Self) -> bool {
        self.tables.iter().any(|table| other.tables.contains(table))
    }
}
