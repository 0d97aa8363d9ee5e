//! The four toppings as a bare loop on Kafka, exactly once: the yardstick for the product there.
//!
//! What it has in common with the product: transactions with the offsets inside, `read_committed`, static membership,
//! records taken by the batch, a commit at once when nothing more waits, typed JSON in and out of every stage. What it
//! leaves out: headers, unknown fields, tables, parking, metrics, HTTP, and everything that goes on after a fault: here
//! the first one ends the program. So it is about as fast as librdkafka can be on a machine.

mod clients;
mod native;
mod stage;

use std::{error::Error, sync::mpsc, thread};

use clap::Args;

use self::stage::Stage;
use crate::hops::What;

const TOPICS: [&str; 5] = ["pizza", "pizza-with-sauce", "pizza-with-cheese", "pizza-with-meats", "pizza-with-veggies"];

/// Put the four toppings on what lies in `pizza`, on Kafka, a thread a topping, until it is killed
#[derive(Args)]
pub(crate) struct Kafka {
    /// Where the cluster is
    #[arg(long, value_name = "SERVERS", default_value = "127.0.0.1:9092")]
    bootstrap_servers: String,
    /// What stands before the names of topics and groups, so that the product's are others
    #[arg(long, value_name = "TEXT", default_value = "bare.")]
    prefix: String,
}

/// From one topic to the next.
struct Way {
    what: What,
    from: String,
    to: String,
    /// The group, and what the clients are called.
    name: String,
}

impl Kafka {
    /// Runs until a stage fails, which none does in good order.
    pub(crate) fn run(&self) -> Result<(), Box<dyn Error>> {
        let (failed, failures) = mpsc::channel();
        for way in self.ways() {
            let (servers, failed) = (self.bootstrap_servers.clone(), failed.clone());
            let thread = thread::Builder::new().name(way.name.clone());
            thread.spawn(move || {
                let mut stage = match Stage::join(&servers, way) {
                    Ok(stage) => stage,
                    Err(error) => return drop(failed.send(error)),
                };
                let Err(error) = stage.run();
                // Told before the stage is dropped: its clients end slowly, and the process is to end at once.
                drop(failed.send(error));
            })?;
        }
        drop(failed);
        Err(failures.recv()?)
    }

    fn ways(&self) -> impl Iterator<Item = Way> {
        let of = |number: usize| format!("{}{}", self.prefix, TOPICS[number]);
        let toppings = [What::Sauce, What::Cheese, What::Meats, What::Veggies];
        toppings.into_iter().enumerate().map(move |(number, what)| Way {
            what,
            from: of(number),
            to: of(number + 1),
            name: format!("{}stage-{}", self.prefix, number + 1),
        })
    }
}

/// What ends a stage.
type Fault = Box<dyn Error + Send + Sync>;
