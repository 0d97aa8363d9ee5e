//! One broker for all tests of a process.

use std::sync::OnceLock;

use crate::{Broker, Options, Result};

/// The variable that names a broker which is up already, for whoever wants to start none.
const GIVEN: &str = "KAFKA_BOOTSTRAP";

/// A broker that is not one's own: nobody may stop it.
#[derive(Debug)]
pub struct Shared {
    servers: String,
    started: Option<Broker>,
}

impl Broker {
    /// The broker that all tests of this process share, started by the first that asks. It ends with the process. With
    /// `KAFKA_BOOTSTRAP` set, the one that is there. Topics and groups need names that no other test uses.
    ///
    /// # Errors
    /// As [`Broker::start`], the same for everybody who asks.
    pub fn shared() -> Result<&'static Shared> {
        static SHARED: OnceLock<Result<Shared>> = OnceLock::new();
        SHARED.get_or_init(|| Shared::of(std::env::var(GIVEN).ok())).as_ref().map_err(Clone::clone)
    }
}

impl Shared {
    fn of(given: Option<String>) -> Result<Self> {
        if let Some(servers) = given.filter(|servers| !servers.is_empty()) {
            return Ok(Self { servers, started: None });
        }
        let broker = Broker::start(Options::default())?;
        Ok(Self { servers: broker.bootstrap_servers(), started: Some(broker) })
    }

    /// Where clients find it.
    pub fn bootstrap_servers(&self) -> &str {
        &self.servers
    }

    /// What it has logged so far; nothing if somebody else has started it.
    pub fn log(&self) -> String {
        self.started.as_ref().map(Broker::log).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_there_is_taken() {
        let shared = Shared::of(Some("there:9092".to_owned())).unwrap();
        assert_eq!(shared.bootstrap_servers(), "there:9092");
        assert_eq!(shared.log(), "");
    }
}
