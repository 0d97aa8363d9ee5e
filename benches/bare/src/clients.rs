//! Who orders.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use crate::{
    chain::Chain,
    clock::now,
    figures::{Latencies, Throughput, Times},
    pizza::Order,
    random::Random,
};

/// An id as the product makes them: 128 bits, in decimal.
fn order_id(random: &mut Random) -> String {
    (u128::from(random.next()) << 64 | u128::from(random.next())).to_string()
}

/// Many orders by several clients, each of which waits until its last order is acknowledged.
pub(crate) struct Crowd {
    pub(crate) order_count: u64,
    pub(crate) pizzas_per_order: u32,
    pub(crate) client_count: u32,
}

impl Crowd {
    /// Orders all, and waits until all is ready. `before` pizzas were finished before.
    pub(crate) fn run(&self, chain: &Chain, before: u64) -> io::Result<Throughput> {
        let (begin, next) = (now(), AtomicU64::new(0));
        let acknowledged = thread::scope(|scope| {
            let place = |client| self.place_orders(chain, &next, client);
            let clients: Vec<_> = (0..self.client_count).map(|client| scope.spawn(move || place(client))).collect();
            let mut times = Times::new();
            for client in clients {
                times.add(client.join().unwrap_or_else(|_| Err(io::Error::other("a client panicked")))?);
            }
            io::Result::Ok(times)
        })?;
        chain.wait_until_ready(before + self.pizza_count())?;
        Ok(Throughput::new(self.order_count, self.pizza_count(), begin.elapsed(), &acknowledged))
    }

    pub(crate) fn pizza_count(&self) -> u64 {
        self.order_count * u64::from(self.pizzas_per_order)
    }

    fn place_orders(&self, chain: &Chain, next: &AtomicU64, client: u32) -> io::Result<Times> {
        let (mut random, mut times) = (Random::seeded(u64::from(client) << 32), Times::new());
        while next.fetch_add(1, Ordering::Relaxed) < self.order_count {
            let order = Order { order_id: order_id(&mut random).into(), count: self.pizzas_per_order };
            let begin = now();
            let number = chain.place(&order)?;
            chain.wait_until_published(number);
            times.record(begin.elapsed());
        }
        Ok(times)
    }
}

/// Orders of one pizza, each placed when the last one is ready.
pub(crate) fn one_by_one(chain: &Chain, order_count: u64) -> io::Result<Latencies> {
    let (mut random, mut acknowledged, mut ready) = (Random::seeded(u64::MAX), Times::new(), Times::new());
    for index in 0..order_count {
        let order = Order { order_id: order_id(&mut random).into(), count: 1 };
        let begin = now();
        let number = chain.place(&order)?;
        chain.wait_until_published(number);
        acknowledged.record(begin.elapsed());
        chain.wait_until_ready(index + 1)?;
        ready.record(begin.elapsed());
        // Others do something between their orders, too.
        thread::sleep(Duration::from_millis(1));
    }
    Ok(Latencies { acknowledged: acknowledged.latency(), ready: ready.latency() })
}
