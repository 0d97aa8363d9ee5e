//! `load`: see `load --help`.

mod clock;
mod command;
mod compare;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    command::Command::parse().run()
}
