//! `load`: see `load --help`.

mod clock;
mod command;
mod compare;
mod growth;
mod output;
mod runtime;
mod server;
mod start;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    command::Command::parse().run()
}
