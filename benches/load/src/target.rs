//! Where the server is.

use std::{fmt, str::FromStr};

/// The address of a server, read from a URL such as `http://127.0.0.1:5000`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Host and port, as a `Host` header and a connection want them.
    authority: Box<str>,
}

impl Target {
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        let rest = url.strip_prefix("http://").ok_or_else(|| format!("only http:// is spoken: url={url}"))?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.is_empty() || authority.contains(['/', '?', '#', '@']) {
            return Err(format!("a host and a port are wanted, and no path: url={url}"));
        }
        let host = authority.rsplit(']').next().unwrap_or(authority);
        let authority = if host.contains(':') { authority.to_owned() } else { format!("{authority}:80") };
        Ok(Self { authority: authority.into() })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn a_url_is_read_as_host_and_port() {
        for (url, authority) in [
            ("http://127.0.0.1:5000", "127.0.0.1:5000"),
            ("http://localhost:5000/", "localhost:5000"),
            ("http://example.org", "example.org:80"),
            ("http://[::1]", "[::1]:80"),
            ("http://[::1]:5000", "[::1]:5000"),
        ] {
            assert_eq!(url.parse::<Target>().unwrap().authority(), authority);
        }
    }

    #[test]
    fn a_url_that_is_more_than_an_address_is_refused() {
        for url in ["https://localhost", "localhost:5000", "http://", "http://localhost/order", "http://me@localhost"] {
            assert!(url.parse::<Target>().is_err(), "{url}");
        }
    }
}
