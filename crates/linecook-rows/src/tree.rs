//! The tree, and all that has to be known of the crate `lsm-tree` to use it without its journal.
//!
//! 1. *A read's bound is exclusive.* Reading as of N passes N + 1. The bound 0 means something else (the oldest
//!    version of the tree), so commit numbers start at 1.
//! 2. *Versions are stamped by a counter that we own.* The tree stamps each version that a flush or compaction installs
//!    with the next number of its configured counter, and a read takes the newest version stamped below its bound. It
//!    expects that rows get their numbers from the same counter. Ours come from the log, so the stamps would run ahead
//!    of them, and a read would be served from an old version that lacks newer rows. The counter is set to 0 before
//!    each flush and compaction, and after each flush, which may be one in the middle of a compaction: all versions are
//!    stamped 0, and each read takes the newest.
//! 3. *The watermark does not protect readers between two versions of a row.* An older version is dropped when its own
//!    number is below the watermark, also if the newer one is still invisible to a reader. See [`Retain`].
//! 4. *No number in the tree is a replay position.* The highest number in its tables falls when a merge drops the
//!    newest row with its tombstone, and commits without rows have none. Hence the marker row.
//! 5. *Installing a version holds a lock over several fsyncs*, and looking up the active memtable needs it; so do reads.
//!    Inserts through the tree would wait for the disk. The writer keeps the memtable itself, and flushes run on a
//!    thread of their own.

use crate::{
    Error, ErrorKind, Number, folder, layout,
    pause::{Pause, pauses},
};
use bytes::Bytes;
use lsm_tree::{
    AbstractTree, AnyTree, Cache, Config, DescriptorTable, Guard, InternalValue, Memtable, SequenceNumberCounter,
    TableId, compaction::Leveled, config::PinningPolicy,
};
use std::{
    any::Any,
    collections::HashSet,
    fs,
    ops::Bound,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Of a row's versions, which ones flush and compaction keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retain {
    /// All. There is a reader who may need one between two of them.
    All,
    /// The newest. Right only if every reader, present and future, is at or past the highest number in the input: of
    /// two versions in there it then sees the newer.
    Newest,
}

/// What a compaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compacted {
    /// It installed a new version. There may be more to do.
    Some,
    /// There was nothing to do.
    Nothing,
}

/// Below this watermark all but the newest version of the tree is forgotten. All are stamped 0 and readers hold what
/// they use themselves, so the older ones are not needed; they would keep flushed memtables in memory.
const FORGET_OLD_VERSIONS: u64 = 1;

/// So many flushed memtables, and what has come by then, are merged into L1, which has the size of as many tables (see
/// [`TABLES_PER_MEMTABLE`]). With rows that lz4 makes a quarter of, half of what such a merge writes is new. Eight small ones
/// instead of four large ones are less memory for the same work; reads look into the filters of all of them, which are in
/// memory.
const L0_RUNS_MERGED: u8 = 8;

/// In a pause of a merge a memtable is flushed as long as there are less flushed ones than this, those counted that are
/// being merged. More of them is no merge that was late, but one that cannot keep up; then rows have to wait, or each read
/// would look into more and more of them.
const L0_RUNS_MAX: usize = 2 * L0_RUNS_MERGED as usize;

/// Tables are smaller than memtables, that merges into L2, a table at a time, are short: as large as this many in a memtable.
const TABLES_PER_MEMTABLE: u64 = 4;

pub(crate) struct Tree {
    inner: AnyTree,
    folder: PathBuf,
    /// The counter behind the stamps of versions; see 2 above.
    stamps: SequenceNumberCounter,
    strategy: Arc<Leveled>,
}

/// How large the tree's parts are.
pub(crate) struct Sizes {
    pub(crate) memtable_bytes: u64,
    pub(crate) cache_bytes: u64,
    pub(crate) open_files: usize,
}

impl Tree {
    /// Opens the tree in a store's folder, or makes one.
    pub(crate) fn open(store_folder: &Path, sizes: &Sizes, pause: Pause) -> Result<Self, Error> {
        match folder::inspect(store_folder)? {
            folder::Found::Store => Self::open_files(store_folder, sizes, pause),
            folder::Found::Nothing => {
                folder::begin(store_folder)?;
                let tree = Self::open_files(store_folder, sizes, pause)?;
                folder::finish(store_folder)?;
                Ok(tree)
            }
        }
    }

