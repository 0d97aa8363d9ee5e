//! What a handler is told beside the event.

use std::cell::OnceCell;

use linecook_log::{Headers, Offset, Partition, Record, Timestamp, TopicName, TopicPartition};

use crate::{Counter, DecodeError, Failure, Key, Random, counter::Tally, random::StageSeed};

/// The record in hand, the time, chance and counters.
///
/// Everything in it is the same when the record is taken in hand again, except [`now`](Self::now) and, after a failure,
/// [`attempt`](Self::attempt). A test makes one with
/// [`Trial`](crate::Trial).
///
/// ```
/// use linecook::{Context, Counter, Failure};
///
/// const LATE: Counter = Counter::new("orders_late_total", "reason", "Orders that came too late");
///
/// fn discount(price: u64, context: &Context<'_>) -> Result<u64, Failure> {
///     if context.now().since(context.timestamp()).as_secs() > 60 {
///         context.count(LATE, "minute");
///     }
///     Ok(price - context.random().below(price.max(1)))
/// }
/// ```
#[derive(Debug)]
pub struct Context<'a> {
    pub(crate) from: &'a TopicPartition,
    pub(crate) record: Record<'a>,
    pub(crate) taken_at: Timestamp,
    pub(crate) attempt: u16,
    pub(crate) seed: StageSeed,
    /// Seeded at its first use, so that stages without chance pay nothing for it.
    pub(crate) random: OnceCell<Random>,
    pub(crate) tally: &'a Tally,
}

impl<'a> Context<'a> {
    /// Chance, seeded by the stage and the record's place: a replay draws the same.
    pub fn random(&self) -> &Random {
        self.random.get_or_init(|| self.seed.record(self.from.partition, self.record.offset))
    }

    /// When the record was taken in hand: the one clock of a handler.
    pub fn now(&self) -> Timestamp {
        self.taken_at
    }

    /// Which attempt at the record this is, from 1: more after a [`Failure::retry`].
    pub fn attempt(&self) -> u16 {
        self.attempt
    }

    /// The topic of the record.
    pub fn topic(&self) -> &'a TopicName {
        &self.from.topic
    }

    /// The partition of the record.
    pub fn partition(&self) -> Partition {
        self.from.partition
    }

    /// The offset of the record.
    pub fn offset(&self) -> Offset {
        self.record.offset
    }

    /// When the event happened, as its writer said.
    pub fn timestamp(&self) -> Timestamp {
        self.record.timestamp
    }

    /// The bytes of the record's key, if it has one.
    pub fn key(&self) -> Option<&'a [u8]> {
        self.record.key
    }

    /// The headers of the record.
    pub fn headers(&self) -> Headers<'a> {
        self.record.headers
    }

    /// Counts one up under that value of the counter's label, once the record's commit is made.
    pub fn count(&self, counter: Counter, label_value: &'static str) {
        self.tally.count(counter, label_value);
    }

    /// The record's key as what it is.
    ///
    /// # Errors
    /// A failure when it has none or does not decode.
    pub fn decoded_key<K: Key>(&self) -> Result<K, Failure> {
        let bytes = self.record.key.ok_or_else(|| Failure::reject("the record has no key"))?;
        Ok(K::decode(bytes)?)
    }

    /// The bytes of the record's value, as they came.
    ///
    /// # Errors
    /// When it has none.
    pub fn value(&self) -> Result<&'a [u8], DecodeError> {
        self.record.value.ok_or_else(|| DecodeError::new("the record has no value"))
    }
}
