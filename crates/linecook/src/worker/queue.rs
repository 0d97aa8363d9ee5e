//! The records that were polled and are in no commit yet.
//!
//! ```text
//!  a polled batch   ┌────────────┬─────────────────┬──────────────┐
//!                   │ committed  │ taken in hand   │ waiting      │
//!                   └────────────┴─────────────────┴──────────────┘
//!                                ▲ committed       ▲ taken        ▲ end
//! ```
//!
//! When a commit fails, the log hands out again what it was about, and everything in here is forgotten. When a row
//! could not be read, no commit has failed: what is in hand waits again, as the log does not repeat it.

use std::collections::VecDeque;

use linecook_log::{Assignment, Batch, Fetch, Offset, TopicPartition};

/// Which of a service's inputs a record is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InputIndex(pub(crate) usize);

#[derive(Debug)]
struct Polled {
    input: InputIndex,
    from: TopicPartition,
    batch: Batch,
    committed: Offset,
    taken: Offset,
}

#[derive(Debug)]
struct Owned {
    at: TopicPartition,
    /// The offset committed last, by this member or by its predecessor.
    committed: Offset,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Queue {
    polled: VecDeque<Polled>,
    owned: Vec<Owned>,
}

/// The part of a polled batch that waits.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) input: InputIndex,
    pub(crate) from: TopicPartition,
    pub(crate) batch: Batch,
    pub(crate) next: Offset,
}

impl Queue {
    /// These partitions are owned from here on; what was polled of them before comes again.
    pub(crate) fn assign(&mut self, assignments: Vec<Assignment>) {
        for Assignment { partition, position } in assignments {
            self.give_up(std::slice::from_ref(&partition));
            self.owned.push(Owned { at: partition, committed: position });
        }
    }

    /// These partitions are not owned any longer.
    pub(crate) fn give_up(&mut self, partitions: &[TopicPartition]) {
        self.drop_polled(partitions);
        self.owned.retain(|owned| !partitions.contains(&owned.at));
    }

    /// Drops what waits of these partitions: who owns them next begins behind their last commit.
    fn drop_polled(&mut self, partitions: &[TopicPartition]) {
        self.polled.retain(|polled| !partitions.contains(&polled.from));
    }

    /// Adds what was polled.
    pub(crate) fn add(&mut self, input: InputIndex, fetch: Fetch) {
        let Fetch { from, position, batch } = fetch;
        self.polled.push_back(Polled { input, from, batch, committed: position, taken: position });
    }

    fn owned_at(&mut self, at: &TopicPartition) -> Option<&mut Owned> {
        self.owned.iter_mut().find(|owned| owned.at == *at)
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.polled.is_empty()
    }

    /// The first batch that is not taken in whole.
    pub(crate) fn next(&self) -> Option<(usize, Waiting)> {
        let index = self.polled.iter().position(|polled| polled.taken < polled.batch.end())?;
        let Polled { input, from, batch, taken, .. } = &self.polled[index];
        let waiting = Waiting { input: *input, from: from.clone(), batch: batch.clone(), next: *taken };
        Some((index, waiting))
    }

    /// The records of that batch before `next` are in hand.
    pub(crate) fn take(&mut self, index: usize, next: Offset) {
        self.polled[index].taken = next;
    }

    /// The next offset of each partition that has records in hand.
    pub(crate) fn taken_offsets(&self) -> Vec<(TopicPartition, Offset)> {
        let mut offsets: Vec<(TopicPartition, Offset)> = Vec::new();
        for polled in self.polled.iter().filter(|polled| polled.taken > polled.committed) {
            match offsets.iter_mut().find(|(of, _)| *of == polled.from) {
                Some((_, offset)) => *offset = polled.taken,
                None => offsets.push((polled.from.clone(), polled.taken)),
            }
        }
        offsets
    }

    /// What is in hand was committed.
    pub(crate) fn committed(&mut self, offsets: &[(TopicPartition, Offset)]) {
        for (at, offset) in offsets {
            if let Some(owned) = self.owned_at(at) {
                owned.committed = *offset;
            }
        }
        for polled in &mut self.polled {
            polled.committed = polled.taken;
        }
        self.polled.retain(|polled| polled.committed < polled.batch.end());
    }

