//! Where a cluster is, as a setting.

use crate::settings::{HostPort, SettingValue};

/// Hosts and ports, one at least. The names are not resolved here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Servers(pub(crate) String);

impl SettingValue for Servers {
    type Written = String;

    fn expected() -> Option<String> {
        Some("host:port, several with commas between them".to_owned())
    }

    fn from_written(written: String) -> Result<Self, String> {
        let servers =
            written.split(',').map(|server| server.trim().parse::<HostPort>().map(|server| server.to_string()));
        Ok(Self(servers.collect::<Result<Vec<_>, _>>()?.join(",")))
    }

    fn to_written(&self) -> String {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_is_a_host_and_a_port() {
        let servers = |text: &str| Servers::from_written(text.to_owned()).map(|Servers(servers)| servers);
        assert_eq!(servers("a:9092"), Ok("a:9092".to_owned()));
        assert_eq!(servers("a:9092, [::1]:9093"), Ok("a:9092,[::1]:9093".to_owned()));
        assert_eq!(servers("a:9092,"), Err("no port".to_owned()));
        assert_eq!(servers("a"), Err("no port".to_owned()));
        assert!(servers("kafka://a:9092").is_err());
    }
}
