//! librdkafka's properties, as an operator gives them.

use std::{collections::BTreeMap, fmt};

/// Properties of librdkafka for all clients of a log, and those for its consumers only. Its `Debug` shows no value: any
/// may be a secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Properties {
    client: BTreeMap<String, String>,
    consumer: BTreeMap<String, String>,
}

impl Properties {
    /// Those of a cluster that lets everybody in.
    pub fn of_servers(bootstrap_servers: &str) -> Self {
        Self {
            client: BTreeMap::from([("bootstrap.servers".to_owned(), bootstrap_servers.to_owned())]),
            consumer: BTreeMap::new(),
        }
    }

    /// For every client.
    pub(crate) fn client(&self) -> impl Iterator<Item = (&str, &str)> {
        self.client.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// For consumers, on top of those for every client.
    pub(crate) fn consumer(&self) -> impl Iterator<Item = (&str, &str)> {
        self.consumer.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.client().chain(self.consumer()).map(|(name, _)| name).collect();
        f.debug_struct("Properties").field("names", &names).finish_non_exhaustive()
    }
}
