//! What a fold has in hand: what a table knows of one key.

use std::marker::PhantomData;

use linecook_log::{Offset, TopicName};

use super::layout;
use crate::{
    Context, Event, Failure, Key, State, Topic,
    worker::{KeyOwner, Outputs, TargetIndex},
};

/// The rows of one key since the last commit.
#[derive(Debug)]
pub(super) struct Rows<K, S> {
    pub(super) key: K,
    was_stored: bool,
    pub(super) state: Option<S>,
    pub(super) is_changed: bool,
    /// The record that first wrote the key, if it was not there.
    pub(super) written_by: Option<RecordOfFold>,
    /// A row for each fold that has pushed.
    pub(super) items: Vec<ItemsRow>,
}

impl<K, S> Rows<K, S> {
    /// Those of a key whose state is stored, or not.
    pub(super) fn new(key: K, state: Option<S>) -> Self {
        Self { key, was_stored: state.is_some(), state, is_changed: false, written_by: None, items: Vec::new() }
    }
}

/// A record, by the fold that got it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordOfFold {
    pub(super) fold: usize,
    pub(super) offset: Offset,
}

/// Items that the records of one fold have pushed, encoded.
#[derive(Debug)]
pub(super) struct ItemsRow {
    pub(super) first: RecordOfFold,
    pub(super) value: Vec<u8>,
}

/// What it takes to undo what one record did to one entry.
#[derive(Debug)]
pub(super) struct Undo<S> {
    /// The state before the record; `None` while it has not been touched.
    state: Option<Option<S>>,
    was_changed: bool,
    written_by: Option<RecordOfFold>,
    items: Option<ItemsMark>,
    /// A state that is no longer needed, whose allocations serve the next copy.
    spare: Option<S>,
}

#[derive(Debug, Clone, Copy)]
enum ItemsMark {
    /// The record has begun this row.
    Begun { row: usize },
    /// It has added to this row, which had that length.
    Extended { row: usize, length: usize },
}

impl<S> Default for Undo<S> {
    fn default() -> Self {
        Self { state: None, was_changed: false, written_by: None, items: None, spare: None }
    }
}

impl<S> Undo<S> {
    /// Takes the mark.
    pub(super) fn mark<K>(&mut self, rows: &Rows<K, S>) {
        self.spare = self.state.take().flatten().or(self.spare.take());
        self.was_changed = rows.is_changed;
        self.written_by = rows.written_by;
        self.items = None;
    }

    /// Back to the mark.
    pub(super) fn restore<K>(&mut self, rows: &mut Rows<K, S>) {
        if let Some(state) = self.state.take() {
            rows.state = state;
        }
        rows.is_changed = self.was_changed;
        rows.written_by = self.written_by;
        match self.items.take() {
            None => {}
            Some(ItemsMark::Begun { row }) => rows.items.truncate(row),
            Some(ItemsMark::Extended { row, length }) => rows.items[row].value.truncate(length),
        }
    }
}

/// What a table knows of the key of the record in hand: its state, and the items under it. It is what the folds before
/// have left, committed or not.
///
/// ```
/// use linecook::{Entry, Failure};
///
/// /// How many slices a guest has left; what was eaten is kept as items.
/// fn eat(entry: &mut Entry<'_, u64, u64, String>, slice: &String) -> Result<(), Failure> {
///     let Some(left) = entry.state_mut().filter(|left| **left > 0) else {
///         return Err(Failure::reject("no slice left"));
///     };
///     *left -= 1;
///     entry.push(slice)
/// }
/// ```
#[derive(Debug)]
pub struct Entry<'a, K, S, I> {
    pub(super) rows: &'a mut Rows<K, S>,
    pub(super) undo: &'a mut Undo<S>,
    pub(super) outputs: &'a mut Outputs,
    pub(super) emitted: &'a [(TopicName, TargetIndex)],
    pub(super) context: &'a Context<'a>,
    pub(super) fold: usize,
    /// For the bytes of other keys, in an allocation that is used again.
    pub(super) key_bytes: &'a mut Vec<u8>,
    pub(super) items: PhantomData<fn(I)>,
}

