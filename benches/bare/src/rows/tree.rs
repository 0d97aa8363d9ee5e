//! The tree itself.

use std::{
    io,
    path::Path,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
};

use lsm_tree::{
    AbstractTree, AnyTree, Config, Guard, InternalValue, Memtable, SequenceNumberCounter, ValueType,
    compaction::Leveled,
};

use super::{Row, keys};
use crate::log::CommitNumber;

/// When a memtable is full. One takes rows, one waits and one is being flushed, at most.
const MEMTABLE_BYTES: u64 = 32 << 20;

pub(crate) struct Tree {
    inner: AnyTree,
    /// The tree stamps its versions with this counter and takes it for that of the rows, which are numbered by the log.
    /// Set to 0 before each version, so that every read takes the newest.
    stamps: SequenceNumberCounter,
}

/// Where sealed memtables go, each with the highest number in it. It holds one: the applier waits for the disk then.
pub(super) type FullMemtables = SyncSender<CommitNumber>;

pub(super) fn full_memtables() -> (FullMemtables, Receiver<CommitNumber>) {
    sync_channel(1)
}

/// What is in the tree, to be held against what was ordered.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) orders: u64,
    pub(crate) pizzas: u64,
}

impl Tree {
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        let stamps = SequenceNumberCounter::default();
        let config = Config::new(folder, stamps.clone(), SequenceNumberCounter::default());
        Ok(Self { inner: config.open().map_err(io::Error::other)?, stamps })
    }

    pub(super) fn active_memtable(&self) -> Arc<Memtable> {
        self.inner.active_memtable()
    }

    pub(super) fn is_full(&self, memtable: &Memtable) -> bool {
        memtable.size() > MEMTABLE_BYTES
    }

    /// Hands the active memtable, whose highest number is `number`, to the one who flushes, and begins a new one.
    pub(super) fn seal(&self, number: CommitNumber, full: &FullMemtables) -> io::Result<()> {
        self.inner.rotate_memtable();
        full.send(number).map_err(|_| io::Error::other("the thread that flushes has ended"))
    }

    /// Flushes sealed memtables and compacts, until no more will come. Only the newest version of a row is kept, as no
    /// reader of this loop asks for an older one.
    pub(super) fn maintain(&self, to_flush: &Receiver<CommitNumber>) -> io::Result<()> {
        let strategy = Arc::new(Leveled::default().with_table_target_size(MEMTABLE_BYTES));
        while let Ok(number) = to_flush.recv() {
            let watermark = number.0 + 1;
            self.stamps.set(0);
            self.inner.flush(&self.inner.get_flush_lock(), watermark).map_err(io::Error::other)?;
            self.stamps.set(0);
            self.inner.compact(strategy.clone(), watermark).map_err(io::Error::other)?;
        }
        Ok(())
    }

    /// Reads all rows.
    pub(crate) fn contents(&self) -> io::Result<Contents> {
        let mut contents = Contents::default();
        for row in self.inner.iter(u64::MAX, None) {
            let (key, value) = row.into_inner().map_err(io::Error::other)?;
            if keys::is_of_pizzas(&key) {
                contents.pizzas += pizzas_in(&value);
            } else {
                contents.orders += 1;
            }
        }
        Ok(contents)
    }
}

/// How many pizzas a row holds: each is one flat object.
fn pizzas_in(pizzas: &[u8]) -> u64 {
    pizzas.iter().filter(|byte| **byte == b'{').count() as u64
}

impl Row {
    pub(super) fn at(self, number: CommitNumber) -> InternalValue {
        InternalValue::from_components(self.key, self.value, number.0, ValueType::Value)
    }
}
