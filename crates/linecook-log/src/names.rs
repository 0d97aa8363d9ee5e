//! Identities and positions. None of them is a bare string or number in a signature: two of the same type side by side
//! are swapped sooner or later.

use std::{fmt, sync::Arc};

use crate::{Error, Result};

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// # Errors
            /// `Invalid` unless it is 1 to 200 of the characters `a-z A-Z 0-9 . _ -` and not `.` or `..`: what Kafka
            /// allows for a topic, with room for the suffixes that a log adds.
            pub fn new(name: impl AsRef<str>) -> Result<Self> {
                checked($what, name.as_ref()).map(Self)
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// The name of a topic.
    TopicName, "topic"
}
name! {
    /// The name of a consumer group, which is the name of its service.
    GroupName, "group"
}
name! {
    /// The name of a table within its service.
    TableName, "table"
}
name! {
    /// The name of one running process of a service. It is stable over restarts, so that a new process takes the place
    /// of the one that died.
    InstanceName, "instance"
}

fn checked(what: &str, name: &str) -> Result<Arc<str>> {
    let characters_fit = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if (1..=200).contains(&name.len()) && characters_fit && name != "." && name != ".." {
        return Ok(name.into());
    }
    Err(Error::invalid(format!("a {what} name is 1 to 200 of a-z A-Z 0-9 . _ - and not . or ..: name={name:?}")))
}

/// The number of a partition of a topic, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition(pub u32);

impl Partition {
    /// The partitions of a topic that has `count` of them.
    pub fn all(count: u32) -> impl DoubleEndedIterator<Item = Self> {
        (0..count).map(Self)
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The position of a record in its partition, from 0. As a committed or an end offset: the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Offset(pub u64);

impl Offset {
    /// The offset `count` records further on.
    #[must_use]
    pub fn plus(self, count: u64) -> Self {
        Self(self.0 + count)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic.
    pub topic: TopicName,
    /// Which of its partitions.
    pub partition: Partition,
}

impl TopicPartition {
    /// Partition `partition` of `topic`.
    pub fn new(topic: &TopicName, partition: Partition) -> Self {
        Self { topic: topic.clone(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_kafka_would_refuse_is_refused_here() {
        for bad in ["", ".", "..", "orders/1", "späti", "two words", &"x".repeat(201)] {
            assert_eq!(TopicName::new(bad).unwrap_err().kind(), crate::ErrorKind::Invalid, "{bad:?}");
        }
        for good in ["orders", "pizza-with-sauce", "cheese-reporter.dead-letters", "A_1"] {
            assert_eq!(TopicName::new(good).unwrap().as_str(), good);
        }
    }
}
