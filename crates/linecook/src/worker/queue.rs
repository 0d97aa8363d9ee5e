//! The records that were polled and are in no commit yet.
//!
//! ```text
//!  a polled batch   ┌────────────┬─────────────────┬──────────────┐
//!                   │ committed  │ taken in hand   │ waiting      │
//!                   └────────────┴─────────────────┴──────────────┘
//!                                ▲ committed       ▲ taken        ▲ end
//! ```
//!
//! All batches together are walked once: those before `first_waiting` are taken in whole, that one perhaps in part, and
//! those behind it not at all. A commit takes batches off the front.
//!
//! When a commit fails, the log hands out again what it was about, and everything in here is forgotten. When a row
//! could not be read, no commit has failed: what is in hand waits again, as the log does not repeat it.

use std::collections::VecDeque;

use linecook_log::{Assignment, Batch, Fetch, Offset, Records, TopicPartition};

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
    /// Behind its last record and what follows that is none.
    end: Offset,
}

impl Polled {
    /// Whether none of it waits.
    fn is_taken(&self) -> bool {
        self.taken >= self.end
    }
}

#[derive(Debug)]
struct Owned {
    at: TopicPartition,
    /// The offset committed last, by this member or by its predecessor.
    committed: Offset,
    /// Behind the last record that ever came. When a commit has failed, those before it come again, but not at once
    /// where the partition itself has yet to.
    seen: Offset,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(crate) struct Queue {
    polled: VecDeque<Polled>,
    /// The first batch that is not taken in whole.
    first_waiting: usize,
    owned: Vec<Owned>,
}

/// The part of a polled batch that waits.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    pub(crate) input: InputIndex,
    pub(crate) from: TopicPartition,
    pub(crate) batch: Batch,
    pub(crate) next: Offset,
    /// What is taken when all of it is.
    pub(crate) end: Offset,
}

impl Waiting {
    /// Its records: those of the batch that are not taken, and not cut off.
    pub(crate) fn records(&self) -> Records<'_> {
        self.batch.records_from(self.next).up_to(self.end)
    }
}

impl Queue {
    /// These partitions are owned from here on; what was polled of them before comes again.
    pub(crate) fn assign(&mut self, assignments: Vec<Assignment>) {
        for Assignment { partition, position } in assignments {
            self.give_up(std::slice::from_ref(&partition));
            self.owned.push(Owned { at: partition, committed: position, seen: position });
        }
    }

    /// These partitions are not owned any longer.
    pub(crate) fn give_up(&mut self, partitions: &[TopicPartition]) {
        self.forget_polled_of(partitions);
        self.owned.retain(|owned| !partitions.contains(&owned.at));
    }

    /// What was polled of these partitions comes again, here or to who owns them next.
    pub(crate) fn forget_polled_of(&mut self, partitions: &[TopicPartition]) {
        self.polled.retain(|polled| !partitions.contains(&polled.from));
        self.first_waiting = self.polled.iter().take_while(|polled| polled.is_taken()).count();
    }

    /// Adds what was polled.
    pub(crate) fn add(&mut self, input: InputIndex, fetch: Fetch) {
        let Fetch { from, position, batch, next } = fetch;
        if let Some(owned) = self.owned_at(&from) {
            owned.seen = owned.seen.max(next);
        }
        let polled = Polled { input, from, batch, committed: position, taken: position, end: next };
        // A batch with nothing in it for us would never go.
        if !polled.is_taken() {
            self.polled.push_back(polled);
        }
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
        let index = self.first_waiting;
        let Polled { input, from, batch, taken, end, .. } = self.polled.get(index)?;
        let waiting = Waiting { input: *input, from: from.clone(), batch: batch.clone(), next: *taken, end: *end };
        Some((index, waiting))
    }

    /// The records before `next` of that batch, which is the first that waits, are in hand.
    pub(crate) fn take(&mut self, index: usize, next: Offset) {
        let polled = &mut self.polled[index];
        polled.taken = next;
        if polled.is_taken() {
            self.first_waiting = index + 1;
        }
    }

    /// What waits of that partition comes again later. What is in hand of it stays.
    pub(crate) fn cut(&mut self, at: &TopicPartition) {
        self.polled.iter_mut().filter(|polled| polled.from == *at).for_each(|polled| polled.end = polled.taken);
        self.polled.retain(|polled| polled.taken > polled.committed || !polled.is_taken());
        self.first_waiting = self.polled.iter().take_while(|polled| polled.is_taken()).count();
    }

    /// The batches that have records in hand.
    fn in_hand(&mut self) -> impl Iterator<Item = &mut Polled> {
        self.polled.iter_mut().take(self.first_waiting + 1)
    }

    /// The next offset of each partition that has records in hand.
    pub(crate) fn taken_offsets(&self) -> Vec<(TopicPartition, Offset)> {
        let mut offsets: Vec<(TopicPartition, Offset)> = Vec::new();
        for polled in self.polled.iter().take(self.first_waiting + 1).filter(|polled| polled.taken > polled.committed) {
            match offsets.iter_mut().find(|(of, _)| *of == polled.from) {
                Some((_, offset)) => *offset = polled.taken,
                None => offsets.push((polled.from.clone(), polled.taken)),
            }
        }
        offsets
    }

