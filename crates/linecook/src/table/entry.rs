//! What a fold has in hand: what a table knows of one key.

use std::marker::PhantomData;

use linecook_log::{Offset, TopicName};

use super::layout;
use crate::{
    Context, Event, Failure, Key, State, Topic,
    worker::{KeyOwner, Outputs, TargetIndex},
};

/// What is known of one key since the last commit.
#[derive(Debug)]
pub(super) struct Rows<K, S> {
    pub(super) key: K,
    was_stored: bool,
    pub(super) state: Option<S>,
    pub(super) is_changed: bool,
    /// The record that first wrote the key, if it was not there.
    pub(super) written_by: Option<RecordOfFold>,
    pub(super) items: Items,
}

impl<K, S> Rows<K, S> {
    /// Those of a key whose state is stored with these items, or not at all.
    pub(super) fn new(key: K, stored: Option<(S, Items)>) -> Self {
        let was_stored = stored.is_some();
        let (state, items) = stored.map_or_else(Default::default, |(state, items)| (Some(state), items));
        Self { key, was_stored, state, is_changed: false, written_by: None, items }
    }
}

/// The items of one key that a worker has in hand: the newest, and how many rows there are of others.
#[derive(Debug, Default)]
pub(super) struct Items {
    pub(super) rows: u32,
    /// Those in the row of the state, encoded.
    beside_state: Vec<u8>,
    /// Those pushed since the last commit, encoded.
    pushed: Vec<u8>,
}

/// As many bytes of items lie beside their state at most. Beside it they are written again with each change of the state;
/// in rows of their own each commit that pushes writes a row more, and who reads the entry has another to get.
const BESIDE_STATE_BYTES: usize = 1024;

impl Items {
    pub(super) fn stored(rows: u32, beside_state: &[u8]) -> Self {
        Self { rows, beside_state: beside_state.to_vec(), pushed: Vec::new() }
    }

    pub(super) fn is_changed(&self) -> bool {
        !self.pushed.is_empty()
    }

    /// Takes up what was pushed. Returns the row that this adds, by its number, with its value.
    pub(super) fn settle(&mut self) -> Option<(u32, Vec<u8>)> {
        let pushed = std::mem::take(&mut self.pushed);
        if self.beside_state.len() + pushed.len() <= BESIDE_STATE_BYTES {
            self.beside_state.extend_from_slice(&pushed);
            return None;
        }
        let row = (self.rows, layout::items_value([&self.beside_state, &pushed]));
        self.rows += 1;
        self.beside_state.clear();
        Some(row)
    }

    /// Those that lie beside the state.
    pub(super) fn beside_state(&self) -> &[u8] {
        &self.beside_state
    }
}

/// A record, by the fold that got it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordOfFold {
    pub(super) fold: usize,
    pub(super) offset: Offset,
}

/// What it takes to undo what one record did to one entry.
#[derive(Debug)]
pub(super) struct Undo<S> {
    /// The state before the record; `None` while it has not been touched.
    state: Option<Option<S>>,
    was_changed: bool,
    written_by: Option<RecordOfFold>,
    pushed_bytes: usize,
    /// A state that is no longer needed, whose allocations serve the next copy.
    spare: Option<S>,
}

impl<S> Default for Undo<S> {
    fn default() -> Self {
        Self { state: None, was_changed: false, written_by: None, pushed_bytes: 0, spare: None }
    }
}

impl<S> Undo<S> {
    /// Takes the mark.
    pub(super) fn mark<K>(&mut self, rows: &Rows<K, S>) {
        self.spare = self.state.take().flatten().or(self.spare.take());
        self.was_changed = rows.is_changed;
        self.written_by = rows.written_by;
        self.pushed_bytes = rows.items.pushed.len();
    }

    /// Back to the mark.
    pub(super) fn restore<K>(&mut self, rows: &mut Rows<K, S>) {
        if let Some(state) = self.state.take() {
            rows.state = state;
        }
        rows.is_changed = self.was_changed;
        rows.written_by = self.written_by;
        rows.items.pushed.truncate(self.pushed_bytes);
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

    /// Adds an item under the key, behind those that are there.
    ///
    /// # Errors
    /// When the key has no state, since a state is what makes it known and lets it expire, or when the item's
    /// `Serialize` refuses.
    pub fn push(&mut self, item: &I) -> Result<(), Failure> {
        if self.rows.state.is_none() {
            return Err(Failure::reject("an item under a key that has no state"));
        }
        layout::put_item(&mut self.rows.items.pushed, |out| item.encode(out))?;
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
