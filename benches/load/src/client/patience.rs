//! How long the client waits, and for what.

use std::{ops::AddAssign, time::Duration};

/// How long one request is repeated, and whether also when the server is gone.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// From the first attempt of a request on.
    pub limit: Duration,
    /// What a broken or refused connection means.
    pub outages: Outages,
}

/// What a client does when a connection breaks or none can be made. A 503 is waited for in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outages {
    /// The request fails.
    GiveUp,
    /// The request is sent again until the patience is over, as a server that was killed may come back. An order
    /// placed without a key is not: it might be made twice.
    RideOut,
}

/// What a client met with on the way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Setbacks {
    /// Answers with 503, each waited for and asked again.
    pub refusals: u64,
    /// Attempts that ended without an answer.
    pub outages: u64,
}

impl Patience {
    /// A server that is started again takes longer than this; more often is only noise.
    pub(super) const AFTER_OUTAGE: Duration = Duration::from_millis(50);

    /// What the server asks for, but not less than lets it breathe, and a second if it does not say.
    pub(super) fn after_refusal(retry_after: Option<Duration>) -> Duration {
        retry_after.unwrap_or(Duration::from_secs(1)).max(Duration::from_millis(10))
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self { limit: Duration::from_secs(60), outages: Outages::GiveUp }
    }
}

impl AddAssign for Setbacks {
    fn add_assign(&mut self, other: Self) {
        self.refusals += other.refusals;
        self.outages += other.outages;
    }
}
