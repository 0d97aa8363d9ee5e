//! The command line.

mod audit;
mod run;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use load::{Outages, Patience};

use crate::{compare::Compare, growth::Growth, output, start::Start};

/// Put a pizzeria under load, measure it, and hold it to its word.
///
/// Exit codes: 0 when every promise was kept, 1 when one was not (each is a line), 2 when nothing could be found out:
/// wrong usage, a server that cannot be reached, answers that the API does not know.
#[derive(Parser)]
#[command(name = "load", version, args_conflicts_with_subcommands = true)]
pub(crate) struct Command {
    #[command(subcommand)]
    other: Option<Other>,
    #[command(flatten)]
    run: run::Run,
}

#[derive(Subcommand)]
enum Other {
    Audit(audit::Audit),
    Compare(Compare),
    Growth(Growth),
    Start(Start),
}

/// How the server is talked to: the same for a run and for an audit.
#[derive(Args)]
struct Talk {
    /// The server's address
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:5000")]
    url: load::Target,
    /// Ride out a server that dies and comes back: send again, with the same Idempotency-Key
    #[arg(long)]
    keep_going: bool,
    /// How long a request is repeated, and how long it is waited for any order to become ready
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    patience: u64,
    /// What may be on a pizza
    #[arg(long, value_enum, default_value_t)]
    menu: load::Menu,
    /// Also write the outcome to this file
    #[arg(long, value_name = "FILE")]
    json: Option<std::path::PathBuf>,
}

impl Command {
    pub(crate) fn run(self) -> ExitCode {
        let outcome = match self.other {
            None => self.run.run(),
            Some(Other::Audit(audit)) => audit.run(),
            Some(Other::Compare(compare)) => compare.run(),
            Some(Other::Growth(growth)) => growth.run(),
            Some(Other::Start(start)) => start.run(),
        };
        outcome.unwrap_or_else(|error| output::failure(&*error))
    }
}

impl Talk {
    fn patience(&self) -> Patience {
        let outages = if self.keep_going { Outages::RideOut } else { Outages::GiveUp };
        Patience { limit: std::time::Duration::from_secs(self.patience), outages }
    }
}