    fn open_files(store_folder: &Path, sizes: &Sizes, pause: Pause) -> Result<Self, Error> {
        let folder = folder::tree_of(store_folder);
        let stamps = SequenceNumberCounter::default();
        let visible = SequenceNumberCounter::default();
        // Defaults stay where nothing speaks against them: blocks of 4 KiB (a point read costs one), a bloom filter of
        // ten bits a key (most first writes of a row ask for it before it exists), lz4 below L0 (what a flush writes
        // is soon merged, so it is not worth the time). Below L0 indexes and filters are read in parts of 4 KiB as well: with
        // ten million rows there are 50 MB of them, and the cache has room for a third.
        let in_parts = PinningPolicy::new([false, true]);
        let config = Config::new(&folder, stamps.clone(), visible)
            .use_cache(Arc::new(Cache::with_capacity_bytes(sizes.cache_bytes)))
            .use_descriptor_table(Some(Arc::new(DescriptorTable::new(sizes.open_files))))
            .index_block_partitioning_policy(in_parts.clone())
            .filter_block_partitioning_policy(in_parts)
            .with_compaction_filter_factory(Some(pauses(pause)));
        // The tree asserts much of what it reads, so damage is as likely to panic as to be an error. Nothing of the
        // half-open tree is used afterwards.
        let inner = catch_unwind(AssertUnwindSafe(|| config.open()))
            .map_err(|panic| {
                let message = format!("the tree panicked when opened: path={}", folder.display());
                Error::corrupt(format!("{message} panic={:?}", message_of(&*panic)))
            })?
            .map_err(|error| Error::tree(format!("open the tree: path={}", folder.display()), error))?;
        let strategy = Leveled::default()
            .with_l0_threshold(L0_RUNS_MERGED)
            .with_table_target_size((sizes.memtable_bytes / TABLES_PER_MEMTABLE).max(1));
        Ok(Self { inner, folder, stamps, strategy: Arc::new(strategy) })
    }

    /// The newest commit up to which all are in tables.
    pub(crate) fn persisted(&self) -> Result<Number, Error> {
        match self.get(&layout::MARKER_KEY, Number(u64::MAX))? {
            Some(marker) => layout::decode_marker(&marker),
            None if self.inner.table_count() == 0 => Ok(Number(0)),
            None => Err(Error::corrupt(format!("the tables hold no marker: path={}", self.folder.display()))),
        }
    }

    pub(crate) fn get(&self, key: &[u8], at: Number) -> Result<Option<Bytes>, Error> {
        let value = self
            .inner
            .get(key, bound_of(at))
            .map_err(|error| Error::tree(format!("read a row: number={at}"), error))?;
        Ok(value.map(Bytes::from))
    }

    /// The rows between two keys. The iterator pins the files and memtables it reads.
    pub(crate) fn range(
        &self,
        bounds: (Bound<Vec<u8>>, Bound<Vec<u8>>),
        at: Number,
    ) -> impl Iterator<Item = Result<(Bytes, Bytes), Error>> + Send + use<> {
        self.inner.range(bounds, bound_of(at), None).map(move |row| match row.into_inner() {
            Ok((key, value)) => Ok((key.into(), value.into())),
            Err(error) => Err(Error::tree(format!("scan rows: number={at}"), error)),
        })
    }

    /// The memtable that takes new rows.
    pub(crate) fn active_memtable(&self) -> Arc<Memtable> {
        self.inner.active_memtable()
    }

    /// Seals the active memtable, if there is anything in it, and starts a new one.
    pub(crate) fn rotate(&self) -> Option<Arc<Memtable>> {
        self.inner.rotate_memtable()
    }

    /// Writes one sealed memtable into tables and installs them.
    ///
    /// The tree's own `flush` takes whatever is sealed when it begins. That may be more than what the caller has looked
    /// at when it chose `retain`, and would make that choice wrong; so the steps of it are taken here.
    ///
    /// It may be called in a [pause](crate::pause) of a merge: what is merged was chosen before.
    pub(crate) fn flush(&self, sealed: &Memtable, retain: Retain) -> Result<(), Error> {
        let first_table = self.inner.next_table_id();
        let flush = || {
            let rows = retained(sealed.iter(), retain).map(Ok);
            let (tables, _) = self.inner.flush_to_tables(rows)?.unwrap_or_default();
            self.stamps.set(0);
            let registered = self.inner.register_tables(&tables, None, None, &[sealed.id()], FORGET_OLD_VERSIONS);
            // For the merge that may go on, also when this has failed.
            self.stamps.set(0);
            registered
        };
        flush().map_err(|error| self.after_failure("flush a memtable", first_table, error))
    }

