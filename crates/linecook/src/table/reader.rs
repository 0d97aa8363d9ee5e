//! Tables as the outside sees them.

use std::{fmt, marker::PhantomData, sync::Arc};

use bytes::Bytes;
use linecook_log::{
    Error, ErrorKind, Partition, PartitionRows, Result, Rows, Scan, Ticket, TopicName, TopicPartition, partition_of,
};

use super::layout::{self, StateRow};
use crate::{DecodeError, Event, Key, State, Topic};

/// Reads a table from outside of its service's workers: what is durable, of finished commits only.
///
/// ```
/// use std::sync::Arc;
///
/// use linecook::{Json, TableReader};
/// use linecook_log::{Result, Rows};
///
/// fn slices_of(rows: Arc<dyn Rows>, guest: u64) -> Result<Option<u32>> {
///     let guests: TableReader<u64, Json<u32>> = TableReader::new(rows, 4);
///     Ok(guests.get(&guest)?.map(|slices| slices.0))
/// }
/// ```
pub struct TableReader<K, S, I = ()> {
    rows: Arc<dyn Rows>,
    partition_count: u32,
    types: PhantomData<fn(K) -> (S, I)>,
}

/// What a table has of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<S, I> {
    /// Its state.
    pub state: S,
    /// Its items, in the order in which they were pushed.
    pub items: Vec<I>,
}

impl<K: Key, S: State, I: Event> TableReader<K, S, I> {
    /// A reader of those rows. `partition_count` is that of the topics which the table is folded from.
    ///
    /// # Panics
    /// When it is 0: no topic has none.
    pub fn new(rows: Arc<dyn Rows>, partition_count: u32) -> Self {
        assert!(partition_count > 0, "a topic has at least one partition");
        Self { rows, partition_count, types: PhantomData }
    }

    /// The state of a key, if there is one.
    ///
    /// # Errors
    /// `Unavailable` when the key's partition is not here or not restored yet; `Corrupt`.
    pub fn get(&self, key: &K) -> Result<Option<S>> {
        Ok(self.get_with_items_if(key, |_| false)?.map(|(state, _)| state))
    }

    /// The items of a key, in the order in which they were pushed.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn items(&self, key: &K) -> Result<Vec<I>> {
        Ok(self.get_with_items(key)?.map_or_else(Vec::new, |found| found.items))
    }

    /// State and items of a key, as of one moment.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_with_items(&self, key: &K) -> Result<Option<Found<S, I>>> {
        let found = self.get_with_items_if(key, |_| true)?;
        Ok(found.map(|(state, items)| Found { state, items: items.unwrap_or_default() }))
    }

    /// The state of a key, and its items where `wants_items` says of the state that they are wanted; all as of one moment.
    ///
    /// `wants_items` reads no rows: see [`Rows::at_one_moment`].
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_with_items_if(
        &self,
        key: &K,
        wants_items: impl FnOnce(&S) -> bool,
    ) -> Result<Option<(S, Option<Vec<I>>)>> {
        let key = bytes_of(key);
        let mut state_key = Vec::new();
        // A key that is too long has no rows.
        let Some(()) = layout::put_state_key(&key, &mut state_key) else { return Ok(None) };
        let (mut wants_items, mut found) = (Some(wants_items), None);
        self.rows.at_one_moment(self.partition(&key), &mut |rows| {
            let Some(value) = rows.get(&state_key)? else { return Ok(()) };
            let row = StateRow::read(&value)?;
            let state = decoded(row.state, S::decode)?;
            let is_wanted = wants_items.take().is_some_and(|wants_items| wants_items(&state));
            let others = is_wanted.then(|| items_rows(rows, &state_key, row.items_rows)).transpose()?;
            found = Some((state, others, value));
            Ok(())
        })?;
        let Some((state, others, value)) = found else { return Ok(None) };
        let items = others.map(|others| all_items(&others, &value)).transpose()?;
        Ok(Some((state, items)))
    }

    /// A ticket that is done when the table shows every record of the key that was acknowledged in `input` before this
    /// call. `input` is a topic that the table is folded from.
    ///
    /// It speaks of records in the partition of the key. One that another client has put elsewhere is moved there first,
    /// and may be shown a moment later; one that is [tried again](crate::Failure::retry) is shown when it was folded.
    ///
    /// # Errors
    /// `Unavailable` when the key's partition is not here or not restored yet.
    pub fn caught_up<V>(&self, input: &Topic<K, V>, key: &K) -> Result<Ticket> {
        let topic: TopicName = input.log_name();
        self.rows.caught_up(&TopicPartition { topic, partition: self.partition(&bytes_of(key)) })
    }

    fn partition(&self, key: &[u8]) -> Partition {
        partition_of(key, self.partition_count)
    }
}

impl<K, S, I> Clone for TableReader<K, S, I> {
    fn clone(&self) -> Self {
        Self { rows: Arc::clone(&self.rows), ..*self }
    }
}

impl<K, S, I> fmt::Debug for TableReader<K, S, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableReader").field("partition_count", &self.partition_count).finish_non_exhaustive()
    }
}

fn bytes_of<K: Key>(key: &K) -> Vec<u8> {
    let mut bytes = Vec::new();
    key.encode(&mut bytes);
    bytes
}

/// Of so many rows each is asked for by its key. More are searched for, which is one step from each to the next.
const FEW_ROWS: u32 = 8;

/// The values of the rows that a state counts. Those of an entry that is just being deleted may be gone, before its state.
fn items_rows(rows: &dyn PartitionRows, state_key: &[u8], count: u32) -> Result<Vec<Bytes>> {
    if count > FEW_ROWS {
        let prefix = layout::items_prefix_beside(state_key);
        return Ok(rows.scan(Scan::prefix(&prefix))?.into_iter().map(|(_, value)| value).collect());
    }
    let values = (0..count).map(|number| rows.get(&layout::items_key(state_key, number)));
    values.filter_map(Result::transpose).collect()
}

fn all_items<I: Event>(others: &[Bytes], state_row: &Bytes) -> Result<Vec<I>> {
    let state = StateRow::read(state_row)?;
    let mut items = Vec::new();
    for value in others {
        read_items(value, layout::body(value)?, &mut items)?;
    }
    read_items(state_row, state.items, &mut items)?;
    Ok(items)
}

/// Reads the items in `encoded`, which is a part of `row`.
fn read_items<I: Event>(row: &Bytes, encoded: &[u8], items: &mut Vec<I>) -> Result<()> {
    for item in layout::items(encoded) {
        items.push(decoded(row.slice_ref(item?), I::decode_shared)?);
    }
    Ok(())
}

fn decoded<B, T>(bytes: B, decode: impl FnOnce(B) -> Result<T, DecodeError>) -> Result<T> {
    decode(bytes).map_err(|error| {
        Error::new(ErrorKind::Corrupt, "a row of a table does not decode as its type").with_source(error)
    })
}
