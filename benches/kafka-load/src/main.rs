//! The four stages of the pizzeria on Kafka, measured from outside: `pizza` in, `pizza-with-veggies` out.
//!
//! Whatever runs between the two topics is measured alike, by a client that knows nothing of it: the services as
//! processes, the bare loop (`bare kafka`), or a program of somebody else's. `kafka-load compare` starts a broker and
//! measures the first two by turns.

mod chain;
mod clock;
mod command;
mod compare;
mod drain;
mod fill;
mod findings;
mod latency;
mod pizza;

use std::{error::Error, process::ExitCode};

use clap::Parser;

/// What goes wrong here ends the program, with a line for a person.
type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    command::Command::parse().run().unwrap_or_else(|error| {
        eprintln!("kafka-load: {error}");
        ExitCode::from(2)
    })
}
