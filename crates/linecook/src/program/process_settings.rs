//! The settings that every program has.

use std::{net::Ipv6Addr, path::PathBuf, time::Duration};

use linecook_log::InstanceName;

use super::{Program, kafka::Cluster, logging::LogFormat, open_log::LogKind, servers::Servers};
use crate::settings::{ByteSize, HostPort, KAFKA_CLIENT, Key, Origin, Secret, SettingValue, Settings};

#[derive(Debug, Clone)]
pub(crate) struct ProcessSettings {
    pub(crate) data_dir: PathBuf,
    pub(crate) http_address: HostPort,
    pub(crate) http_connections: u32,
    pub(crate) http_hosts: Vec<String>,
    pub(crate) operator_token: Option<Secret>,
    /// If one was given.
    pub(crate) instance: Option<InstanceName>,
    pub(crate) log: LogKind,
    pub(crate) cluster: Cluster,
    /// Whether it was said where a cluster is, but not that records are kept there.
    pub(crate) has_idle_servers: bool,
    #[cfg_attr(not(feature = "kafka"), expect(dead_code, reason = "this build has no log that could have a gap"))]
    pub(crate) accept_gap: bool,
    pub(crate) partitions: u32,
    pub(crate) workers: u32,
    pub(crate) retention: Duration,
    pub(crate) retention_bytes: Option<ByteSize>,
    pub(crate) reserve_bytes: ByteSize,
    pub(crate) max_record_bytes: ByteSize,
    pub(crate) log_format: LogFormat,
}

impl ProcessSettings {
    pub(crate) fn from_settings(settings: &mut Settings, program: &Program) -> Self {
        let data_dir = Key::new("data_dir", "where the log and the tables are kept");
        let http_address = Key::new("http_address", "where HTTP is answered, as host:port; port 0 takes a free one");
        let http_connections =
            Key::new("http_connections", "how many HTTP connections there are at once; others are answered with 503")
                .within(1..=100_000);
        let http_hosts = Key::new(
            "http_hosts",
            "names by which it may be asked while it is bound to this machine alone, beside this machine's own: those \
             that a proxy in front of it passes on",
        );
        let operator_token = Key::new(
            "operator_token",
            "what operators have to know to see and redrive dead letters; without one only this machine may, and not behind a \
             proxy",
        );
        let instance = Key::new(
            "instance",
            "the name of this process among those of its services; without it, the host's name and the first number \
             that is free",
        );
        let accept_gap = Key::new(
            "accept_gap",
            "on kafka: whether to go on with the first record that is there when some that were not read are gone",
        );
        let partitions = Key::new("partitions", "how many partitions a new topic gets").within(1..=1024);
        let workers = Key::new("workers", "how many threads each service works with").within(1..=64);
        let retention = Key::new("retention_days", "on the embedded log: how long records are kept").within(1..=36_500);
        let retention_bytes =
            Key::new("retention_bytes", "on the embedded log: how much it may take; without it, what the disk has");
        let reserve = Key::new(
            "reserve_bytes",
            "on the embedded log: writes are refused while the disk has less free space than this",
        );
        let max_record = Key::new("max_record_bytes", "the largest record").within(1024..=16 << 20);
        let log_format = Key::new("log_format", "how events are told on standard error: text or json");
        let default_data_dir = PathBuf::from(format!("./{}-data", program.name));
        let data_dir = settings.get(data_dir, default_data_dir);
        let http_address = settings.get(http_address, default_address(program));
        let http_connections = settings.get(http_connections, 512);
        let http_hosts = settings.get(http_hosts, Hosts(Vec::new())).0;
        let operator_token = settings.optional(operator_token).map(|Token(token)| token);
        let (log, servers, cluster) = log_of(settings);
        Self {
            data_dir,
            http_address,
            http_connections,
            http_hosts,
            operator_token,
            log,
            cluster,
            has_idle_servers: log == LogKind::Embedded && servers.is_some(),
            accept_gap: settings.get(accept_gap, false),
            instance: settings.optional(instance).map(|Instance(name)| name),
            partitions: settings.get(partitions, 4),
            workers: settings.get(workers, 1),
            retention: settings.get(retention, Duration::from_hours(7 * 24)),
            retention_bytes: settings.optional(retention_bytes),
            reserve_bytes: settings.get(reserve, ByteSize::mebibytes(256)),
            max_record_bytes: settings.get(max_record, ByteSize::mebibytes(1)),
            log_format: settings.get(log_format, LogFormat::Text),
        }
    }
}

