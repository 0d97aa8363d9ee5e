//! librdkafka's properties, as an operator gives them.

mod names;
mod ours;

use std::{collections::BTreeMap, fmt, path::Path};

use rdkafka::{ClientConfig, error::KafkaError, types::RDKafkaConfRes};

use crate::options::SESSION_TIMEOUT;

/// Properties of librdkafka for all clients of a log, and those for its consumers only. Its `Debug` shows no value: any
/// may be a secret.
///
/// ```
/// use linecook_kafka::{Scope, Properties, Verdict};
///
/// let mut properties = Properties::of_servers("broker.example:9092");
/// assert_eq!(properties.add(Scope::All, "sasl.mechanisms", "PLAIN"), Verdict::Taken);
/// let because = "the group is named after the service";
/// assert_eq!(properties.add(Scope::Consumers, "group.id", "pizza_shop"), Verdict::Ignored { because });
/// assert_eq!(properties.add(Scope::All, "sasl.mechanismen", "PLAIN"), Verdict::Unknown);
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Properties {
    client: BTreeMap<String, String>,
    consumer: BTreeMap<String, String>,
}

/// For which clients a property is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    All,
    /// Those that consume, on top of what all have.
    Consumers,
}

/// What becomes of a property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It counts.
    Taken,
    /// It counts with another value, for with the one that was given there would be no client.
    Changed {
        /// The value that counts.
        to: String,
        /// A clause.
        because: &'static str,
    },
    /// It does not count: what it is about is ours to say, or the guarantees would be gone.
    Ignored {
        /// A clause.
        because: &'static str,
    },
    /// librdkafka has no property of that name.
    Unknown,
    /// librdkafka does not take the value.
    Refused {
        /// In its words, which may quote the value.
        why: String,
    },
}

/// A property that nobody gave and that is set all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: &'static str,
    /// A clause.
    pub because: &'static str,
}

/// Properties that name a file, or a folder of them.
const OF_FILES: [&str; 6] = [
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.crl.location",
    "ssl.key.location",
    "ssl.keystore.location",
    "sasl.kerberos.keytab",
];

/// The two names of the list of servers.
const SERVERS: [&str; 2] = ["bootstrap.servers", "metadata.broker.list"];

impl Properties {
    /// Those of a cluster that lets everybody in.
    pub fn of_servers(bootstrap_servers: &str) -> Self {
        let mut properties = Self::default();
        properties.set_servers(bootstrap_servers);
        properties
    }

    /// Adds one, unless it is not to be taken. A later one of that name counts.
    pub fn add(&mut self, scope: Scope, name: &str, value: &str) -> Verdict {
        if let Some(because) = ours::reason(name) {
            return Verdict::Ignored { because };
        }
        if let Some(refusal) = refusal(name, value) {
            return refusal;
        }
        let changed = clamped(name, value);
        let properties = match scope {
            Scope::All => &mut self.client,
            Scope::Consumers => &mut self.consumer,
        };
        let to = changed.as_ref().map_or(value, |(to, _)| to);
        properties.insert(name.to_owned(), to.to_owned());
        changed.map_or(Verdict::Taken, |(to, because)| Verdict::Changed { to, because })
    }

    /// Adds what clients need and nobody has given.
    pub fn complete(&mut self) -> Vec<Added> {
        let is = |name: &str, matches: fn(&str) -> bool| {
            self.client().chain(self.consumer()).any(|(other, value)| other == name && matches(value))
        };
        let is_encrypted = is("security.protocol", |value| value.to_lowercase().ends_with("ssl"));
        if !is_encrypted || is("ssl.ca.location", |_| true) || is("ssl.ca.pem", |_| true) {
            return Vec::new();
        }
        let because =
            "the OpenSSL in this program knows no folder of certificates by itself: it looks where systems have them";
        let added = Added { name: "ssl.ca.location", value: "probe", because };
        self.client.insert(added.name.to_owned(), added.value.to_owned());
        vec![added]
    }

    /// Whether that is the property that says where the cluster is.
    pub fn is_of_servers(name: &str) -> bool {
        SERVERS.contains(&name)
    }

    /// Where the cluster is, if that was said.
    pub fn servers(&self) -> Option<&str> {
        SERVERS.iter().find_map(|name| self.client.get(*name)).map(String::as_str).filter(|servers| !servers.is_empty())
    }

    /// Says where the cluster is, whatever was said before.
    pub fn set_servers(&mut self, bootstrap_servers: &str) {
        for properties in [&mut self.client, &mut self.consumer] {
            SERVERS.iter().for_each(|name| drop(properties.remove(*name)));
        }
        self.client.insert(SERVERS[0].to_owned(), bootstrap_servers.to_owned());
    }

