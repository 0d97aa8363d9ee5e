//! A stage that copies numbered records and counts them in rows, and what has to be true of it at any moment.

use std::collections::BTreeMap;

use super::{
    consumer::Consumer,
    fixture::{Fixture, at},
};
use crate::{GroupName, InputSpec, InstanceName, MemberSpec, Partition, TableName, TopicName};

#[derive(Clone)]
pub(super) struct Stage {
    pub(super) group: GroupName,
    pub(super) input: TopicName,
    pub(super) outputs: Vec<TopicName>,
    pub(super) table: TableName,
    pub(super) partition_count: u32,
}

impl Stage {
    /// A stage of that name between topics that exist.
    pub(super) fn new(fixture: &Fixture<'_>, name: &str, input: &TopicName, outputs: &[&TopicName]) -> Self {
        let partition_count = u32::try_from(fixture.describe(input).len()).expect("few partitions");
        Self {
            group: fixture.group(name),
            input: input.clone(),
            outputs: outputs.iter().copied().cloned().collect(),
            table: fixture.table("counts"),
            partition_count,
        }
    }

    /// The spec of its member on that instance.
    pub(super) fn spec(&self, fixture: &Fixture<'_>, instance: &str) -> MemberSpec {
        MemberSpec {
            instance: InstanceName::new(instance).expect("the suite's instance names are names"),
            inputs: vec![InputSpec { topics: vec![self.input.clone()], tables: vec![self.table.clone()] }],
            ..fixture.spec(&self.group, &[&self.input])
        }
    }

    /// Its only member, which owns everything.
    pub(super) fn join_alone(&self, fixture: &Fixture<'_>) -> Consumer {
        fixture.join_alone(self.spec(fixture, "instance-1"))
    }

    pub(super) fn outputs(&self) -> Vec<&TopicName> {
        self.outputs.iter().collect()
    }

    /// Whether outputs, rows and offsets tell the same: every consumed number is once in each output, in the order of
    /// the input, and counted once; no other is.
    ///
    /// Nobody may be committing meanwhile.
    pub(super) fn check(&self, fixture: &Fixture<'_>) -> Result<(), String> {
        Partition::all(self.partition_count).try_for_each(|partition| self.check_partition(fixture, partition))
    }

    fn check_partition(&self, fixture: &Fixture<'_>, partition: Partition) -> Result<(), String> {
        let from = at(&self.input, partition.0);
        let committed = fixture.committed_at(&self.group, &from);
        let (_, end) = fixture.describe(&self.input)[partition.0 as usize];
        if committed > end {
            return Err(format!("{from}: consumed up to {committed}, but it ends at {end}"));
        }
        let input = fixture.read(&from);
        let consumed: Vec<u64> =
            input.iter().filter(|record| record.offset < committed).map(|record| record.number()).collect();
        for topic in &self.outputs {
            let to = at(topic, partition.0);
            expect_equal(&format!("numbers in {to}"), &fixture.read_numbers(&to), &consumed)?;
        }
        let counts = fixture.counts(&self.group, &self.table, partition);
        let once: BTreeMap<u64, u64> = consumed.iter().map(|number| (*number, 1)).collect();
        expect_equal(&format!("counts of the rows of {from}"), &counts, &once)
    }

    /// Waits until all of `numbers` have come through once, and checks that everything agrees.
    pub(super) fn expect_all(&self, fixture: &Fixture<'_>, numbers: impl IntoIterator<Item = u64>) {
        let mut expected: Vec<u64> = numbers.into_iter().collect();
        expected.sort_unstable();
        fixture.settles("every number comes out once", || {
            let mut found = self.numbers_out(fixture);
            found.sort_unstable();
            expect_equal("numbers in the outputs", &found, &expected)
        });
        fixture.settles("outputs, rows and offsets agree", || self.check(fixture));
    }

    /// The numbers in its first output.
    pub(super) fn numbers_out(&self, fixture: &Fixture<'_>) -> Vec<u64> {
        (0..self.partition_count).flat_map(|p| fixture.read_numbers(&at(&self.outputs[0], p))).collect()
    }
}

fn expect_equal<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: found {found:?}, expected {expected:?}")) }
}
