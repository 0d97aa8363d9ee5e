//! What a member has committed and the store has not applied yet.

use crate::{Error, KeyRange, Number, Rows, Snapshot};
use bytes::Bytes;
use std::{
    cmp::Ordering,
    collections::{BTreeMap, VecDeque, btree_map},
    iter::{FusedIterator, Peekable},
    ops::Bound,
};

/// The rows of one member's commits that the store does not have yet, laid over the store for that member's reads.
///
/// A member owns its rows, so its own commits are all that can be missing. It records them when it commits, and retires
/// them when the store has them:
///
/// ```
/// use linecook_rows::{Lookup, Number, Overlay};
///
/// let mut overlay = Overlay::default();
/// overlay.record(Number(4), "goat cheese".into(), Some("12".into()));
/// assert_eq!(overlay.get("goat cheese"), Lookup::Row(&"12".into()));
///
/// overlay.retire(Number(4)); // from here on the store is asked
/// assert_eq!(overlay.get("goat cheese"), Lookup::NotRecorded);
/// ```
///
/// *Retire first, read the store afterwards.* The other way round a row can be missed: the store is read as of 3; it
/// applies 4; the overlay is retired up to 4, and then has no such row either.
#[derive(Debug, Default)]
pub struct Overlay {
    /// The newest change of each key. Older ones are of no use: this member reads at its last commit.
    changes: BTreeMap<Bytes, Change>,
    /// The changes in the order of their commits, to retire them without looking at the others.
    order: VecDeque<(Number, Bytes)>,
    retired: Number,
    row_bytes: usize,
}

#[derive(Debug)]
struct Change {
    number: Number,
    /// `None` if the row was deleted.
    value: Option<Bytes>,
}

/// What an overlay knows of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup<'a> {
    /// It has this value.
    Row(&'a Bytes),
    /// It was deleted; the store may still have it.
    Deleted,
    /// Nothing: what the store says is true.
    NotRecorded,
}

impl Overlay {
    /// Records a row of a commit: its new value, or `None` if it was deleted. Commits come in ascending order.
    ///
    /// Key and value are kept as they are; slices of a large buffer keep all of it.
    pub fn record(&mut self, number: Number, key: Bytes, value: Option<Bytes>) {
        self.row_bytes += bytes_of(&key, value.as_ref());
        let change = Change { number, value };
        let key = match self.changes.entry(key) {
            btree_map::Entry::Vacant(entry) => {
                let key = entry.key().clone();
                entry.insert(change);
                key
            }
            btree_map::Entry::Occupied(mut entry) => {
                let replaced = entry.insert(change);
                self.row_bytes -= bytes_of(entry.key(), replaced.value.as_ref());
                entry.key().clone()
            }
        };
        self.order.push_back((number, key));
    }

    /// What is known of a row here.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Lookup<'_> {
        match self.changes.get(key.as_ref()) {
            Some(Change { value: Some(value), .. }) => Lookup::Row(value),
            Some(_) => Lookup::Deleted,
            None => Lookup::NotRecorded,
        }
    }

    /// The rows of a range, from here and from the store, in the order of their keys.
    ///
    /// # Panics
    ///
    /// If the snapshot is older than what was retired: rows in between would be missing.
    pub fn scan(&self, snapshot: &Snapshot, range: KeyRange) -> Merged<'_> {
        assert!(
            snapshot.number() >= self.retired,
            "the overlay was retired before the snapshot was taken: snapshot={} retired={}",
            snapshot.number(),
            self.retired
        );
        Merged { recorded: self.recorded(&range).peekable(), stored: snapshot.scan(range).peekable() }
    }

    fn recorded(&self, range: &KeyRange) -> btree_map::Range<'_, Bytes, Change> {
        // The map panics when asked for a range that ends before it begins.
        let start = Bound::Included(range.start());
        let end = match range.end() {
            Some(_) if range.is_empty() => Bound::Excluded(range.start()),
            Some(end) => Bound::Excluded(end),
            None => Bound::Unbounded,
        };
        self.changes.range::<[u8], _>((start, end))
    }

    /// Forgets the commits that the store has applied.
    pub fn retire(&mut self, applied: Number) {
        self.retired = self.retired.max(applied);
        while let Some((_, key)) = self.order.pop_front_if(|(number, _)| *number <= applied) {
            self.forget(&key, applied);
        }
    }

    fn forget(&mut self, key: &Bytes, applied: Number) {
        // A newer change of the key stays. One of the same commit may have gone before.
        let btree_map::Entry::Occupied(entry) = self.changes.entry(key.clone()) else {
            return;
        };
        if entry.get().number <= applied {
            let (key, change) = entry.remove_entry();
            self.row_bytes -= bytes_of(&key, change.value.as_ref());
        }
    }

    /// Forgets everything, as when a member is rebuilt from the log.
    pub fn clear(&mut self) {
        *self = Self { retired: self.retired, ..Self::default() };
    }

    /// About how much memory it holds.
    pub fn bytes(&self) -> usize {
        self.row_bytes + self.order.len() * size_of::<(Number, Bytes)>()
    }
}

