//! What is measured while a run lasts.

use std::{
    fmt,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use serde::Serialize;

/// The times and counts of a run.
pub(super) struct Figures {
    /// From when an order should have been placed until its 201.
    pub(super) acknowledged: Times,
    /// From the same until its first ready body was seen.
    pub(super) ready: Times,
    /// How often an order was asked and was not ready.
    pub(super) early_looks: u64,
    span: Option<(Instant, Instant)>,
}

/// Times of one kind.
pub(super) struct Times(Histogram<u64>);

/// The percentiles of a kind of times, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Latency {
    pub count: u64,
    pub p50_us: u64,
    pub p90_us: u64,
    pub p99_us: u64,
    pub p999_us: u64,
    pub max_us: u64,
    pub mean_us: f64,
}

impl Figures {
    pub(super) fn new() -> Self {
        Self { acknowledged: Times::new(), ready: Times::new(), early_looks: 0, span: None }
    }

    /// Widens the time that the run has taken so that it reaches from `begin` to `end`.
    pub(super) fn cover(&mut self, begin: Instant, end: Instant) {
        let (first, last) = self.span.get_or_insert((begin, end));
        *first = begin.min(*first);
        *last = end.max(*last);
    }

    /// From the first order until the last one was ready.
    pub(super) fn elapsed(&self) -> Duration {
        self.span.map_or(Duration::ZERO, |(first, last)| last - first)
    }
}

impl Times {
    /// A microsecond to an hour, three digits.
    fn new() -> Self {
        let bounds = Histogram::new_with_bounds(1, 3_600_000_000, 3);
        Self(bounds.expect("constant bounds that the histogram takes"))
    }

    pub(super) fn record(&mut self, time: Duration) {
        self.0.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    pub(super) fn count(&self) -> u64 {
        self.0.len()
    }

    pub(super) fn latency(&self) -> Latency {
        let at = |quantile| self.0.value_at_quantile(quantile);
        Latency {
            count: self.0.len(),
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: self.0.max(),
            mean_us: self.0.mean(),
        }
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { p50_us, p90_us, p99_us, p999_us, max_us, .. } = *self;
        for (name, value) in [("p50", p50_us), ("p90", p90_us), ("p99", p99_us), ("p99.9", p999_us)] {
            write!(f, "{name} {} ms   ", Milliseconds(value))?;
        }
        write!(f, "max {} ms", Milliseconds(max_us))
    }
}

/// Microseconds, shown as milliseconds.
struct Milliseconds(u64);

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2}", Duration::from_micros(self.0).as_secs_f64() * 1e3)
    }
}
