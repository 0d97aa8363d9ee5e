//! The store of rows, and everybody who reads from it.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use linecook_log::{Error, ErrorKind, Partition, Result, Row, Scan};
use linecook_rows::{KeyRange, Number, Snapshot, Store};
use parking_lot::RwLock;

use crate::{catalog::TableId, payload};

/// Called with the folder of the rows whenever its files have changed.
pub type RowsInstalled = Arc<dyn Fn(&Path) + Send + Sync>;

/// A store that is let go only when nobody reads from it: a reader of it that ends removes files, and in the folder
/// there may be another store by then, of this process or of the next.
pub(crate) struct RowStore {
    /// `None` when it was let go. Held for reading by whoever uses it, for as long as that takes; nothing is locked
    /// meanwhile but what is inside of the store.
    store: RwLock<Option<Store>>,
}

impl RowStore {
    pub(crate) fn new(store: Store) -> Self {
        Self { store: RwLock::new(Some(store)) }
    }

    /// What `read` makes of the rows as of now.
    ///
    /// # Errors
    /// `Unavailable`: the store is over, and another one is opened.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Snapshot) -> Result<T>) -> Result<T> {
        let store = self.store.read();
        let snapshot = store.as_ref().ok_or_else(gone)?.snapshot().map_err(|error| match error.kind() {
            // To whoever reads, `Closed` would say that the log is.
            linecook_rows::ErrorKind::Closed => gone(),
            _ => as_log_error(error),
        })?;
        read(&snapshot)
    }

    /// Whether it can be read.
    pub(crate) fn check(&self) -> Result<()> {
        self.read(|_| Ok(()))
    }

    /// Applies the rows of a commit. See [`Store::apply`] for what is copied.
    pub(crate) fn apply<'a, V: Into<linecook_rows::Value>>(
        &self,
        number: Number,
        rows: impl IntoIterator<Item = (&'a [u8], Option<V>)>,
    ) -> std::result::Result<(), NotApplied> {
        let store = self.store.read();
        let store = store.as_ref().ok_or_else(|| NotApplied::ForGood(gone()))?;
        store.apply(number, rows).map_err(|error| match error.kind() {
            linecook_rows::ErrorKind::Unavailable => NotApplied::ForNow(as_log_error(error)),
            _ => NotApplied::ForGood(as_log_error(error)),
        })
    }

    pub(crate) fn applied(&self) -> Number {
        self.store.read().as_ref().map(Store::applied).unwrap_or_default()
    }

    pub(crate) fn persisted(&self) -> Number {
        self.store.read().as_ref().map(Store::persisted).unwrap_or_default()
    }

    pub(crate) fn persist_soon(&self) {
        if let Some(store) = &*self.store.read() {
            store.persist_soon();
        }
    }

    pub(crate) fn last_error(&self) -> Option<linecook_rows::Error> {
        self.store.read().as_ref()?.last_error()
    }

    /// Persists everything, waits for whoever reads, and lets the store go. Doing so again does nothing.
    pub(crate) fn close(&self) -> Result<()> {
        // Closed before it is waited for: no reader begins any more.
        let closed = self.store.read().as_ref().map_or(Ok(()), Store::close);
        self.store.write().take();
        closed.map_err(as_log_error)
    }
}

/// Why rows were not applied.
pub(crate) enum NotApplied {
    /// It may be tried again.
    ForNow(Error),
    /// The store is over.
    ForGood(Error),
}

impl From<NotApplied> for Error {
    fn from(it: NotApplied) -> Self {
        match it {
            NotApplied::ForNow(error) | NotApplied::ForGood(error) => error,
        }
    }
}

fn gone() -> Error {
    Error::new(ErrorKind::Unavailable, "the rows were closed")
}

/// The full keys that a scan asks for.
pub(crate) fn range(table: TableId, partition: Partition, scan: Scan<'_>) -> KeyRange {
    let range = KeyRange::prefix(payload::row_key(table, partition, scan.prefix));
    match scan.after {
        None => range,
        Some(after) => range.after(payload::row_key(table, partition, after)),
    }
}

/// At most `limit` rows with their own keys.
pub(crate) fn collect(
    rows: impl Iterator<Item = Result<(Bytes, Bytes), linecook_rows::Error>>,
    limit: usize,
) -> Result<Vec<Row>> {
    let own = |(key, value): (Bytes, Bytes)| (key.slice(payload::ROW_PREFIX_BYTES..), value);
    rows.take(limit).map(|row| row.map(own).map_err(as_log_error)).collect()
}

/// What the contract calls an error of the store.
pub(crate) fn as_log_error(error: linecook_rows::Error) -> Error {
    let kind = match error.kind() {
        // Both are for a person to look at; what it says names the versions.
        linecook_rows::ErrorKind::Corrupt | linecook_rows::ErrorKind::Unsupported => ErrorKind::Corrupt,
        linecook_rows::ErrorKind::Closed => ErrorKind::Closed,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, "the rows cannot be read or written").with_source(error)
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, mpsc},
        thread,
        time::Duration,
    };

    use super::*;

    /// A store that had failed was opened again while a slow scan of the one before went on, which removed files when it
    /// ended, in a folder that was the next store's.
    #[test]
    fn a_store_is_let_go_when_its_last_reader_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(RowStore::new(Store::open(folder.path(), linecook_rows::Options::default()).unwrap()));
        let ((entered, has_entered), (leave, leaves)) = (mpsc::channel(), mpsc::channel::<()>());
        let read = Arc::clone(&store);
        let reading = thread::spawn(move || {
            read.read(|snapshot| {
                entered.send(()).unwrap();
                leaves.recv().unwrap();
                snapshot.get("k").map_err(as_log_error)
            })
        });
        has_entered.recv().unwrap();
        let (closed, is_closed) = mpsc::channel();
        let closing = Arc::clone(&store);
        thread::spawn(move || closed.send(closing.close()).unwrap());
        assert!(is_closed.recv_timeout(Duration::from_millis(100)).is_err(), "it waits for the reader");
        leave.send(()).unwrap();
        assert_eq!(reading.join().unwrap().unwrap(), None, "who reads is not disturbed");
        is_closed.recv_timeout(Duration::from_secs(30)).unwrap().unwrap();
        assert_eq!(store.check().unwrap_err().kind(), ErrorKind::Unavailable);
        store.close().unwrap();
    }
}