    /// Whether one more memtable may be flushed before the merge that goes on is done. Each is one more table that every
    /// read looks into, and the next merge takes all of them.
    pub(crate) fn has_room(&self) -> bool {
        self.inner.l0_run_count() < L0_RUNS_MAX
    }

    /// Makes one step of compaction.
    pub(crate) fn compact(&self, retain: Retain) -> Result<Compacted, Error> {
        let first_table = self.inner.next_table_id();
        let version = self.version();
        let watermark = match retain {
            Retain::All => 0,
            Retain::Newest => bound_of(self.highest_in_tables()),
        };
        self.stamps.set(0);
        self.inner
            .compact(Arc::<Leveled>::clone(&self.strategy), watermark)
            .and_then(|()| self.forget_old_versions())
            .map_err(|error| self.after_failure("compact tables", first_table, error))?;
        match self.version() == version {
            true => Ok(Compacted::Nothing),
            false => Ok(Compacted::Some),
        }
    }

    /// Compaction does it itself only when it is given a watermark; a held reader would keep memtables in memory.
    fn forget_old_versions(&self) -> lsm_tree::Result<()> {
        self.inner.get_version_history_lock().maintenance(&self.folder, FORGET_OLD_VERSIONS)
    }

    /// The highest number of a row in the tables. Good for choosing what to retain, not as a replay position.
    pub(crate) fn highest_in_tables(&self) -> Number {
        Number(self.inner.get_highest_persisted_seqno().unwrap_or(0))
    }

    /// Does what installing a version does to others, for as long as the guard lives.
    #[cfg(test)]
    pub(crate) fn hold_installation(&self) -> impl Drop {
        self.inner.get_version_history_lock()
    }

    fn version(&self) -> u64 {
        self.inner.current_version().id()
    }

    /// Decides whether a failed flush or compaction may be tried again, and if so removes what it left, which on a full
    /// disk is what keeps the next attempt from failing too.
    ///
    /// A manifest is installed by renaming `current`, followed by syncs. If one of those fails, the disk is a version
    /// ahead of memory: its tables must stay, and a retry would overwrite the very manifest that `current` names. So
    /// then nothing is touched, and the store has to be opened again.
    fn after_failure(&self, doing: &str, first_table: TableId, error: lsm_tree::Error) -> Error {
        match folder::read_current(&self.folder) {
            Ok((on_disk, _)) if on_disk == self.version() => {
                self.remove_leftovers(first_table);
                Error::new(ErrorKind::Unavailable, format!("{doing} failed")).caused_by(error)
            }
            _ => {
                let message = format!("{doing} failed and may have happened");
                Error::new(ErrorKind::Unknown, message).caused_by(error)
            }
        }
    }

    /// Removes the tables written since `first_table` that no version names.
    fn remove_leftovers(&self, first_table: TableId) {
        let version = self.inner.current_version();
        let live: HashSet<TableId> = version.iter_tables().map(|table| table.id()).collect();
        for id in first_table..self.inner.next_table_id() {
            if !live.contains(&id) {
                // It may never have been made. What cannot be removed now goes when the tree is opened.
                let _ = fs::remove_file(folder::table_of(&self.folder, id));
            }
        }
    }
}

/// The tree's exclusive bound for reading as of a number.
fn bound_of(at: Number) -> u64 {
    at.0.saturating_add(1)
}

/// The rows of a memtable come sorted by key, newest version first.
fn retained(rows: impl Iterator<Item = InternalValue>, retain: Retain) -> impl Iterator<Item = InternalValue> {
    let mut newest = None;
    rows.filter(move |row| {
        let key = &row.key.user_key;
        let is_superseded = newest.as_ref() == Some(key);
        if !is_superseded {
            newest = Some(key.clone());
        }
        retain == Retain::All || !is_superseded
    })
}

/// What a panic said.
pub(crate) fn message_of(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("not a text")
}

#[cfg(test)]
mod tests;
