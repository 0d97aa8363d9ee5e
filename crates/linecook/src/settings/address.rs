//! Where to listen and whom to call.

use std::{fmt, net::SocketAddr, str::FromStr};

use super::value::SettingValue;

impl SettingValue for SocketAddr {
    type Written = String;

    fn expected() -> Option<String> {
        Some("an IP address and a port, such as 127.0.0.1:5000 or [::1]:5000".to_owned())
    }

    fn from_written(text: String) -> Result<Self, String> {
        text.parse().map_err(|_| "not an address".to_owned())
    }

    fn to_written(&self) -> String {
        self.to_string()
    }
}

/// A host, by name or by address, and a port; the name is not resolved.
///
/// ```
/// # use linecook::settings::HostPort;
/// let broker: HostPort = "kafka.example:9092".parse()?;
/// assert_eq!((broker.host(), broker.port()), ("kafka.example", 9092));
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
}

impl HostPort {
    /// The host, an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for HostPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, port) = text.rsplit_once(':').ok_or("no port")?;
        let port = port.parse().map_err(|_| "not a port from 0 to 65535")?;
        let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_name = |host: &str| !host.is_empty() && !host.contains([':', '/', '[', ']']) && !has_space(host);
        match bracketed {
            Some(address) if address.parse::<std::net::Ipv6Addr>().is_ok() => {
                Ok(Self { host: address.to_owned(), port })
            }
            None if is_name(host) => Ok(Self { host: host.to_owned(), port }),
            _ => Err("not a host".to_owned()),
        }
    }
}

fn has_space(text: &str) -> bool {
    text.contains(|character: char| character.is_whitespace() || character.is_control())
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            return write!(f, "[{}]:{}", self.host, self.port);
        }
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl SettingValue for HostPort {
    type Written = String;

    fn expected() -> Option<String> {
        Some("a host and a port, such as localhost:9092 or [::1]:9092".to_owned())
    }

    fn from_written(text: String) -> Result<Self, String> {
        text.parse()
    }

    fn to_written(&self) -> String {
        self.to_string()
    }
}
