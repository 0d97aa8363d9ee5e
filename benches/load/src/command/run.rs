//! `load`: a run.

use std::{error::Error, path::PathBuf, process::ExitCode, time::Duration};

use clap::Args;
use load::{Depth, Pace, PizzaCount, Plan};

use super::Talk;
use crate::{output, runtime::block_on};

#[derive(Args)]
pub(super) struct Run {
    /// Place so many orders (1000, unless there is a duration)
    #[arg(long, value_name = "N")]
    orders: Option<u64>,
    /// Of so many pizzas each
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pizzas_per_order: u32,
    /// By so many clients at a time; one without --rate waits for each order to be ready
    #[arg(long, value_name = "C", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    clients: u32,
    /// So many orders a second, whatever the server does; times then count from when an order was due
    #[arg(long, value_name = "R", value_parser = positive)]
    rate: Option<f64>,
    /// Place orders for so long
    #[arg(long, value_name = "SECONDS", value_parser = positive)]
    duration: Option<f64>,
    /// Which orders are read again in full afterwards
    #[arg(long, value_enum, default_value = "full")]
    audit: Depth,
    /// Append each order to this file as soon as it is acknowledged, for `load audit`
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    #[command(flatten)]
    talk: Talk,
}

const ORDERS: u64 = 1000;

impl Run {
    pub(super) fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let outcome = block_on(load::run(self.plan()))??;
        output::run(&outcome, self.talk.json.as_deref())
    }

    fn plan(&self) -> Plan {
        Plan {
            target: self.talk.url.clone(),
            order_count: self.orders.or(self.duration.is_none().then_some(ORDERS)),
            duration: self.duration.map(Duration::from_secs_f64),
            pizzas_per_order: PizzaCount(self.pizzas_per_order),
            client_count: self.clients,
            pace: self.rate.map_or(Pace::ClosedLoop, Pace::PerSecond),
            depth: self.audit,
            menu: self.talk.menu,
            patience: self.talk.patience(),
            journal: self.journal.clone(),
        }
    }
}

/// A number of seconds, or of orders a second, that is above 0 and below what a clock can count.
fn positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if number > 0.0 && number < 1e9 => Ok(number),
        _ => Err("a number above 0 and below 1,000,000,000 is wanted".to_owned()),
    }
}