fn bytes_of(key: &Bytes, value: Option<&Bytes>) -> usize {
    key.len() + value.map_or(0, Bytes::len) + size_of::<(Bytes, Change)>()
}

/// The rows of a scan through an overlay: keys and values. After an error it ends.
#[derive(Debug)]
pub struct Merged<'a> {
    recorded: Peekable<btree_map::Range<'a, Bytes, Change>>,
    stored: Peekable<Rows>,
}

impl Merged<'_> {
    /// Where the next row comes from: here (`Less`), from the store (`Greater`), or from both, when ours counts.
    fn next_in_order(&mut self) -> Option<Ordering> {
        match (self.recorded.peek(), self.stored.peek()) {
            (None, None) => None,
            (Some(_), None) => Some(Ordering::Less),
            (Some((recorded, _)), Some(Ok((stored, _)))) => Some((*recorded).cmp(stored)),
            (_, Some(_)) => Some(Ordering::Greater),
        }
    }
}

impl Iterator for Merged<'_> {
    type Item = Result<(Bytes, Bytes), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let order = self.next_in_order()?;
            if order == Ordering::Greater {
                return self.next_stored();
            }
            if order == Ordering::Equal {
                self.stored.next();
            }
            if let Some((key, Change { value: Some(value), .. })) = self.recorded.next() {
                return Some(Ok((key.clone(), value.clone())));
            }
        }
    }
}

impl Merged<'_> {
    fn next_stored(&mut self) -> Option<Result<(Bytes, Bytes), Error>> {
        let row = self.stored.next();
        if let Some(Err(_)) = &row {
            // What would follow are rows of ours only, as if the store had none.
            self.recorded = btree_map::Range::default().peekable();
        }
        row
    }
}

impl FusedIterator for Merged<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlay(changes: &[(u64, &'static str, Option<&'static str>)]) -> Overlay {
        let mut overlay = Overlay::default();
        for (number, key, value) in changes {
            overlay.record(Number(*number), (*key).into(), value.map(Bytes::from));
        }
        overlay
    }

    #[test]
    fn a_row_is_known_deleted_or_not_recorded() {
        let overlay = overlay(&[(1, "a", Some("1")), (1, "b", None)]);
        assert_eq!(overlay.get("a"), Lookup::Row(&"1".into()));
        assert_eq!(overlay.get("b"), Lookup::Deleted);
        assert_eq!(overlay.get("c"), Lookup::NotRecorded);
    }

    #[test]
    fn retiring_keeps_a_newer_change_of_the_same_key() {
        let mut overlay = overlay(&[(1, "a", Some("1")), (1, "b", Some("1")), (3, "a", None)]);
        overlay.retire(Number(2));
        assert_eq!(overlay.get("a"), Lookup::Deleted);
        assert_eq!(overlay.get("b"), Lookup::NotRecorded);
    }

    #[test]
    fn the_last_change_of_a_key_in_a_commit_counts() {
        let mut overlay = overlay(&[(1, "a", Some("1")), (1, "a", Some("2"))]);
        assert_eq!(overlay.get("a"), Lookup::Row(&"2".into()));
        overlay.retire(Number(1));
        assert_eq!(overlay.get("a"), Lookup::NotRecorded);
    }

    #[test]
    fn an_overlay_that_is_retired_or_cleared_holds_no_bytes() {
        let changes = [(1, "a", Some("1")), (2, "a", Some("22")), (3, "b", None)];
        let mut retired = overlay(&changes);
        assert!(retired.bytes() > 4);
        retired.retire(Number(3));
        assert_eq!(retired.bytes(), 0);

        let mut cleared = overlay(&changes);
        cleared.clear();
        assert_eq!(cleared.bytes(), 0);
        assert_eq!(cleared.get("a"), Lookup::NotRecorded);
    }
}
