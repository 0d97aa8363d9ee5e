//! The small things that are done for every record: to be timed (`cargo bench -p micro`), and to have their instructions and
//! allocations counted (`gate`).

#![warn(missing_docs)]

mod cases;

use std::{any::Any, fmt};

pub use self::cases::CASES;

/// What is measured of a case, for some records: everything else was done before. What it gives back is what is left, to be
/// dropped when nothing is measured any more.
pub type Work = Box<dyn FnOnce() -> Box<dyn Any>>;

/// Something that is done for each of many records.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    name: &'static str,
    prepare: fn(u32) -> Work,
}

impl Case {
    /// What it is called, here and in what is kept of it.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Does all that is not measured, for so many records.
    pub fn prepare(&self, records: u32) -> Work {
        (self.prepare)(records)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