    /// The committed offset of each partition that is owned.
    pub(crate) fn committed_offsets(&self) -> Vec<(TopicPartition, Offset)> {
        self.owned.iter().map(|owned| (owned.at.clone(), owned.committed)).collect()
    }

    /// What is in hand was committed.
    pub(crate) fn committed(&mut self, offsets: &[(TopicPartition, Offset)]) {
        for (at, offset) in offsets {
            if let Some(owned) = self.owned_at(at) {
                owned.committed = *offset;
            }
        }
        self.polled.drain(..self.first_waiting);
        self.first_waiting = 0;
        self.in_hand().for_each(|polled| polled.committed = polled.taken);
    }

    /// What is in hand waits again.
    pub(crate) fn rewind(&mut self) {
        self.in_hand().for_each(|polled| polled.taken = polled.committed);
        self.first_waiting = 0;
    }

    /// A commit has failed: what was polled comes again.
    pub(crate) fn forget_polled(&mut self) {
        self.polled.clear();
        self.first_waiting = 0;
    }

    /// The partitions owned.
    pub(crate) fn owned(&self) -> impl Iterator<Item = &TopicPartition> {
        self.owned.iter().map(|owned| &owned.at)
    }

    /// Whether all that ever came of a partition is committed, or another's.
    pub(crate) fn is_done(&self, at: &TopicPartition) -> bool {
        self.owned.iter().find(|owned| owned.at == *at).is_none_or(|owned| owned.committed >= owned.seen)
    }

    /// The committed offset of a partition, if it is owned.
    pub(crate) fn committed_offset(&self, at: &TopicPartition) -> Option<Offset> {
        self.owned.iter().find(|owned| owned.at == *at).map(|owned| owned.committed)
    }
}

#[cfg(test)]
mod tests {
    use linecook_log::{Partition, Timestamp, TopicName};

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
        Fetch::new(at(partition), Offset(position), batch)
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

    /// Offsets that are no records are consumed with those before them, or alone.
    #[test]
    fn what_follows_a_batch_and_is_no_record_is_consumed_with_it() {
        let with_marker = Fetch { next: Offset(17), ..fetch(0, 13, 13) };
        let only_marker = Fetch { next: Offset(18), ..Fetch::new(at(0), Offset(17), batch_of(Offset(17), &[])) };
        let mut queue = queue([with_marker, only_marker]);
        let (index, waiting) = queue.next().unwrap();
        assert_eq!((waiting.batch.end(), waiting.end), (Offset(16), Offset(17)));
        queue.take(index, waiting.end);
        assert_eq!(queue.taken_offsets(), [(at(0), Offset(17))]);
        let (index, waiting) = queue.next().unwrap();
        assert_eq!((waiting.batch.count(), waiting.end), (0, Offset(18)));
        queue.take(index, waiting.end);
        let offsets = queue.taken_offsets();
        queue.committed(&offsets);
        assert!(queue.is_done(&at(0)) && queue.is_empty());
        assert_eq!(queue.committed_offset(&at(0)), Some(Offset(18)));
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

    /// A backlog may be of tiny batches: one that clients appended has about 1,700 of a record each in one poll. Taking
    /// one looked at all those before it, and so did committing when each record gets a commit of its own. With this
    /// many, that is minutes.
    #[test]
    fn a_backlog_of_tiny_batches_is_walked_once() {
        const COUNT: u64 = 40_000;
        let batch = batch_of(Offset(0), &[("k", "1")]);
        let backlog = || {
            let mut queue = queue([]);
            for offset in 0..COUNT {
                let batch = batch.clone().placed(Offset(offset), Timestamp(0));
                queue.add(InputIndex(0), Fetch::new(at(0), Offset(offset), batch));
            }
            queue
        };
        let mut queue = backlog();
        while let Some((index, waiting)) = queue.next() {
            queue.take(index, waiting.end);
        }
        assert_eq!(queue.taken_offsets(), [(at(0), Offset(COUNT))]);
        let mut queue = backlog();
        while let Some((index, waiting)) = queue.next() {
            queue.take(index, waiting.end);
            let offsets = queue.taken_offsets();
            queue.committed(&offsets);
        }
        assert!(queue.is_empty());
    }

    /// It could only be in the queue, neither to be taken nor to be committed, and what is not empty is not polled.
    #[test]
    fn a_batch_that_is_consumed_already_does_not_wait() {
        assert!(queue([fetch(0, 10, 13)]).is_empty());
    }

    #[test]
    fn a_partition_that_goes_leaves_the_others_where_they_are() {
        let mut queue = queue([fetch(0, 10, 10), fetch(1, 5, 5), fetch(1, 8, 8)]);
        queue.take(0, Offset(13));
        queue.take(1, Offset(8));
        queue.give_up(&[at(0)]);
        let (index, waiting) = queue.next().unwrap();
        assert_eq!((index, waiting.next, queue.taken_offsets()), (1, Offset(8), vec![(at(1), Offset(8))]));
    }
}
