//! Trying a handler without a log.

use std::cell::OnceCell;

use linecook_log::{Headers, Offset, Partition, Record, Timestamp, TopicPartition};

use crate::{Context, Counter, Key, Topic, counter::Tally, random::StageSeed};

/// A record that a test makes up, so that a handler can be called as the plain function that it is.
///
/// ```
/// use linecook::{Context, Failure, Topic, Trial};
/// use linecook_log::Offset;
///
/// fn with_sauce(pizza: String, context: &Context<'_>) -> Result<String, Failure> {
///     Ok(format!("{pizza} with {} sauce", context.random().choose(&["extra", "light"])))
/// }
///
/// const PIZZA: Topic<u64, String> = Topic::new("pizza");
/// let trial = Trial::new(&PIZZA, Offset(7));
/// let pizza = with_sauce("margherita".into(), &trial.context())?;
/// assert!(pizza.ends_with("sauce"));
/// assert_eq!(with_sauce("margherita".into(), &trial.context())?, pizza);
/// # Ok::<(), Failure>(())
/// ```
#[derive(Debug)]
pub struct Trial {
    from: TopicPartition,
    offset: Offset,
    key: Option<Vec<u8>>,
    now: Timestamp,
    attempt: u16,
    tally: Tally,
}

impl Trial {
    /// A record at that offset of partition 0, without a key.
    pub fn new<K, V>(topic: &Topic<K, V>, offset: Offset) -> Self {
        let from = TopicPartition::new(&topic.log_name(), Partition(0));
        Self { from, offset, key: None, now: Timestamp(0), attempt: 1, tally: Tally::default() }
    }

    /// With that key.
    #[must_use]
    pub fn with_key<K: Key>(mut self, key: &K) -> Self {
        key.encode(self.key.insert(Vec::new()));
        self
    }

    /// Written and taken in hand at that time.
    #[must_use]
    pub fn at(mut self, now: Timestamp) -> Self {
        self.now = now;
        self
    }

    /// Taken in hand for the `attempt`th time.
    #[must_use]
    pub fn attempt(mut self, attempt: u16) -> Self {
        self.attempt = attempt;
        self
    }

    /// What a handler is told of it.
    pub fn context(&self) -> Context<'_> {
        let record = Record {
            offset: self.offset,
            timestamp: self.now,
            key: self.key.as_deref(),
            value: None,
            headers: Headers::default(),
        };
        Context {
            from: &self.from,
            record,
            taken_at: self.now,
            attempt: self.attempt,
            seed: StageSeed::new("trial", "trial", self.from.topic.as_str()),
            random: OnceCell::new(),
            tally: &self.tally,
        }
    }

    /// How often handlers have counted that value of the counter's label.
    pub fn counted(&self, counter: Counter, label_value: &str) -> usize {
        self.tally.count_in_record(counter, label_value)
    }
}