/// Which log it is, and where. A file that can have nothing but properties of Kafka is a wish for it.
fn log_of(settings: &mut Settings) -> (LogKind, Option<Servers>, Cluster) {
    let log = Key::new("log", "where records are kept: embedded, which needs nothing else, or kafka");
    let servers = Key::<Servers>::new(
        "bootstrap_servers",
        "on kafka: where the cluster is, as host:port, several with commas between them",
    );
    let implied = settings.only_properties(KAFKA_CLIENT).map(|origin| (LogKind::Kafka, origin));
    let log = settings.get_implied(log, implied.unwrap_or((LogKind::Embedded, Origin::Default)));
    let fault_count = settings.fault_count();
    let servers = settings.optional(servers);
    let cluster = Cluster::from_settings(settings, log, servers.as_ref(), fault_count);
    (log, servers, cluster)
}

/// Loopback, at the port of the first service.
pub(super) fn default_address(program: &Program) -> HostPort {
    let port = program.services.first().map_or(5000, |service| service.port);
    format!("127.0.0.1:{port}").parse().expect("this is an address")
}

/// Names that a server may be asked by.
struct Hosts(Vec<String>);

impl SettingValue for Hosts {
    type Written = Vec<String>;

    fn expected() -> Option<String> {
        Some("names or addresses of hosts, without scheme, port and path".to_owned())
    }

    fn from_written(hosts: Vec<String>) -> Result<Self, String> {
        let is_name = |host: &String| host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        let is_host = |host: &String| !host.is_empty() && (is_name(host) || host.parse::<Ipv6Addr>().is_ok());
        if hosts.iter().all(is_host) { Ok(Self(hosts)) } else { Err("not all are names of hosts".to_owned()) }
    }

    fn to_written(&self) -> Vec<String> {
        self.0.clone()
    }
}

/// A token, as a header can have it.
struct Token(Secret);

impl SettingValue for Token {
    type Written = String;
    const SECRET: bool = true;

    fn expected() -> Option<String> {
        Some("a token: ASCII letters, digits and signs, without spaces".to_owned())
    }

    fn from_written(token: String) -> Result<Self, String> {
        let is_token = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        if is_token { Ok(Self(Secret::new(token))) } else { Err("a header cannot have it".to_owned()) }
    }

    fn to_written(&self) -> String {
        self.0.expose().to_owned()
    }
}

/// The name of an instance as a setting.
struct Instance(InstanceName);

impl SettingValue for Instance {
    type Written = String;

    fn expected() -> Option<String> {
        Some("a name of a-z A-Z 0-9 . _ -".to_owned())
    }

    fn from_written(written: String) -> Result<Self, String> {
        InstanceName::new(written).map(Self).map_err(|_| "not such a name".to_owned())
    }

    fn to_written(&self) -> String {
        self.0.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It was taken, and then nobody got in with it, the command line of the program neither.
    #[test]
    fn a_token_is_one_that_a_header_can_have() {
        for odd in ["", " basil", "basil ", "ba sil", "hünter", "ba\nsil"] {
            assert!(Token::from_written(odd.to_owned()).is_err(), "{odd:?}");
        }
        assert_eq!(Token::from_written("ba~sil=".to_owned()).unwrap().to_written(), "ba~sil=");
    }

    #[test]
    fn a_host_is_what_may_be_asked_for() {
        let hosts = |text: &str| Hosts::from_written(text.split(' ').map(str::to_owned).collect());
        for odd in ["http://x", "x/", "y:80", "*", "a ", "[::1]"] {
            assert!(hosts(odd).is_err(), "{odd:?}");
        }
        assert_eq!(hosts("pizza.test 10.0.0.7 ::1 oven_1").unwrap().0.len(), 4);
    }
}
