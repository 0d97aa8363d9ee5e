//! Folding records into the entries of a table.
//!
//! A worker holds the entries that the records since the last commit have touched: however many records of one key a
//! commit has, its state is read, decoded, encoded and written once.

use std::{fmt, marker::PhantomData, sync::Arc, time::Duration};

use bytes::Bytes;
use linecook_log::{Error, ErrorKind, Member, Partition, Result, RowChange, TableName, Timestamp, TopicName};

use super::{
    DeclaredTable, Entry, TableInHand,
    entry::{Items, RecordOfFold, Rows, Undo},
    layout::{self, Cause, Minute, StateRow},
    touched::Touched,
};
use crate::{
    Context, Event, Failure, Key, State,
    failure::guarded,
    worker::{Outputs, TargetIndex},
};

type FoldFn<K, S, I> = dyn Fn(&mut Entry<'_, K, S, I>, &Context<'_>) -> Result<(), Failure> + Send + Sync;

struct Fold<K, S, I> {
    topic: TopicName,
    run: Arc<FoldFn<K, S, I>>,
}

/// A [`super::Table`] as its service has declared it.
pub(crate) struct EntryTable<K, S, I> {
    name: TableName,
    folds: Vec<Fold<K, S, I>>,
    emitted: Vec<(TopicName, TargetIndex)>,
    pub(super) retention: Option<Duration>,
}

impl<K, S, I> EntryTable<K, S, I> {
    pub(crate) fn new(name: TableName) -> Self {
        Self { name, folds: Vec::new(), emitted: Vec::new(), retention: None }
    }

    pub(super) fn add_fold(
        &mut self,
        topic: &TopicName,
        run: Arc<impl Fn(&mut Entry<'_, K, S, I>, &Context<'_>) -> Result<(), Failure> + Send + Sync + 'static>,
    ) -> usize {
        self.folds.push(Fold { topic: topic.clone(), run });
        self.folds.len() - 1
    }

    pub(super) fn add_emitted(&mut self, topic: TopicName, target: TargetIndex) {
        self.emitted.push((topic, target));
    }

    fn cause(&self, record: RecordOfFold) -> Cause<'_> {
        Cause { topic: self.folds[record.fold].topic.as_str(), offset: record.offset }
    }
}

impl<K, S, I> Clone for EntryTable<K, S, I> {
    fn clone(&self) -> Self {
        let fold = |fold: &Fold<K, S, I>| Fold { topic: fold.topic.clone(), run: Arc::clone(&fold.run) };
        Self {
            name: self.name.clone(),
            folds: self.folds.iter().map(fold).collect(),
            emitted: self.emitted.clone(),
            retention: self.retention,
        }
    }
}

impl<K, S, I> fmt::Debug for EntryTable<K, S, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EntryTable({})", self.name)
    }
}

impl<K: Key, S: State, I: Event + 'static> DeclaredTable for EntryTable<K, S, I> {
    fn name(&self) -> &TableName {
        &self.name
    }

    fn has_retention(&self) -> bool {
        self.retention.is_some()
    }

    fn in_hand(&self) -> Box<dyn TableInHand> {
        let table = self.clone();
        Box::new(EntriesInHand { table, entries: Touched::default(), undo: Undo::default(), key_bytes: Vec::new() })
    }
}

struct EntriesInHand<K, S, I> {
    table: EntryTable<K, S, I>,
    entries: Touched<Rows<K, S>>,
    undo: Undo<S>,
    key_bytes: Vec<u8>,
}

