//! `load audit`: what was acknowledged earlier.

use std::{error::Error, path::PathBuf, process::ExitCode};

use clap::Args;
use load::{Examination, Journal, Keys};

use super::Talk;
use crate::{output, runtime::block_on};

/// Audit the orders of a journal: each is waited for, then read once more
#[derive(Args)]
pub(super) struct Audit {
    /// The file that a run has written
    #[arg(long, value_name = "FILE")]
    journal: PathBuf,
    /// So many look at a time
    #[arg(long, value_name = "C", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    clients: u32,
    /// Place each order again with its key first, which has to give the same order
    #[arg(long)]
    send_keys_again: bool,
    #[command(flatten)]
    talk: Talk,
}

impl Audit {
    pub(super) fn run(self) -> Result<ExitCode, Box<dyn Error>> {
        let orders = Journal::read(&self.journal)?;
        let order_count = orders.len();
        let verdict = block_on(load::examine(orders, self.examination()))??;
        output::audit(order_count, &verdict, self.talk.json.as_deref())
    }

    fn examination(&self) -> Examination {
        Examination {
            target: self.talk.url.clone(),
            client_count: self.clients,
            patience: self.talk.patience(),
            menu: self.talk.menu,
            keys: if self.send_keys_again { Keys::SendAgain } else { Keys::Leave },
        }
    }
}
