//! How a record that waits is called.

use std::{fmt, str::FromStr};

use linecook_log::{GroupName, Offset, Partition, TopicName, TopicPartition};
use serde::{Deserialize, Serialize};

/// Which record, and for whom it waits: `<service>/<stage or table>/<topic>/<partition>/<offset>`. The parts are names, so
/// none has a slash; it is part of a path as it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct RecordId {
    pub(crate) service: GroupName,
    pub(crate) stage: String,
    pub(crate) from: TopicPartition,
    pub(crate) offset: Offset,
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, stage, from, offset } = self;
        write!(f, "{service}/{stage}/{}/{}/{offset}", from.topic, from.partition)
    }
}

impl FromStr for RecordId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let none = || format!("no ID, which is SERVICE/STAGE/TOPIC/PARTITION/OFFSET: {text}");
        let parts: Vec<_> = text.split('/').collect();
        let [service, stage, topic, partition, offset] = parts[..] else { return Err(none()) };
        let topic = TopicName::new(topic).map_err(|_| none())?;
        Ok(Self {
            service: GroupName::new(service).map_err(|_| none())?,
            stage: stage.to_owned(),
            from: TopicPartition::new(&topic, Partition(partition.parse().map_err(|_| none())?)),
            offset: Offset(offset.parse().map_err(|_| none())?),
        })
    }
}

impl From<RecordId> for String {
    fn from(id: RecordId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for RecordId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written() {
        let text = "pizza-service/orders/pizza-ready/3/1423";
        assert_eq!(text.parse::<RecordId>().unwrap().to_string(), text);
        for odd in ["", "a/b/c/1", "a/b/c/1/2/3", "a/b/c/x/2", "a/b/c/1/-2", "a b/b/c/1/2"] {
            assert!(odd.parse::<RecordId>().unwrap_err().contains("SERVICE/STAGE/TOPIC"), "{odd}");
        }
    }
}
