//! Readers: each is registered with the number it reads at, as long as it may ask again.

use crate::{Error, KeyRange, Number, layout, store::Shared, tree::Retain};
use bytes::Bytes;
use parking_lot::Mutex;
use std::{collections::VecDeque, fmt, iter::FusedIterator, sync::Arc};

/// The numbers that somebody reads at, and the one that the next reader gets.
///
/// All of it is under one lock, for this race: a reader takes the newest number, 7; commit 8 replaces a row; the
/// maintenance thread sees no reader and decides to keep only newest versions; the reader registers 7, asks for the
/// row, and finds neither version. With one lock it is registered before the decision, or it gets 8.
pub(crate) struct Readers(Mutex<State>);

struct State {
    applied: Number,
    /// Numbers with their count of readers, in ascending order: new ones come at the end. Few, so it is searched fast.
    reading: VecDeque<(Number, usize)>,
    /// Why there are no new readers any more.
    end: Option<Error>,
}

impl Readers {
    pub(crate) fn new(applied: Number) -> Self {
        Self(Mutex::new(State { applied, reading: VecDeque::new(), end: None }))
    }

    pub(crate) fn applied(&self) -> Number {
        self.0.lock().applied
    }

    /// Makes a commit visible whose rows are all in the memtable.
    pub(crate) fn publish(&self, number: Number) {
        self.0.lock().applied = number;
    }

    /// What has to be kept of rows whose highest number is `highest`.
    ///
    /// `highest` is never above the applied number, since only whole commits are sealed. So readers who come later are
    /// past it in any case, and only those who are here have to be asked.
    pub(crate) fn retain(&self, highest: Number) -> Retain {
        match self.0.lock().reading.front() {
            Some((oldest, _)) if *oldest < highest => Retain::All,
            _ => Retain::Newest,
        }
    }

    pub(crate) fn end(&self, reason: Error) {
        self.0.lock().end.get_or_insert(reason);
    }

    fn enter(&self) -> Result<Number, Error> {
        let mut state = self.0.lock();
        if let Some(reason) = &state.end {
            return Err(reason.clone());
        }
        let applied = state.applied;
        match state.reading.back_mut() {
            Some((number, count)) if *number == applied => *count += 1,
            _ => state.reading.push_back((applied, 1)),
        }
        Ok(applied)
    }

    fn leave(&self, number: Number) {
        let reading = &mut self.0.lock().reading;
        if let Ok(index) = reading.binary_search_by_key(&number, |(number, _)| *number) {
            reading[index].1 -= 1;
            if reading[index].1 == 0 {
                reading.remove(index);
            }
        }
    }
}

/// The rows as of one commit, for several reads that agree with each other.
///
/// While it lives, flushes and merges keep all versions of a row that are newer, so hold it for a request, not for
/// days. It must be gone before the folder is opened again.
pub struct Snapshot {
    shared: Arc<Shared>,
    number: Number,
}

impl Snapshot {
    pub(crate) fn open(shared: &Arc<Shared>) -> Result<Self, Error> {
        Ok(Self { number: shared.readers.enter()?, shared: Arc::clone(shared) })
    }

    /// The commit that is the last one seen.
    pub fn number(&self) -> Number {
        self.number
    }

    /// The value of a row, if there is one.
    ///
    /// # Errors
    ///
    /// `Corrupt` if the file does not hold what was written to it, `Unavailable` if it cannot be read.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>, Error> {
        let key = key.as_ref();
        // No such row can have been applied, and the tree would panic.
        if layout::check_row(key, None).is_err() {
            return Ok(None);
        }
        self.shared.tree.get(&layout::row_key(key), self.number)
    }

    /// The rows of a range, in the order of their keys. See [`Rows`].
    pub fn scan(&self, range: KeyRange) -> Rows {
        if range.is_empty() {
            return Rows::new(std::iter::empty());
        }
        let bounds = layout::row_bounds(&range);
        Rows::new(self.shared.tree.range(bounds, self.number))
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        self.shared.readers.leave(self.number);
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("number", &self.number).finish_non_exhaustive()
    }
}

/// The rows of a scan: keys and values, as of the commit that the scan began at, whatever is applied, flushed or merged
/// meanwhile.
///
/// It pins the memtables and files it began with, and so outlives its [`Snapshot`]; a long scan is one iterator, and
/// holds memory and disk until it is dropped. After an error it ends.
pub struct Rows {
    /// `None` after the end.
    inner: Option<Box<RowIterator>>,
}

type RowIterator = dyn Iterator<Item = Result<(Bytes, Bytes), Error>> + Send;

impl Rows {
    fn new(inner: impl Iterator<Item = Result<(Bytes, Bytes), Error>> + Send + 'static) -> Self {
        Self { inner: Some(Box::new(inner)) }
    }
}

impl Iterator for Rows {
    type Item = Result<(Bytes, Bytes), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.inner.as_mut()?.next();
        if !matches!(row, Some(Ok(_))) {
            self.inner = None;
        }
        Some(row?.map(|(key, value)| (layout::key_of_row(&key), value)))
    }
}

impl FusedIterator for Rows {}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_kept_while_a_reader_is_behind_one_of_them() {
        let readers = Readers::new(Number(7));
        let number = readers.enter().unwrap();
        readers.publish(Number(8));
        assert_eq!(readers.retain(Number(7)), Retain::Newest);
        assert_eq!(readers.retain(Number(8)), Retain::All);
        readers.leave(number);
        assert_eq!(readers.retain(Number(8)), Retain::Newest);
    }

    #[test]
    fn the_oldest_reader_counts_until_the_last_one_at_its_number_has_left() {
        let readers = Readers::new(Number(1));
        let first = [readers.enter().unwrap(), readers.enter().unwrap()];
        readers.publish(Number(2));
        let second = readers.enter().unwrap();
        readers.publish(Number(3));
        readers.leave(first[0]);
        readers.leave(second);
        assert_eq!(readers.retain(Number(2)), Retain::All);
        readers.leave(first[1]);
        assert_eq!(readers.retain(Number(3)), Retain::Newest);
        assert!(readers.0.lock().reading.is_empty());
    }
}
