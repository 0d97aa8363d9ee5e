//! What is measured.

use std::{fmt, time::Duration};

use hdrhistogram::Histogram;
use serde::Serialize;

/// Times of one kind, in microseconds.
pub(crate) struct Times(Histogram<u64>);

#[derive(Serialize)]
pub(crate) struct Latency {
    p50_us: u64,
    p90_us: u64,
    p99_us: u64,
    max_us: u64,
}

/// One order at a time.
#[derive(Serialize)]
pub(crate) struct Latencies {
    pub(crate) acknowledged: Latency,
    pub(crate) ready: Latency,
}

/// Many orders at a time.
#[derive(Serialize)]
pub(crate) struct Throughput {
    order_count: u64,
    pizza_count: u64,
    seconds: f64,
    orders_per_second: f64,
    pizzas_per_second: f64,
    acknowledged: Latency,
}

impl Times {
    /// A microsecond to an hour, three digits.
    pub(crate) fn new() -> Self {
        let bounds = Histogram::new_with_bounds(1, 3_600_000_000, 3);
        Self(bounds.expect("constant bounds that the histogram takes"))
    }

    pub(crate) fn record(&mut self, time: Duration) {
        self.0.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.0.add(other.0).expect("histograms of the same bounds");
    }

    pub(crate) fn latency(&self) -> Latency {
        let at = |quantile| self.0.value_at_quantile(quantile);
        Latency { p50_us: at(0.5), p90_us: at(0.9), p99_us: at(0.99), max_us: self.0.max() }
    }
}

impl Throughput {
    #[expect(clippy::cast_precision_loss, reason = "fifteen digits are enough for a rate")]
    pub(crate) fn new(order_count: u64, pizza_count: u64, elapsed: Duration, acknowledged: &Times) -> Self {
        let seconds = elapsed.as_secs_f64();
        Self {
            order_count,
            pizza_count,
            seconds,
            orders_per_second: order_count as f64 / seconds,
            pizzas_per_second: pizza_count as f64 / seconds,
            acknowledged: acknowledged.latency(),
        }
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = |value| Duration::from_micros(value).as_secs_f64() * 1e3;
        for (name, value) in [("p50", self.p50_us), ("p90", self.p90_us), ("p99", self.p99_us)] {
            write!(f, "{name} {:.2} ms   ", milliseconds(value))?;
        }
        write!(f, "max {:.2} ms", milliseconds(self.max_us))
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "one order at a time")?;
        writeln!(f, "  acknowledged    {}", self.acknowledged)?;
        write!(f, "  order to ready  {}", self.ready)
    }
}

impl fmt::Display for Throughput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} orders, {} pizzas, all in rows and on disk in {:.2} s",
            self.order_count, self.pizza_count, self.seconds
        )?;
        writeln!(
            f,
            "  throughput      {:.0} pizzas/s, {:.0} orders/s",
            self.pizzas_per_second, self.orders_per_second
        )?;
        write!(f, "  acknowledged    {}", self.acknowledged)
    }
}
