//! When a commit is due before everything that was polled is handled.

use std::time::Duration;

use linecook_log::Clock;

/// Asks the clock about every millisecond, not at every record: that would be some percent of a worker's time.
#[derive(Debug)]
pub(crate) struct Pace {
    began: Duration,
    asked: Duration,
    /// Records until the clock is asked again, and from then on to the next time.
    left: u32,
    every: u32,
}

/// Handlers that turn slow are noticed at most that many records late.
const MOST_RECORDS: u32 = 64;
const ABOUT: Duration = Duration::from_millis(1);

impl Pace {
    /// Begins now.
    pub(crate) fn begin(clock: &dyn Clock) -> Self {
        let now = clock.monotonic();
        Self { began: now, asked: now, left: 1, every: 1 }
    }

    /// Whether `limit` is over; called once a record.
    pub(crate) fn is_over(&mut self, limit: Duration, clock: &dyn Clock) -> bool {
        self.left -= 1;
        if self.left > 0 {
            return false;
        }
        let now = clock.monotonic();
        self.every = if now.saturating_sub(self.asked) < ABOUT { (self.every * 2).min(MOST_RECORDS) } else { 1 };
        self.left = self.every;
        self.asked = now;
        now.saturating_sub(self.began) >= limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::HandClock;

    const LIMIT: Duration = Duration::from_millis(100);

    #[test]
    fn slow_records_are_noticed_one_by_one() {
        let clock = HandClock::default();
        let mut pace = Pace::begin(&clock);
        let mut records = 0;
        while !pace.is_over(LIMIT, &clock) {
            clock.advance(Duration::from_millis(30));
            records += 1;
        }
        assert_eq!(records, 4);
    }

    #[test]
    fn fast_records_ask_the_clock_seldom() {
        let clock = HandClock::default();
        let mut pace = Pace::begin(&clock);
        for _ in 0..10_000 {
            assert!(!pace.is_over(LIMIT, &clock));
        }
        assert!(clock.times_asked() < 200, "{}", clock.times_asked());
        clock.advance(LIMIT);
        assert!((0..MOST_RECORDS).any(|_| pace.is_over(LIMIT, &clock)));
    }
}