    /// What is in hand waits again.
    pub(crate) fn rewind(&mut self) {
        for polled in &mut self.polled {
            polled.taken = polled.committed;
        }
    }

    /// A commit has failed: what was polled comes again.
    pub(crate) fn forget_polled(&mut self) {
        self.polled.clear();
    }

    /// The partitions owned.
    pub(crate) fn owned(&self) -> impl Iterator<Item = &TopicPartition> {
        self.owned.iter().map(|owned| &owned.at)
    }

    /// The committed offset of a partition, if it is owned.
    pub(crate) fn committed_offset(&self, at: &TopicPartition) -> Option<Offset> {
        self.owned.iter().find(|owned| owned.at == *at).map(|owned| owned.committed)
    }
}

#[cfg(test)]
mod tests {
    use linecook_log::{Partition, TopicName};

    use super::*;
    use crate::testing::batch_of;

    fn at(partition: u32) -> TopicPartition {
        TopicPartition::new(&TopicName::new("pizza").unwrap(), Partition(partition))
    }

    fn assignment(partition: u32, position: u64) -> Assignment {
        Assignment { partition: at(partition), position: Offset(position) }
    }

    fn fetch(partition: u32, base: u64, position: u64) -> Fetch {
        let batch = batch_of(Offset(base), &[("k", "1"), ("k", "2"), ("k", "3")]);
        Fetch { from: at(partition), position: Offset(position), batch }
    }

    fn queue(fetches: impl IntoIterator<Item = Fetch>) -> Queue {
        let mut queue = Queue::default();
        queue.assign(vec![assignment(0, 12), assignment(1, 5)]);
        fetches.into_iter().for_each(|fetch| queue.add(InputIndex(0), fetch));
        queue
    }

    #[test]
    fn a_batch_begins_at_the_position_in_it() {
        let queue = queue([fetch(0, 10, 12)]);
        assert_eq!(queue.next().unwrap().1.next, Offset(12));
        assert_eq!(queue.committed_offset(&at(0)), Some(Offset(12)));
        assert!(queue.taken_offsets().is_empty());
    }

    #[test]
    fn what_was_in_hand_waits_again_and_what_was_committed_does_not() {
        let mut queue = queue([fetch(0, 10, 10), fetch(0, 13, 13), fetch(1, 5, 5)]);
        queue.take(0, Offset(13));
        queue.take(1, Offset(14));
        assert_eq!(queue.taken_offsets(), [(at(0), Offset(14))]);
        queue.rewind();
        assert_eq!(queue.next().unwrap().1.next, Offset(10));
        queue.take(0, Offset(13));
        queue.take(1, Offset(14));
        let offsets = queue.taken_offsets();
        queue.committed(&offsets);
        let (index, next) = queue.next().unwrap();
        assert_eq!((index, next.next, queue.committed_offset(&at(0))), (0, Offset(14), Some(Offset(14))));
        queue.rewind();
        assert_eq!(queue.next().unwrap().1.next, Offset(14));
    }

    #[test]
    fn a_partition_that_is_assigned_again_begins_anew() {
        let mut queue = queue([fetch(0, 10, 10), fetch(1, 5, 5)]);
        queue.assign(vec![assignment(0, 11)]);
        queue.add(InputIndex(0), fetch(0, 10, 11));
        let starts: Vec<_> = queue.polled.iter().map(|polled| (polled.from.partition.0, polled.taken)).collect();
        assert_eq!(starts, [(1, Offset(5)), (0, Offset(11))]);
    }

    #[test]
    fn nothing_is_kept_of_a_partition_that_is_lost() {
        let mut queue = queue([fetch(0, 10, 10), fetch(1, 5, 5)]);
        queue.give_up(&[at(0)]);
        assert_eq!(queue.owned().collect::<Vec<_>>(), [&at(1)]);
        assert_eq!(queue.polled.len(), 1);
        queue.give_up(&[at(1)]);
        assert!(queue.is_empty());
    }
}
