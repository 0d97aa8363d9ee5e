//! The store: what the owner of a log holds.

use crate::{
    Error, KeyRange, Number, Rows, Snapshot, Value,
    backlog::Backlog,
    maintenance,
    pause::Pause,
    snapshot::Readers,
    tree::{Sizes, Tree},
    writer::Writer,
};
use bytes::Bytes;
use parking_lot::Mutex;
use std::{
    fmt,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock, Weak},
    thread::JoinHandle,
};

/// Called with the store's folder on the maintenance thread, after each version that a flush or a merge has installed
/// and before that thread goes on. A crash test copies the folder here.
pub type Installed = Arc<dyn Fn(&Path) + Send + Sync>;

/// How a store is set up.
#[derive(Clone)]
pub struct Options {
    /// How many bytes of rows are collected in memory before they are written out. Up to four times as much is held
    /// when the disk is slow; then [`Store::apply`] waits.
    pub memtable_bytes: u64,
    /// How many bytes of tables are cached.
    pub cache_bytes: u64,
    /// How many files of tables are kept open at a time, beside those that are being merged.
    pub open_files: usize,
    /// What to call when a version was installed.
    pub installed: Option<Installed>,
}

impl Default for Options {
    fn default() -> Self {
        Self { memtable_bytes: 32 << 20, cache_bytes: 16 << 20, open_files: 128, installed: None }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("memtable_bytes", &self.memtable_bytes)
            .field("cache_bytes", &self.cache_bytes)
            .field("open_files", &self.open_files)
            .finish_non_exhaustive()
    }
}

/// What the store, its readers and its maintenance thread share.
pub(crate) struct Shared {
    pub(crate) folder: PathBuf,
    pub(crate) tree: Tree,
    pub(crate) readers: Readers,
    pub(crate) backlog: Backlog,
    pub(crate) installed: Option<Installed>,
}

impl Shared {
    /// Ends the store for all who use it: waiters, readers to come, the maintenance thread.
    pub(crate) fn end(&self, reason: Error) {
        self.readers.end(reason.clone());
        self.backlog.end(reason);
    }
}

/// Rows in a folder, as of the newest commit applied.
///
/// It owns the maintenance thread, so it is not cloned but shared in an `Arc`. One thread applies, any number read.
/// Nothing but [`Store::flush_now`] and [`Store::close`] waits for the disk to have something, except that
/// [`Store::apply`] waits when three memtables are full and not persisted. (A read waits for the few syncs with which a
/// flush ends.)
///
/// Dropping it without [`Store::close`] ends the thread and persists nothing more; the log replays it.
pub struct Store {
    shared: Arc<Shared>,
    writer: Mutex<Writer>,
    /// Commits up to here were in tables when the store was opened. They are not taken again: the tree would hold a
    /// row twice under one number, or bring back an older version above a newer one.
    replay_behind: Number,
    memtable_bytes: u64,
    maintenance: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    /// Opens the store in a folder, or makes one where there is nothing.
    ///
    /// The folder must be used by one store at a time; whoever owns the log locks it. Snapshots and scans of an earlier
    /// store in the same folder must be gone: they remove files when they end.
    ///
    /// # Errors
    ///
    /// `Corrupt` if the folder is damaged or holds something else, `Unsupported` if a newer version has written it,
    /// `Unavailable` if it cannot be read or made.
    pub fn open(folder: impl AsRef<Path>, options: Options) -> Result<Self, Error> {
        let folder = folder.as_ref();
        let Options { memtable_bytes, cache_bytes, open_files, .. } = options;
        let sizes = Sizes { memtable_bytes, cache_bytes, open_files };
        let (of_pause, pause) = pause_of_store();
        let tree = Tree::open(folder, &sizes, pause)?;
        let persisted = tree.persisted()?;
        let writer = Writer::new(tree.active_memtable(), persisted);
        let shared = Arc::new(Shared {
            folder: folder.to_owned(),
            tree,
            readers: Readers::new(persisted),
            backlog: Backlog::new(persisted),
            installed: options.installed,
        });
        let _ = of_pause.set(Arc::downgrade(&shared));
        Ok(Self {
            maintenance: Mutex::new(Some(maintenance::start(Arc::clone(&shared))?)),
            shared,
            writer: Mutex::new(writer),
            replay_behind: persisted,
            memtable_bytes: options.memtable_bytes,
        })
    }

    /// The commit up to which everything is on disk: after a restart, replay begins behind it.
    ///
    /// The log may drop what lies up to here, and nothing else: only then is there never a gap between a store and its
    /// log.
    pub fn persisted(&self) -> Number {
        self.shared.backlog.persisted()
    }

    /// The newest commit applied, which is what readers see.
    pub fn applied(&self) -> Number {
        self.shared.readers.applied()
    }

    /// The first of the applied commits that has rows which are not persisted; `None` if there is none.
    ///
    /// It says whether rows hold back the end of the log. [`Store::persisted`] may be lower, by commits without rows;
    /// [`Store::persist_soon`] makes it follow.
    pub fn oldest_unpersisted(&self) -> Option<Number> {
        self.shared.backlog.oldest_unpersisted()
    }

