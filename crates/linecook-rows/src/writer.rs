//! The way of a commit's rows into the memtable.

use crate::{
    Error, ErrorKind, Number, Value,
    layout::{self, MARKER_KEY},
    store::Shared,
};
use lsm_tree::{InternalValue, Memtable, ValueType};
use std::sync::Arc;

/// The one who adds to the memtable and seals it. It lives behind a lock: a memtable is sealed between commits only, so
/// that what is flushed together are whole commits, and its marker is true.
pub(crate) struct Writer {
    /// The active memtable of the tree. Held here because looking it up in the tree waits for the disk while a version
    /// is being installed.
    memtable: Arc<Memtable>,
    applied: Number,
    /// The number in the newest marker.
    marked: Number,
    /// The rows of the commit in hand. They are complete and checked before the first one goes into the
    /// memtable, from where none can be taken back.
    rows: Vec<InternalValue>,
}

impl Writer {
    pub(crate) fn new(memtable: Arc<Memtable>, persisted: Number) -> Self {
        Self { memtable, applied: persisted, marked: persisted, rows: Vec::new() }
    }

    /// Applies a commit: inserts its rows, then makes them visible together.
    pub(crate) fn apply<K: AsRef<[u8]>, V: Into<Value>>(
        &mut self,
        shared: &Shared,
        number: Number,
        rows: impl IntoIterator<Item = (K, Option<V>)>,
    ) -> Result<(), Error> {
        self.check_order(number)?;
        self.rows.clear();
        for (key, value) in rows {
            self.rows.push(encode(number, key.as_ref(), value)?);
        }
        if !self.rows.is_empty() {
            shared.backlog.note_rows(number);
        }
        for row in self.rows.drain(..) {
            self.memtable.insert(row);
        }
        self.publish(shared, number);
        Ok(())
    }

    /// Passes over commits that have no rows.
    pub(crate) fn advance(&mut self, shared: &Shared, number: Number) -> Result<(), Error> {
        self.check_order(number)?;
        self.publish(shared, number);
        Ok(())
    }

    pub(crate) fn is_full(&self, memtable_bytes: u64) -> bool {
        self.memtable.size() >= memtable_bytes
    }

    /// Seals the active memtable and queues it to be flushed, if anything was applied since the last time; also if that
    /// was only commits without rows, so that the replay position can follow them. Returns what will be persisted.
    pub(crate) fn rotate(&mut self, shared: &Shared) -> Number {
        if self.applied > self.marked {
            let marker = layout::encode_marker(self.applied);
            self.memtable.insert(InternalValue::from_components(MARKER_KEY, marker, self.applied.0, ValueType::Value));
            self.marked = self.applied;
            if let Some(sealed) = shared.tree.rotate() {
                shared.backlog.push(sealed, self.applied);
            }
            self.memtable = shared.tree.active_memtable();
        }
        self.applied
    }

    fn check_order(&self, number: Number) -> Result<(), Error> {
        if number > self.applied {
            return Ok(());
        }
        let message = format!("commits must be applied in ascending order: number={number} applied={}", self.applied);
        Err(Error::new(ErrorKind::Invalid, message))
    }

    fn publish(&mut self, shared: &Shared, number: Number) {
        self.applied = number;
        shared.readers.publish(number);
    }
}

fn encode(number: Number, key: &[u8], value: Option<impl Into<Value>>) -> Result<InternalValue, Error> {
    let value = value.map(Into::into);
    layout::check_row(key, value.as_ref().map(|Value(bytes)| &bytes[..]))?;
    let key = layout::row_key(key);
    Ok(match value {
        Some(Value(bytes)) => InternalValue::from_components(key, bytes, number.0, ValueType::Value),
        None => InternalValue::new_tombstone(key, number.0),
    })
}
