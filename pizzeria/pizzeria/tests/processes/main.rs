//! The pizzeria from outside: real binaries, real signals, real HTTP; and within, on a disk that loses its power.

mod audit;
mod command_line;
mod faults;
mod http;
mod kill;
mod orders;
mod power;
mod process;
mod raw;
mod slow_disk;