impl<K: Key, S: State, I: Event> Entry<'_, K, S, I> {
    /// The key.
    pub fn key(&self) -> &K {
        &self.rows.key
    }

    /// Its state, if it was ever put.
    pub fn state(&self) -> Option<&S> {
        self.rows.state.as_ref()
    }

    /// Its state, to be changed in place. It is copied first, so that a failure can be undone, with `clone_from`.
    pub fn state_mut(&mut self) -> Option<&mut S> {
        let Self { rows, undo, .. } = self;
        let state = rows.state.as_mut()?;
        if undo.state.is_none() {
            undo.state = Some(Some(copy_of(state, undo.spare.take())));
        }
        rows.is_changed = true;
        Some(state)
    }

    /// Puts a state in the place of that before.
    pub fn put(&mut self, state: S) {
        let before = self.rows.state.replace(state);
        self.undo.state.get_or_insert(before);
        self.rows.is_changed = true;
        if !self.rows.was_stored && self.rows.written_by.is_none() {
            self.rows.written_by = Some(self.record());
        }
    }

    /// Adds an item under the key, behind those of earlier commits and of this topic's earlier records.
    ///
    /// # Errors
    /// When the key has no state, since a state is what makes it known and lets it expire, or when the item's
    /// `Serialize` refuses.
    pub fn push(&mut self, item: &I) -> Result<(), Failure> {
        if self.rows.state.is_none() {
            return Err(Failure::reject("an item under a key that has no state"));
        }
        let row = self.items_row();
        layout::put_item(&mut self.rows.items[row].value, |out| item.encode(out))?;
        Ok(())
    }

    /// Writes an event under the same key, with the record's timestamp. Where the partition counts are equal it goes
    /// into the partition that the record came from.
    ///
    /// # Errors
    /// When the table does not [declare](super::TableDeclaration::emits) that it emits there, or the event's
    /// `Serialize` refuses.
    pub fn emit<W: Event>(&mut self, to: &Topic<K, W>, event: &W) -> Result<(), Failure> {
        let target = self.target(to.name())?;
        // The record has a key, or it would have no entry.
        let key = self.context.record.key.unwrap_or_default();
        let partition = self.outputs.partition_for(target, key, KeyOwner::Record);
        let timestamp = self.context.record.timestamp;
        self.outputs.push_to(target, partition, Some(key), timestamp, |out| event.encode(out))?;
        Ok(())
    }

    /// Writes an event under another key, into the partition of that key, with the record's timestamp.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub fn emit_under<L: Key, W: Event>(&mut self, to: &Topic<L, W>, key: &L, event: &W) -> Result<(), Failure> {
        let target = self.target(to.name())?;
        self.key_bytes.clear();
        key.encode(self.key_bytes);
        let partition = self.outputs.partition_for(target, self.key_bytes, KeyOwner::Other);
        let timestamp = self.context.record.timestamp;
        self.outputs.push_to(target, partition, Some(self.key_bytes), timestamp, |out| event.encode(out))?;
        Ok(())
    }

    fn target(&self, topic: &str) -> Result<TargetIndex, Failure> {
        // One or two: comparing beats hashing.
        let declared = self.emitted.iter().find(|(emitted, _)| emitted.as_str() == topic);
        let undeclared = || Failure::reject(format!("the table does not declare that it emits to topic={topic}"));
        declared.map(|(_, target)| *target).ok_or_else(undeclared)
    }

    fn record(&self) -> RecordOfFold {
        RecordOfFold { fold: self.fold, offset: self.context.record.offset }
    }

    /// The row that this fold pushes to in this commit, noted in `undo`.
    fn items_row(&mut self) -> usize {
        let found = self.rows.items.iter().position(|row| row.first.fold == self.fold);
        let row = found.unwrap_or_else(|| self.begin_items_row());
        let length = self.rows.items[row].value.len();
        let mark = if found.is_some() { ItemsMark::Extended { row, length } } else { ItemsMark::Begun { row } };
        self.undo.items.get_or_insert(mark);
        row
    }

    fn begin_items_row(&mut self) -> usize {
        self.rows.items.push(ItemsRow { first: self.record(), value: layout::begun_value() });
        self.rows.items.len() - 1
    }
}

fn copy_of<S: Clone>(state: &S, spare: Option<S>) -> S {
    match spare {
        Some(mut copy) => {
            copy.clone_from(state);
            copy
        }
        None => state.clone(),
    }
}
