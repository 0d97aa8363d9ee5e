//! The pizzeria's six hops as a bare loop: the yardstick for the product.
//!
//! What it has in common with the product: the order of things on disk (one frame a commit, lz4, crc32c, an fdatasync
//! thread of its own, rows that are applied only when their commit is on disk), and typed JSON in and out of every hop. Its
//! bounds on memory are wider (64 MiB of hot batches, memtables of 32 MiB), so it merges less. What it leaves out: HTTP,
//! headers, metrics, parking, retention, recovery, and every promise that goes with them. So it is about as fast as this
//! design can be on a machine, and what the product lacks to it is what the rest costs.

mod chain;
mod clients;
mod clock;
mod command;
mod figures;
mod finished;
mod hop;
mod hops;
#[cfg(feature = "kafka")]
mod kafka;
mod log;
mod menu;
mod open_orders;
mod pizza;
mod random;
mod record;
mod rows;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match command::Command::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bare: {error}");
            ExitCode::FAILURE
        }
    }
}
