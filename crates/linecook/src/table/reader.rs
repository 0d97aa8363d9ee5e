//! Tables as the outside sees them.

use std::{fmt, marker::PhantomData, sync::Arc};

use linecook_log::{Error, ErrorKind, Partition, Result, Rows, Scan, Ticket, TopicName, TopicPartition, partition_of};

use super::layout;
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
    /// Its items: for each topic that they came from, in the order of its records.
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
        let Some((partition, place)) = self.place_of(key) else { return Ok(None) };
        let value = self.rows.get(partition, &place.state_key)?;
        value.map(|value| decoded(layout::body(&value)?, S::decode)).transpose()
    }

    /// The items of a key.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn items(&self, key: &K) -> Result<Vec<I>> {
        let Some((partition, place)) = self.place_of(key) else { return Ok(Vec::new()) };
        let prefix = layout::items_prefix_beside(&place.state_key);
        let rows = self.rows.scan(partition, Scan::prefix(&prefix))?;
        let mut items = Vec::new();
        rows.iter().try_for_each(|(_, value)| read_items(value, &mut items))?;
        Ok(items)
    }

    /// State and items of a key, as of one moment.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_with_items(&self, key: &K) -> Result<Option<Found<S, I>>> {
        let Some((partition, place)) = self.place_of(key) else { return Ok(None) };
        let prefix = &place.state_key[..place.prefix_bytes];
        let (mut state, mut items) = (None, Vec::new());
        for (row_key, value) in self.rows.scan(partition, Scan::prefix(prefix))? {
            if layout::is_state(&row_key, place.prefix_bytes) {
                state = Some(decoded(layout::body(&value)?, S::decode)?);
            } else {
                read_items(&value, &mut items)?;
            }
        }
        Ok(state.map(|state| Found { state, items }))
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

    /// Where the rows of a key are; `None` for a key that is too long to have any.
    fn place_of(&self, key: &K) -> Option<(Partition, PlaceOfKey)> {
        let bytes = bytes_of(key);
        let mut state_key = Vec::new();
        layout::put_state_key(&bytes, &mut state_key)?;
        Some((self.partition(&bytes), PlaceOfKey { prefix_bytes: state_key.len() - 1, state_key }))
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

struct PlaceOfKey {
    state_key: Vec<u8>,
    /// Its part that all rows of the key begin with.
    prefix_bytes: usize,
}

fn bytes_of<K: Key>(key: &K) -> Vec<u8> {
    let mut bytes = Vec::new();
    key.encode(&mut bytes);
    bytes
}

fn read_items<I: Event>(value: &[u8], items: &mut Vec<I>) -> Result<()> {
    for item in layout::items(value)? {
        items.push(decoded(item?, I::decode)?);
    }
    Ok(())
}

fn decoded<T>(bytes: &[u8], decode: impl FnOnce(&[u8]) -> Result<T, DecodeError>) -> Result<T> {
    decode(bytes).map_err(|error| {
        Error::new(ErrorKind::Corrupt, "a row of a table does not decode as its type").with_source(error)
    })
}
