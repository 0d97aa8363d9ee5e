//! Numbered records: the number is the value, so that a lost, doubled or swapped record shows.

use bytes::Bytes;

use crate::{
    Batch, BatchBuilder, GroupName, NewRecord, Offset, Origin, Record, Timestamp, TopicPartition, partition_of,
};

/// Records of eight keys, so that a key has many records.
const KEY_COUNT: u64 = 8;

/// A record that was read or polled, as owned bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) from: TopicPartition,
    pub(super) offset: Offset,
    pub(super) timestamp: Timestamp,
    pub(super) key: Option<Bytes>,
    pub(super) value: Option<Bytes>,
    pub(super) headers: Vec<(String, Vec<u8>)>,
}

impl Stored {
    fn new(from: &TopicPartition, record: Record<'_>) -> Self {
        Self {
            from: from.clone(),
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key.map(Bytes::copy_from_slice),
            value: record.value.map(Bytes::copy_from_slice),
            headers: record.headers.map(|header| (header.name.to_owned(), header.value.to_owned())).collect(),
        }
    }

    /// The records of a batch from `offset` on.
    pub(super) fn of_batch(from: &TopicPartition, batch: &Batch, offset: Offset) -> Vec<Self> {
        batch.records_from(offset).map(|record| Self::new(from, record)).collect()
    }

    pub(super) fn number(&self) -> u64 {
        number_in(self.value.as_deref().unwrap_or_default())
    }
}

/// The number that a value or a row's key is.
pub(super) fn number_in(text: &[u8]) -> u64 {
    str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| panic!("not one of the suite's numbers: {text:?}"))
}

pub(super) fn numbers_of(records: &[Stored]) -> Vec<u64> {
    records.iter().map(Stored::number).collect()
}

/// A number as text whose order is that of the numbers.
pub(super) fn text_of(number: u64) -> String {
    format!("{number:08}")
}

fn key_of(number: u64) -> String {
    format!("key-{}", number % KEY_COUNT)
}

/// Which of `numbers` belong to each of so many partitions, by their keys.
pub(super) fn by_partition(numbers: impl IntoIterator<Item = u64>, partition_count: u32) -> Vec<Vec<u64>> {
    let mut partitions = vec![Vec::new(); partition_count as usize];
    for number in numbers {
        partitions[partition_of(key_of(number).as_bytes(), partition_count).0 as usize].push(number);
    }
    partitions
}

pub(super) fn outside_origin() -> Origin {
    let service = GroupName::new("conformance").expect("this is a name");
    Origin { service, taken_at: Timestamp(0), attempt: 1, source: None }
}

pub(super) fn empty_batch() -> BatchBuilder {
    BatchBuilder::new(&outside_origin(), 0)
}

pub(super) fn numbered(numbers: impl IntoIterator<Item = u64>) -> BatchBuilder {
    let mut batch = empty_batch();
    for number in numbers {
        let (key, value) = (key_of(number), text_of(number));
        let timestamp = Timestamp(i64::try_from(number).unwrap_or(i64::MAX));
        batch
            .push(&NewRecord { key: Some(key.as_bytes()), value: Some(value.as_bytes()), timestamp, headers: &[] })
            .expect("a batch takes a few headers");
    }
    batch
}

/// A source of numbers that look random and are the same in every run.
pub(super) struct Random(pub(super) u64);

impl Random {
    /// The next number below `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Bytes that no compression makes smaller.
    pub(super) fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..length.div_ceil(8)).flat_map(|_| self.next().to_le_bytes()).collect();
        bytes.truncate(length);
        bytes
    }

    /// `splitmix64` by Sebastiano Vigna (public domain).
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
