//! Rows that records have touched since the last commit.

use std::collections::HashMap;

use bytes::Bytes;
use linecook_log::Partition;

/// What is known of each touched row, found by its place: the partition (u32, big-endian), then the row's key.
#[derive(Debug)]
pub(crate) struct Touched<T> {
    /// In the order in which records first touched them.
    all: Vec<(Bytes, T)>,
    by_place: HashMap<Bytes, usize>,
    /// The one of the record before: records of one key often come together, and then nothing is hashed.
    latest: usize,
    /// The place that is looked for, in an allocation that is used again.
    place: Vec<u8>,
}

impl<T> Default for Touched<T> {
    fn default() -> Self {
        Self { all: Vec::new(), by_place: HashMap::new(), latest: 0, place: Vec::new() }
    }
}

impl<T> Touched<T> {
    /// Begins to look for a row of that partition, whose key is then to be appended to what this returns.
    pub(crate) fn look_for(&mut self, partition: Partition) -> &mut Vec<u8> {
        self.place.clear();
        self.place.extend_from_slice(&partition.0.to_be_bytes());
        &mut self.place
    }

    /// The row looked for, if it was touched.
    pub(crate) fn find(&mut self) -> Option<usize> {
        let is_latest = self.all.get(self.latest).is_some_and(|(place, _)| *place == self.place);
        if !is_latest {
            self.latest = *self.by_place.get(&self.place[..])?;
        }
        Some(self.latest)
    }

    /// The key of the row looked for.
    pub(crate) fn row_key(&self) -> &[u8] {
        row_key(&self.place)
    }

    /// Adds the row looked for.
    pub(crate) fn insert(&mut self, row: T) -> usize {
        let place = Bytes::copy_from_slice(&self.place);
        self.latest = self.all.len();
        self.by_place.insert(place.clone(), self.latest);
        self.all.push((place, row));
        self.latest
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> &mut T {
        &mut self.all[index].1
    }

    /// All rows with their partitions and keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Partition, &[u8], &T)> {
        self.all.iter().map(|(place, row)| (partition_of(place), row_key(place), row))
    }

    /// Takes all rows with their partitions and keys.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (Partition, Bytes, T)> {
        self.by_place.clear();
        self.all.drain(..).map(|(place, row)| (partition_of(&place), place.slice(4..), row))
    }

    pub(crate) fn clear(&mut self) {
        self.all.clear();
        self.by_place.clear();
    }
}

fn row_key(place: &[u8]) -> &[u8] {
    &place[4..]
}

fn partition_of(place: &[u8]) -> Partition {
    let number = place.first_chunk().expect("a place begins with its partition");
    Partition(u32::from_be_bytes(*number))
}
