//! What results of benches have in common: the machine that they were measured on, the best, the median and the worst of
//! some rounds, and how they are written down.

#![warn(missing_docs)]

mod file;
mod machine;
mod process;
mod spread;

pub use self::{file::write, machine::Machine, process::cpu_time_of, spread::Spread};
