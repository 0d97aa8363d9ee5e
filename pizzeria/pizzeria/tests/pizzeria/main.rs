//! The pizzeria from outside: real binaries, real signals, real HTTP; and within, on a disk that loses its power. And the rules
//! of the house.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod article;
mod audit;
mod command_line;
mod dead_letters;
mod deadly;
mod ending;
mod faults;
mod faults_under_load;
mod hostile;
mod house;
mod http;
mod kafka_settings;
mod kill;
mod misplaced;
mod moody;
mod orders;
mod poison;
mod power;
mod process;
mod raw;
mod redrive;
mod retrying;
mod slow_disk;
mod soak;
mod steady;
