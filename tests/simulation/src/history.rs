//! What has happened, turn by turn.

use std::{
    fmt::Display,
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

/// A sum over all that has happened, and what of it is kept to be read.
pub(crate) struct History {
    sum: DefaultHasher,
    lines: Option<Vec<String>>,
}

impl History {
    /// Lines are kept if somebody is going to read them.
    pub(crate) fn new(is_read: bool) -> Self {
        Self { sum: DefaultHasher::new(), lines: is_read.then(Vec::new) }
    }

    pub(crate) fn tell(&mut self, at: Duration, what: impl Display) {
        let line = format!("{:>12.6}  {what}", at.as_secs_f64());
        line.hash(&mut self.sum);
        if let Some(lines) = &mut self.lines {
            lines.push(line);
        }
    }

    /// The same for the same history.
    pub(crate) fn sum(&self) -> u64 {
        self.sum.finish()
    }

    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}