impl<K: Key, S: State, I: Event + 'static> TableInHand for EntriesInHand<K, S, I> {
    fn fold(
        &mut self,
        fold: usize,
        context: &Context<'_>,
        outputs: &mut Outputs,
        member: &mut dyn Member,
    ) -> Result<Result<(), Failure>> {
        let index = match self.entry_of(context, member)? {
            Ok(index) => index,
            Err(failure) => return Ok(Err(failure)),
        };
        let Self { table, entries, undo, key_bytes } = self;
        let rows = entries.get_mut(index);
        undo.mark(rows);
        let outcome = guarded(|| {
            let emitted = &table.emitted;
            let (rows, undo, items) = (&mut *rows, &mut *undo, PhantomData);
            let mut entry = Entry { rows, undo, outputs, emitted, context, fold, key_bytes, items };
            (table.folds[fold].run)(&mut entry, context)
        });
        if outcome.is_err() {
            undo.restore(rows);
        }
        Ok(outcome)
    }

    fn take(&mut self, now: Timestamp, changes: &mut Vec<RowChange>) {
        self.take_expiry_rows(now, changes);
        for (partition, state_key, rows) in self.entries.drain() {
            take_entry(&self.table, partition, state_key, rows, changes);
        }
    }

    fn clear(&mut self) {
        self.entries.clear();
    }
}

impl<K: Key, S: State, I> EntriesInHand<K, S, I> {
    /// The entry of the record's key.
    fn entry_of(&mut self, context: &Context<'_>, member: &mut dyn Member) -> Result<Result<usize, Failure>> {
        if let Err(failure) = self.look_for_key(context) {
            return Ok(Err(failure));
        }
        if let Some(index) = self.entries.find() {
            return Ok(Ok(index));
        }
        match guarded(|| context.decoded_key()) {
            Ok(key) => self.load(key, context.partition(), member).map(Ok),
            Err(failure) => Ok(Err(failure)),
        }
    }

    fn look_for_key(&mut self, context: &Context<'_>) -> Result<(), Failure> {
        let key = context.key().ok_or_else(|| Failure::reject("the record has no key"))?;
        let place = self.entries.look_for(context.partition());
        layout::put_state_key(key, place).ok_or_else(|| Failure::reject("the key is too long for a row"))
    }

    fn load(&mut self, key: K, partition: Partition, member: &mut dyn Member) -> Result<usize> {
        let value = member.get(&self.table.name, partition, self.entries.row_key())?;
        let stored = value.map(|value| self.stored(&value)).transpose()?;
        Ok(self.entries.insert(Rows::new(key, stored)))
    }

    fn stored(&self, value: &[u8]) -> Result<(S, Items)> {
        let row = StateRow::read(value)?;
        let state = guarded(|| Ok(S::decode(row.state)?)).map_err(|failure| {
            let text = format!("a state that cannot be read: table={} reason={failure}", self.table.name);
            Error::new(ErrorKind::Corrupt, text)
        })?;
        Ok((state, Items::stored(row.items_rows, row.items)))
    }

    /// One row for each partition in which keys were first written.
    fn take_expiry_rows(&self, now: Timestamp, changes: &mut Vec<RowChange>) {
        let Some(retention) = self.table.retention else { return };
        let mut partitions: Vec<(Partition, RecordOfFold, Vec<&[u8]>)> = Vec::new();
        for (partition, state_key, rows) in self.entries.iter() {
            let Some(written_by) = rows.written_by else { continue };
            let key = layout::key_of(state_key);
            match partitions.iter_mut().find(|(of, ..)| *of == partition) {
                Some((_, _, keys)) => keys.push(key),
                None => partitions.push((partition, written_by, vec![key])),
            }
        }
        for (partition, first, keys) in partitions {
            let key = layout::expiry_key(Minute::of(now.plus(retention)), self.table.cause(first)).into();
            let value = Some(layout::kept(layout::expiry_value(keys)));
            changes.push(RowChange { table: self.table.name.clone(), partition, key, value });
        }
    }
}

fn take_entry<K, S: State, I>(
    table: &EntryTable<K, S, I>,
    partition: Partition,
    state_key: Bytes,
    mut rows: Rows<K, S>,
    changes: &mut Vec<RowChange>,
) {
    // Without a state nothing was pushed.
    let Some(state) = rows.state.filter(|_| rows.is_changed || rows.items.is_changed()) else { return };
    let change = |key, value| RowChange { table: table.name.clone(), partition, key, value: Some(layout::kept(value)) };
    if let Some((number, value)) = rows.items.settle() {
        changes.push(change(layout::items_key(&state_key, number).into(), value));
    }
    let mut value = layout::begun_state_value(rows.items.rows, rows.items.beside_state());
    state.encode(&mut value);
    changes.push(change(state_key, value));
}