    /// The names that there are, for who looks for the nearest to one that is unknown. A version of librdkafka may have
    /// more.
    pub fn known_names() -> &'static [&'static str] {
        &names::NAMES
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

/// What librdkafka has against it, asked one by one: it stops at the first.
fn refusal(name: &str, value: &str) -> Option<Verdict> {
    // An empty value is none, and `probe` looks where systems keep theirs.
    let is_file = OF_FILES.contains(&name) && !value.is_empty() && (name, value) != ("ssl.ca.location", "probe");
    if is_file && !Path::new(value).exists() {
        // It would be found out when a client is made, in OpenSSL's words.
        return Some(Verdict::Refused { why: format!("there is no such file: {value}") });
    }
    if SERVERS.contains(&name)
        && !value.is_empty()
        && let Some(wrong) = value.split(',').find(|entry| !entry.trim().is_empty() && !is_server(entry.trim()))
    {
        return Some(Verdict::Refused {
            why: format!("expected host:port, several with commas between them: {wrong:?}"),
        });
    }
    match ClientConfig::new().set(name, value).create_native_config() {
        Ok(_) => None,
        Err(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)) => Some(Verdict::Unknown),
        Err(KafkaError::ClientConfig(_, why, ..)) => Some(Verdict::Refused { why }),
        Err(error) => Some(Verdict::Refused { why: error.to_string() }),
    }
}

/// Whether it is `host[:port]`. librdkafka leaves out what is not, and of what names a protocol as well that of another one
/// than the client's; a client without any server waits for ever.
fn is_server(entry: &str) -> bool {
    let has_port = !entry.ends_with(']'); // as IPv6 addresses may do
    let (host, port) = entry.rsplit_once(':').filter(|_| has_port).unwrap_or((entry, "9092"));
    !host.is_empty() && !host.contains("//") && port.parse::<u16>().is_ok()
}

