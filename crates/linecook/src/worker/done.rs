//! What the steps of a service have done since the last commit.

use linecook_log::Partition;

use super::InputIndex;

/// Counts of each step, by the partition of its records, and of the records of each input that were moved.
#[derive(Debug)]
pub(crate) struct Done {
    step_count: usize,
    partitions: Vec<(Partition, Vec<StepCounts>)>,
    /// The partition that the records in hand are from.
    current: usize,
    moved: Vec<u64>,
}

/// What one step has done of one partition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct StepCounts {
    pub(crate) records: u64,
    pub(crate) dead_letters: u64,
    /// Records that are to be tried again.
    pub(crate) put_off: u64,
}

impl Done {
    pub(crate) fn new(step_count: usize, input_count: usize) -> Self {
        Self { step_count, partitions: Vec::new(), current: 0, moved: vec![0; input_count] }
    }

    /// The records counted next are of that partition.
    pub(crate) fn begin(&mut self, partition: Partition) {
        let known = self.partitions.iter().position(|(of, _)| *of == partition);
        self.current = known.unwrap_or_else(|| {
            self.partitions.push((partition, vec![StepCounts::default(); self.step_count]));
            self.partitions.len() - 1
        });
    }

    /// The counts of a step, of the partition begun last.
    pub(crate) fn of_step(&mut self, number: usize) -> &mut StepCounts {
        &mut self.partitions[self.current].1[number]
    }

    /// The partitions that had records: of a thousand a commit has a few.
    pub(crate) fn by_partition(&self) -> impl Iterator<Item = (Partition, &[StepCounts])> {
        let had_records = |of_steps: &[StepCounts]| of_steps.iter().any(|step| *step != StepCounts::default());
        let partitions = self.partitions.iter().map(|(partition, of_steps)| (*partition, &**of_steps));
        partitions.filter(move |(_, of_steps)| had_records(of_steps))
    }

    /// A record of that input goes to the partition of its key.
    pub(crate) fn was_moved(&mut self, input: InputIndex) {
        self.moved[input.0] += 1;
    }

    /// For each input how many records were moved.
    pub(crate) fn moved(&self) -> &[u64] {
        &self.moved
    }

    /// Nothing is done yet.
    pub(crate) fn clear(&mut self) {
        self.moved.fill(0);
        self.partitions.iter_mut().for_each(|(_, of_steps)| of_steps.fill(StepCounts::default()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_partition_has_counts_of_its_own() {
        let mut done = Done::new(2, 1);
        for (partition, step) in [(3, 1), (0, 0), (3, 1)] {
            done.begin(Partition(partition));
            done.of_step(step).records += 1;
        }
        let records = |(partition, of_steps): (Partition, &[StepCounts])| {
            (partition.0, of_steps.iter().map(|step| step.records).collect::<Vec<_>>())
        };
        assert_eq!(done.by_partition().map(records).collect::<Vec<_>>(), [(3, vec![0, 2]), (0, vec![1, 0])]);
        done.clear();
        assert_eq!(done.by_partition().count(), 0);
        done.begin(Partition(0));
        done.of_step(1).records += 1;
        assert_eq!(done.by_partition().map(records).collect::<Vec<_>>(), [(0, vec![0, 1])]);
    }
}
