//! How long one pizza takes through all stages when nothing else is on its way.

use std::{fmt, time::Duration};

use hdrhistogram::Histogram;
use rdkafka::{
    Message as _,
    consumer::{BaseConsumer, Consumer as _},
};
use serde::Serialize;

use crate::{
    Result,
    chain::{Bound, Chain},
    clock, fill,
    pizza::{Pizza, order_id},
};

/// The first ones find clients and caches cold, and are not counted.
const WARM_UP: u32 = 10;
const COMES_WITHIN: Duration = Duration::from_secs(30);

/// In microseconds, from before it is sent to when a `read_committed` reader has it.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50_us: u64,
    pub(crate) p90_us: u64,
    pub(crate) p99_us: u64,
    pub(crate) max_us: u64,
}

/// Sends pizzas one after the other, each when the one before has come out.
pub(crate) fn one_by_one(chain: &Chain, count: u32) -> Result<Latency> {
    let consumer = chain.consumer()?;
    consumer.assign(&chain.bounds(&consumer, Bound::End)?)?;
    let producer = chain.producer(Duration::ZERO)?;
    let mut times = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3)?;
    for number in 0..count + WARM_UP {
        // Not one of those that were filled in: their ids count from the other end.
        let id = order_id(u32::MAX - 1 - number);
        let begin = clock::now();
        fill::send(&producer, &chain.input(), &Pizza::ordered(&id, number))?;
        wait_for(&consumer, &id)?;
        if number >= WARM_UP {
            times.saturating_record(u64::try_from(begin.elapsed().as_micros())?);
        }
    }
    let at = |quantile| times.value_at_quantile(quantile);
    Ok(Latency { p50_us: at(0.5), p90_us: at(0.9), p99_us: at(0.99), max_us: times.max() })
}

fn wait_for(consumer: &BaseConsumer, id: &str) -> Result<()> {
    let begin = clock::now();
    while begin.elapsed() < COMES_WITHIN {
        if let Some(record) = consumer.poll(Duration::from_millis(500))
            && record?.key() == Some(id.as_bytes())
        {
            return Ok(());
        }
    }
    Err(format!("a pizza does not come out: order_id={id} seconds={}", COMES_WITHIN.as_secs()).into())
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = |value| Duration::from_micros(value).as_secs_f64() * 1e3;
        let [p50, p90, p99, max] = [self.p50_us, self.p90_us, self.p99_us, self.max_us].map(milliseconds);
        write!(f, "p50 {p50:.1} ms   p90 {p90:.1} ms   p99 {p99:.1} ms   max {max:.1} ms")
    }
}
