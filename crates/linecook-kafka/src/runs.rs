//! Which records without a header of ours follow which one with it.

use std::{collections::HashMap, sync::Arc};

use crate::provenance::Digest;

/// The runs of partitions that may not be read to their end yet; see [`provenance`](crate::provenance).
///
/// Several producers may write runs into a partition at a time, and others may write between their records, so several
/// runs are open at a time, and a record belongs to the one whose next digest it has. A record of somebody else is taken
/// for one of ours once in 65,536 times, and when it has the same key and value; it then seems to come from a service that it
/// does not come from, which is all that is wrong with it. Of a run that has lost a record, as one in a topic that somebody
/// compacts, those behind it belong to nobody.
#[derive(Default)]
pub(crate) struct Runs(HashMap<i32, Vec<Run>>);

/// What the records of a run have in common.
pub(crate) type Shared = Arc<[u8]>;

struct Run {
    /// The offset of its first record.
    begin: i64,
    shared: Shared,
    /// The digests of those that are still to come, the next one last.
    expected: Vec<Digest>,
}

/// How many runs of a partition are open at most: as many as producers write there at the same moment.
const OPEN_MAX: usize = 16;
/// A run that has not ended after so many offsets never will: its reader has stepped back, or was elsewhere meanwhile.
const REACH: i64 = 4096;

impl Runs {
    /// A record with a header has come. It is `known` if that is what a record before it has in common with it.
    pub(crate) fn begin(
        &mut self,
        (partition, offset): (i32, i64),
        shared: &[u8],
        known: Option<&Shared>,
        followers: &[Digest],
    ) -> Shared {
        let shared = known.filter(|known| ***known == *shared).map_or_else(|| shared.into(), Arc::clone);
        if !followers.is_empty() {
            let open = self.0.entry(partition).or_default();
            if open.len() == OPEN_MAX {
                open.remove(0);
            }
            let expected = followers.iter().rev().copied().collect();
            open.push(Run { begin: offset, shared: Arc::clone(&shared), expected });
        }
        shared
    }

    /// What a record without a header has in common with those of its run; `None` for one of somebody else.
    pub(crate) fn follow(
        &mut self,
        (partition, offset): (i32, i64),
        digest: impl FnOnce() -> Digest,
    ) -> Option<Shared> {
        let open = self.0.get_mut(&partition)?;
        open.retain(|run| (run.begin..run.begin.saturating_add(REACH)).contains(&offset));
        if open.is_empty() {
            return None;
        }
        let digest = digest();
        let index = open.iter().rposition(|run| run.expected.last() == Some(&digest))?;
        let run = &mut open[index];
        run.expected.pop();
        if run.expected.is_empty() {
            return Some(open.remove(index).shared);
        }
        Some(Arc::clone(&run.shared))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &[u8] = b"service a";
    const B: &[u8] = b"service b";

    fn digests(numbers: &[u8]) -> Vec<Digest> {
        numbers.iter().map(|number| [*number, 0]).collect()
    }

    fn followed(runs: &mut Runs, partition: i32, number: u8) -> Option<Shared> {
        runs.follow((partition, 1), || [number, 0])
    }

    #[test]
    fn records_of_others_between_those_of_a_run_belong_to_nobody() {
        let mut runs = Runs::default();
        assert_eq!(followed(&mut runs, 0, 1), None);
        runs.begin((0, 0), A, None, &digests(&[1, 2]));
        assert_eq!(followed(&mut runs, 0, 9), None);
        assert_eq!(followed(&mut runs, 0, 1).as_deref(), Some(A));
        assert_eq!(followed(&mut runs, 0, 1), None);
        assert_eq!(followed(&mut runs, 1, 2), None, "of another partition");
        assert_eq!(followed(&mut runs, 0, 2).as_deref(), Some(A));
        assert_eq!(followed(&mut runs, 0, 2), None);
    }

    #[test]
    fn runs_of_two_producers_are_told_apart() {
        let mut runs = Runs::default();
        runs.begin((0, 0), A, None, &digests(&[1, 2]));
        assert_eq!(followed(&mut runs, 0, 1).as_deref(), Some(A));
        runs.begin((0, 0), B, None, &digests(&[3, 4]));
        assert_eq!(followed(&mut runs, 0, 3).as_deref(), Some(B));
        assert_eq!(followed(&mut runs, 0, 2).as_deref(), Some(A));
        assert_eq!(followed(&mut runs, 0, 4).as_deref(), Some(B));
    }

    /// After a step back, or a record that was read elsewhere, a run never comes to its end.
    #[test]
    fn runs_that_never_end_do_not_pile_up() {
        let mut runs = Runs::default();
        for _ in 0..2 * OPEN_MAX {
            runs.begin((0, 0), A, None, &digests(&[1]));
        }
        assert_eq!(runs.0[&0].len(), OPEN_MAX);
        assert_eq!(runs.follow((0, REACH), || [1, 0]), None, "so far behind");
        assert_eq!(runs.0[&0].len(), 0);
        runs.begin((0, 0), A, None, &digests(&[1]));
        assert_eq!(runs.follow((0, -1), || [1, 0]), None, "before it");
        runs.begin((0, 0), B, None, &digests(&[2, 3]));
        assert_eq!(followed(&mut runs, 0, 2).as_deref(), Some(B));
    }

    #[test]
    fn what_runs_of_a_batch_have_in_common_is_kept_once() {
        let mut runs = Runs::default();
        let first = runs.begin((0, 0), A, None, &[]);
        assert!(Arc::ptr_eq(&first, &runs.begin((0, 0), A, Some(&first), &digests(&[1]))));
        assert!(Arc::ptr_eq(&first, &followed(&mut runs, 0, 1).unwrap()));
        assert!(!Arc::ptr_eq(&first, &runs.begin((0, 0), B, Some(&first), &[])));
    }
}
