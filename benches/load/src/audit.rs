//! The auditor: holds what the server shows against what it has promised.
//!
//! It never asks for anything itself. It is told what was acknowledged and shown every body that was seen, in the order
//! in which they were seen, and remembers of each pizza a checksum of its bytes. So whatever was shown once has to be
//! part of everything that is shown later, however often the server was killed in between.

mod auditor;
mod body;
mod finding;
mod menu;
mod progress;
mod reading;
mod witness;

pub use self::{
    auditor::{Auditor, Sight},
    finding::{Fault, Finding, Findings},
    menu::Menu,
    reading::{Examination, Keys, Verdict, examine},
};
pub(crate) use self::{
    body::{Status, glance},
    progress::Progress,
    reading::{close, read_all},
};