    /// Applies the rows of a commit: a key with a value, or with `None` to delete it. The last change of a key counts.
    ///
    /// Readers see all of it or nothing, and all of it from when this returns. Commits come in ascending order, from
    /// one thread; numbers may be left out. Those that were persisted when the store was opened are skipped.
    ///
    /// A [`Value`] is kept in memory until it is persisted.
    ///
    /// The caller promises that the log cannot lose the commit any more: what is applied may be on disk the next
    /// moment, and is never taken back.
    ///
    /// # Errors
    ///
    /// In each case nothing of the commit was applied. `Unavailable` if too much waits to be persisted and an attempt
    /// failed meanwhile: the call may be made again at once, since it then waits for the next attempt. `Invalid` if the
    /// number is not above the last one, or a key or value is too long. `Closed`, or `Unknown` after which the store
    /// has to be opened again.
    pub fn apply<K: AsRef<[u8]>, V: Into<Value>>(
        &self,
        number: Number,
        rows: impl IntoIterator<Item = (K, Option<V>)>,
    ) -> Result<(), Error> {
        // Waiting comes first, and without the writer's lock: afterwards the commit would be visible and yet have
        // failed, and others could not even ask for a rotation.
        self.shared.backlog.wait_for_room()?;
        if number <= self.replay_behind {
            return Ok(());
        }
        let mut writer = self.writer.lock();
        writer.apply(&self.shared, number, rows)?;
        if writer.is_full(self.memtable_bytes) {
            writer.rotate(&self.shared);
        }
        Ok(())
    }

    /// Says that the commits up to `number` that were not applied have no rows.
    ///
    /// # Errors
    ///
    /// As [`Store::apply`], but it never waits.
    pub fn advance(&self, number: Number) -> Result<(), Error> {
        self.shared.backlog.check_open()?;
        if number <= self.replay_behind {
            return Ok(());
        }
        self.writer.lock().advance(&self.shared, number)
    }

    /// Asks for everything applied to be persisted, and does not wait for it: for a log that wants to drop a segment.
    ///
    /// Does nothing when too much waits already. Ask again as long as [`Store::persisted`] is not far enough.
    pub fn persist_soon(&self) {
        if self.shared.backlog.has_room() {
            self.writer.lock().rotate(&self.shared);
        }
    }

    /// Persists everything applied. It makes an attempt at once, also when earlier ones have failed.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the attempt failed; more are made in the background, and nothing is lost. `Closed`, or
    /// `Unknown` after which the store has to be opened again.
    pub fn flush_now(&self) -> Result<(), Error> {
        self.shared.backlog.retry_now();
        self.shared.backlog.wait_for_room()?;
        let applied = self.writer.lock().rotate(&self.shared);
        self.shared.backlog.wait_for_persisted(applied)
    }

    /// The value of a row, if there is one.
    ///
    /// # Errors
    ///
    /// `Corrupt` if the file does not hold what was written to it, `Unavailable` if it cannot be read, `Closed`,
    /// `Unknown`.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>, Error> {
        self.snapshot()?.get(key)
    }

    /// The rows of a range as of now, in the order of their keys. For pages, see [`KeyRange::after`].
    ///
    /// # Errors
    ///
    /// `Closed`, `Unknown`; and each row may be one, as with [`Store::get`].
    pub fn scan(&self, range: KeyRange) -> Result<Rows, Error> {
        Ok(self.snapshot()?.scan(range))
    }

    /// A reader as of now, for several reads that agree with each other.
    ///
    /// # Errors
    ///
    /// `Closed`, `Unknown`.
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        Snapshot::open(&self.shared)
    }

    /// The last failure of flush or merge that no later success has made up for: for health checks.
    ///
    /// After the end of the store it is the reason of that.
    pub fn last_error(&self) -> Option<Error> {
        self.shared.backlog.last_error()
    }

    /// Persists everything, ends the maintenance thread and refuses what comes later. Snapshots and scans go on.
    ///
    /// Closing it again does nothing.
    ///
    /// # Errors
    ///
    /// As [`Store::flush_now`]. The store is closed in any case; what was not persisted is replayed from the log.
    pub fn close(&self) -> Result<(), Error> {
        let mut maintenance = self.maintenance.lock();
        if maintenance.is_none() {
            return Ok(());
        }
        let flushed = self.flush_now();
        self.shared.end(Error::closed());
        join(maintenance.take());
        flushed
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.shared.end(Error::closed());
        join(self.maintenance.get_mut().take());
    }
}

/// The pause of a store's merges, and the place for that store, which is made of the tree that has the pause.
fn pause_of_store() -> (Arc<OnceLock<Weak<Shared>>>, Pause) {
    let place: Arc<OnceLock<Weak<Shared>>> = Arc::default();
    let of_pause = Arc::clone(&place);
    let pause = move || of_pause.get().and_then(Weak::upgrade).map_or(ControlFlow::Continue(()), |it| it.flush_due());
    (place, Arc::new(pause))
}

/// Waits for the thread to be done with the folder. It catches its panics itself.
fn join(maintenance: Option<JoinHandle<()>>) {
    if let Some(thread) = maintenance {
        let _ = thread.join();
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("folder", &self.shared.folder)
            .field("persisted", &self.persisted())
            .field("applied", &self.applied())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::mpsc::channel, time::Duration};

    /// While a flush installs its version, it holds a lock over several fsyncs. Inserts through the tree need it to
    /// find the active memtable, and would have the log wait for the disk.
    #[test]
    fn a_commit_is_applied_while_a_version_is_being_installed() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(folder.path(), Options::default()).unwrap());
        let installing = store.shared.tree.hold_installation();
        let (send, applied) = channel();
        let writer = {
            let store = Arc::clone(&store);
            std::thread::spawn(move || {
                store.apply(Number(1), [("a", Some("1"))]).unwrap();
                send.send(store.applied()).unwrap();
            })
        };
        let applied = applied.recv_timeout(Duration::from_secs(30));
        drop(installing);
        writer.join().unwrap();
        assert_eq!(applied, Ok(Number(1)));
    }
}