/// The value that is taken instead, and why. librdkafka makes no producer whose requests may outlast its transactions.
fn clamped(name: &str, value: &str) -> Option<(String, &'static str)> {
    let longest = SESSION_TIMEOUT.as_millis();
    let is_too_long = name == "socket.timeout.ms" && value.trim().parse().is_ok_and(|time: u128| time > longest);
    is_too_long.then(|| (longest.to_string(), "no request may take longer than a transaction"))
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.client().chain(self.consumer()).map(|(name, _)| name).collect();
        f.debug_struct("Properties").field("names", &names).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(name: &str, value: &str) -> Verdict {
        Properties::default().add(Scope::All, name, value)
    }

    /// A program waited for ever for no server at all.
    #[test]
    fn servers_that_librdkafka_would_leave_out_are_refused() {
        for servers in ["a", "a:9092", "a:9092, b", "[::1]:9092", "[::1]", "a:9092,", ""] {
            assert_eq!(added("bootstrap.servers", servers), Verdict::Taken, "{servers}");
        }
        for (servers, wrong) in
            [("http://x:y", "http://x:y"), ("a,SSL://b:1", "SSL://b:1"), ("a:9092,:9092", ":9092"), ("a:b", "a:b")]
        {
            let why = format!("expected host:port, several with commas between them: {wrong:?}");
            assert_eq!(added("metadata.broker.list", servers), Verdict::Refused { why }, "{servers}");
        }
    }

    #[test]
    fn how_to_be_let_in_passes_as_it_is() {
        let mut properties = Properties::default();
        for (name, value) in [
            ("bootstrap.servers", "a:9092,b:9092"),
            ("security.protocol", "SASL_SSL"),
            ("sasl.mechanisms", "SCRAM-SHA-512"),
            ("sasl.username", "cook"),
            ("sasl.password", "basil"),
            ("ssl.certificate.location", "Cargo.toml"), // any file
            ("ssl.key.location", "Cargo.toml"),
            ("ssl.key.password", "basil"),
        ] {
            assert_eq!(properties.add(Scope::All, name, value), Verdict::Taken, "{name}");
        }
        assert_eq!(properties.add(Scope::Consumers, "fetch.min.bytes", "10"), Verdict::Taken);
        assert_eq!(properties.servers(), Some("a:9092,b:9092"));
        assert_eq!(properties.client().count(), 8);
        assert_eq!(properties.consumer().collect::<Vec<_>>(), [("fetch.min.bytes", "10")]);
        let shown = format!("{properties:?}");
        assert!(shown.contains("sasl.password") && !shown.contains("basil"), "{shown}");
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let why = "there is no such file: /nowhere/ca.pem".to_owned();
        assert_eq!(added("ssl.ca.location", "/nowhere/ca.pem"), Verdict::Refused { why });
        assert_eq!(added("ssl.ca.location", "probe"), Verdict::Taken);
        assert_eq!(added("ssl.key.location", ""), Verdict::Taken, "librdkafka takes it for none");
    }

    #[test]
    fn what_the_guarantees_stand_on_is_ours() {
        let mut properties = Properties::default();
        for (name, value) in [
            ("group.id", "pizza_shop"),
            ("auto.offset.reset", "earliest"),
            ("enable.auto.commit", "true"),
            ("max.poll.interval.ms", "3000000"),
            ("isolation.level", "read_uncommitted"),
            ("acks", "1"),
            ("topic.acks", "1"),
            ("partitioner", "random"),
            ("message.timeout.ms", "300000"),
        ] {
            let verdict = properties.add(Scope::Consumers, name, value);
            assert!(matches!(verdict, Verdict::Ignored { .. }), "{name}: {verdict:?}");
        }
        assert_eq!(properties, Properties::default());
    }

    /// They were ignored for being set by us, although nothing depends on them.
    #[test]
    fn what_is_only_a_matter_of_speed_is_the_operators() {
        for (name, value) in [
            ("reconnect.backoff.max.ms", "10000"),
            ("retry.backoff.ms", "100"),
            ("queued.max.messages.kbytes", "1024"),
            ("batch.size", "16384"),
            ("fetch.error.backoff.ms", "500"),
            ("fetch.wait.max.ms", "100"),
            ("socket.nagle.disable", "false"),
        ] {
            assert_eq!(added(name, value), Verdict::Taken, "{name}");
        }
    }

    #[test]
    fn what_librdkafka_does_not_take_is_refused_in_its_words() {
        assert_eq!(added("sasl.mechanismen", "PLAIN"), Verdict::Unknown);
        assert_eq!(added("error_cb", "x"), added("error_cb", "y"), "what is no text is refused");
        let Verdict::Refused { why } = added("security.protocol", "TLS") else { panic!("it is taken") };
        assert!(why.contains("security.protocol"), "{why}");
        assert!(matches!(added("socket.timeout.ms", "long"), Verdict::Refused { .. }));
        assert!(matches!(added("sasl.username", "a\0b"), Verdict::Refused { .. }));
    }

    /// Making a producer failed: a transaction takes ten seconds at most, and a request must not take longer.
    #[test]
    fn a_time_out_that_outlasts_a_transaction_is_shortened() {
        let because = "no request may take longer than a transaction";
        let verdict = added("socket.timeout.ms", "60000");
        assert_eq!(verdict, Verdict::Changed { to: "10000".to_owned(), because });
        assert_eq!(added("socket.timeout.ms", "9000"), Verdict::Taken);
        let mut properties = Properties::of_servers("localhost:1");
        properties.add(Scope::All, "socket.timeout.ms", "60000");
        let mut config = ClientConfig::new();
        for (name, value) in properties.client() {
            config.set(name, value);
        }
        config.set("transactional.id", "test").set("transaction.timeout.ms", "10000");
        config.create::<rdkafka::producer::BaseProducer>().unwrap();
    }

    #[test]
    fn certificates_are_looked_for_when_nobody_says_where_they_are() {
        let completed = |given: &[(&str, &str)]| {
            let mut properties = Properties::default();
            given.iter().for_each(|(name, value)| drop(properties.add(Scope::All, name, value)));
            properties.complete().into_iter().map(|added| (added.name, added.value)).collect::<Vec<_>>()
        };
        assert_eq!(completed(&[("security.protocol", "SASL_SSL")]), [("ssl.ca.location", "probe")]);
        assert_eq!(completed(&[("security.protocol", "ssl")]), [("ssl.ca.location", "probe")]);
        assert_eq!(completed(&[("security.protocol", "ssl"), ("ssl.ca.location", "Cargo.toml")]), []);
        assert_eq!(completed(&[("security.protocol", "ssl"), ("ssl.ca.pem", "…")]), []);
        assert_eq!(completed(&[("security.protocol", "sasl_plaintext")]), []);
        assert_eq!(completed(&[]), []);
    }

    #[test]
    fn the_servers_can_be_said_anew() {
        let mut properties = Properties::default();
        assert_eq!(properties.servers(), None);
        properties.add(Scope::All, "metadata.broker.list", "a:1");
        assert_eq!(properties.servers(), Some("a:1"));
        properties.add(Scope::Consumers, "bootstrap.servers", "b:1");
        properties.set_servers("c:1");
        assert_eq!(properties, Properties::of_servers("c:1"));
    }

    /// A name that it does not know would be told as the nearest, and refused in its turn.
    #[test]
    fn librdkafka_knows_every_name_that_is_listed() {
        for name in Properties::known_names().iter().copied().chain(ours::names()) {
            assert_ne!(refusal(name, "1"), Some(Verdict::Unknown), "{name}");
        }
    }
}
