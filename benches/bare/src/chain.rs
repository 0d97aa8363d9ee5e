//! The whole loop: a log, rows, and a thread a hop and partition.

use std::{
    io,
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
};

use crate::{
    finished::Finished,
    hop::{Hop, Outbox, Station},
    hops::{Expand, Finish, Topping, What},
    log::{CommitNumber, Log, PartitionId},
    open_orders::OpenOrders,
    pizza::Order,
    rows::{self, Backlog, Contents, Threads, Tree},
};

/// orders, pizza, and one behind each topping.
const TOPIC_COUNT: u32 = 6;

pub(crate) struct Chain {
    log: Arc<Log>,
    backlog: Arc<Backlog>,
    finished: Arc<Finished>,
    tree: Arc<Tree>,
    partition_count: u32,
    threads: Threads,
}

impl Chain {
    /// Makes a new log in a folder and starts everything.
    pub(crate) fn start(folder: &Path, partition_count: u32) -> io::Result<Self> {
        let backlog = Arc::<Backlog>::default();
        let log = Arc::new(Log::create(folder, TOPIC_COUNT * partition_count, backlog.clone())?);
        let (tree, threads) = rows::start(&log, &backlog, folder)?;
        let mut chain = Self { log, backlog, finished: Arc::default(), tree, partition_count, threads };
        chain.threads.push(chain.log.start_syncing()?);
        for partition in 0..partition_count {
            chain.start_hops(partition)?;
        }
        Ok(chain)
    }

    fn start_hops(&mut self, partition: u32) -> io::Result<()> {
        let orders = Arc::<OpenOrders>::default();
        self.start_hop(0, partition, Expand::new(partition, self.partition(1, partition), orders.clone()))?;
        for (topic, what) in (1..).zip([What::Sauce, What::Cheese, What::Meats, What::Veggies]) {
            self.start_hop(topic, partition, Topping::new(what, self.partition(topic + 1, partition)))?;
        }
        self.start_hop(5, partition, Finish::new(partition, orders, self.finished.clone()))
    }

    fn start_hop(&mut self, topic: u32, partition: u32, hop: impl Hop + 'static) -> io::Result<()> {
        let source = self.partition(topic, partition);
        let station = Station { log: self.log.clone(), backlog: self.backlog.clone(), source, hop };
        let ending = Ending { log: self.log.clone(), finished: self.finished.clone() };
        let name = format!("hop-{topic}-{partition}");
        self.threads.push(thread::Builder::new().name(name).spawn(move || {
            let _ending = ending;
            station.run()
        })?);
        Ok(())
    }

    fn partition(&self, topic: u32, partition: u32) -> PartitionId {
        PartitionId(topic * self.partition_count + partition)
    }

    /// Takes an order. It is acknowledged when its number is [published](Self::wait_until_published).
    pub(crate) fn place(&self, order: &Order<'_>) -> io::Result<CommitNumber> {
        let key = order.order_id.as_bytes();
        let mut outbox = Outbox::to(self.partition(0, crc32c::crc32c(key) % self.partition_count));
        outbox.add(key, order)?;
        self.log.commit(outbox.commit(Vec::new()))
    }

    pub(crate) fn wait_until_published(&self, number: CommitNumber) {
        self.log.wait_until_published(number);
    }

    /// Waits until so many pizzas since the start are on disk and in rows.
    pub(crate) fn wait_until_ready(&self, pizzas: u64) -> io::Result<()> {
        let newest = self.finished.wait_for(pizzas).ok_or_else(|| io::Error::other("the loop has ended"))?;
        self.backlog.wait_until_applied(newest);
        Ok(())
    }

    /// Ends all threads, reports the first error of any, and says what is in the rows.
    pub(crate) fn close(self) -> io::Result<Contents> {
        self.log.end();
        self.threads.into_iter().try_for_each(join)?;
        self.tree.contents()
    }
}

fn join(thread: JoinHandle<io::Result<()>>) -> io::Result<()> {
    thread.join().unwrap_or_else(|_| Err(io::Error::other("a thread panicked")))
}

/// Ends the whole loop when one hop of it has failed: nobody shall wait for the others then.
struct Ending {
    log: Arc<Log>,
    finished: Arc<Finished>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.log.end();
        self.finished.end();
    }
}
