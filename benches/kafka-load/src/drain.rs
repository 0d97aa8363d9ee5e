//! How fast what was filled in comes out, and whether all of it does.

use std::{
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
};

use crate::{
    Result,
    chain::{Bound, Chain},
    clock,
    findings::{Findings, Sheet},
};

const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long nothing may come before it is given up.
const SILENCE: Duration = Duration::from_secs(30);

/// Pizzas on their way out.
pub(crate) struct Drain {
    chain: Chain,
    count: u32,
    consumer: BaseConsumer,
    /// Where the output ended before.
    begin: TopicPartitionList,
}

impl Drain {
    /// Everything in the output counts.
    pub(crate) fn from_start(chain: &Chain, count: u32) -> Result<Self> {
        Self::from(chain, count, Bound::Start)
    }

    /// What comes from now on counts.
    pub(crate) fn from_now(chain: &Chain, count: u32) -> Result<Self> {
        Self::from(chain, count, Bound::End)
    }

    fn from(chain: &Chain, count: u32, bound: Bound) -> Result<Self> {
        let consumer = chain.consumer()?;
        let begin = chain.bounds(&consumer, bound)?;
        Ok(Self { chain: chain.clone(), count, consumer, begin })
    }

    /// Offsets a second between 10 % and 90 % of the way. A commit's mark has an offset in each partition, too: one among
    /// thousands, or among few where commits are small. See [`pizzas_per_offset`](Self::pizzas_per_offset).
    pub(crate) fn watch(&self) -> Result<f64> {
        let (low, high) = (u64::from(self.count) / 10, u64::from(self.count) * 9 / 10);
        let (mut first, mut last) = (None, (clock::now(), 0));
        loop {
            let seen = (clock::now(), self.came_out()?);
            if first.is_none() && seen.1 >= low {
                // What comes in one go has come since the look before.
                first = Some(if seen.1 >= high { last } else { seen });
            }
            if seen.1 > last.1 {
                last = seen;
            }
            if let Some(first) = first
                && seen.1 >= high
            {
                return Ok(rate(first, seen));
            }
            if last.0.elapsed() > SILENCE {
                return Err(format!("nothing comes out any more: came_out={} filled_in={}", seen.1, self.count).into());
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// When all has come out: how much of what came out were pizzas.
    pub(crate) fn pizzas_per_offset(&self) -> Result<f64> {
        let offsets = self.came_out()?.max(1);
        #[expect(clippy::cast_precision_loss, reason = "far below what a float counts exactly")]
        Ok(f64::from(self.count) / offsets as f64)
    }

    fn came_out(&self) -> Result<u64> {
        let now = self.chain.bounds(&self.consumer, Bound::End)?;
        Ok(sum(&now).saturating_sub(sum(&self.begin)))
    }

    /// Reads all of it. What comes for a second after the last is seen, too: it would be there twice.
    pub(crate) fn check(&self) -> Result<Findings> {
        self.consumer.assign(&self.begin)?;
        let mut sheet = Sheet::of(self.count);
        let mut last = clock::now();
        let silence = |sheet: &Sheet| if sheet.is_complete() { Duration::from_secs(1) } else { SILENCE };
        while last.elapsed() < silence(&sheet) {
            if let Some(record) = self.consumer.poll(Duration::from_millis(100)) {
                sheet.see(record?.payload().unwrap_or_default());
                last = clock::now();
            }
        }
        self.consumer.unassign()?;
        Ok(sheet.findings())
    }
}

fn sum(bounds: &TopicPartitionList) -> u64 {
    let offset = |offset| match offset {
        Offset::Offset(offset) => u64::try_from(offset).unwrap_or(0),
        _ => 0,
    };
    bounds.elements().iter().map(|element| offset(element.offset())).sum()
}

#[expect(clippy::cast_precision_loss, reason = "fifteen digits are enough for a rate")]
fn rate((first_at, first): (Instant, u64), (last_at, last): (Instant, u64)) -> f64 {
    (last - first) as f64 / last_at.duration_since(first_at).max(LOOK_EVERY).as_secs_f64()
}
