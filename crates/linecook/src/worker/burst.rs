//! Telling of what may happen a thousand times a second.

use std::time::Duration;

/// What is told in the process's log whenever it happens: the first time at once, then at most once in a while, with how
/// often it happened in between. A poisoned topic must not fill the disk with its own obituaries.
#[derive(Debug, Default)]
pub(crate) struct Burst {
    told: Option<Duration>,
    untold_count: u64,
}

const QUIET: Duration = Duration::from_secs(10);

impl Burst {
    /// How many were not told since the last one that was, if this one is to be told.
    pub(crate) fn count(&mut self, now: Duration) -> Option<u64> {
        if self.told.is_some_and(|told| now.saturating_sub(told) < QUIET) {
            self.untold_count += 1;
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold_count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_told_once_and_its_size_later() {
        let mut burst = Burst::default();
        let told: Vec<_> = [0, 1, 2, 9, 10, 11, 30].map(|second| burst.count(Duration::from_secs(second))).into();
        assert_eq!(told, [Some(0), None, None, None, Some(3), None, Some(1)]);
    }
}
