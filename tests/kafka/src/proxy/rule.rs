//! What is to happen to requests of one kind.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use crate::ApiKey;

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Pass,
    CutRequest,
    CutReply,
}

#[derive(Debug)]
pub(super) struct Rule {
    pub(super) api_key: ApiKey,
    pub(super) fate: Fate,
    remaining: usize,
    hits: Hits,
}

impl Rule {
    pub(super) fn new(api_key: ApiKey, fate: Fate, times: usize) -> Self {
        Self { api_key, fate, remaining: times, hits: Hits::default() }
    }

    /// Whether it still holds, this time included.
    pub(super) fn take(&mut self) -> bool {
        let holds = self.remaining > 0;
        self.remaining = self.remaining.saturating_sub(1);
        holds
    }

    pub(super) fn hits(&self) -> Hits {
        self.hits.clone()
    }
}

/// How often a rule has hit.
#[derive(Debug, Clone, Default)]
pub struct Hits(Arc<(Mutex<usize>, Condvar)>);

impl Hits {
    pub(super) fn add(&self) {
        let (count, changed) = &*self.0;
        *count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        changed.notify_all();
    }

    /// So often, until now.
    pub fn count(&self) -> usize {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it has hit so often; whether it has, within that time.
    #[must_use]
    pub fn reach(&self, count: usize, patience: Duration) -> bool {
        let (hits, changed) = &*self.0;
        let hits = hits.lock().unwrap_or_else(PoisonError::into_inner);
        let (hits, _) =
            changed.wait_timeout_while(hits, patience, |hits| *hits < count).unwrap_or_else(PoisonError::into_inner);
        *hits >= count
    }
}
