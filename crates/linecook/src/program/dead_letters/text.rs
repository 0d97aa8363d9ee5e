//! What is printed for people.

use std::fmt::{self, Write};

use jiff::Timestamp;
use serde_json::Value;

use super::follow::Outcome;
use crate::dead_letters::{Detail, Letter, State};

/// Letters, three lines each.
pub(super) struct Listing<'a>(pub(super) &'a [Letter]);

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(letters) = self;
        if letters.is_empty() {
            return writeln!(f, "no key is parked");
        }
        letters.iter().try_for_each(|letter| write!(f, "{}", Lines(letter)))
    }
}

/// A record with everything that is known of it.
pub(super) struct Shown<'a>(pub(super) &'a Detail);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(detail) = self;
        let letter = &detail.letter;
        write!(f, "{}", Lines(letter))?;
        if let (Some(first), true) = (letter.first_failed_at, letter.first_failed_at != letter.last_failed_at) {
            writeln!(f, "  first failed {}", Time(first))?;
        }
        for (name, value) in &detail.headers {
            writeln!(f, "  header {name}={}", Text(value))?;
        }
        if detail.waiting.len() > 1 {
            writeln!(f, "  waiting, in order:")?;
            detail.waiting.iter().try_for_each(|id| writeln!(f, "    {id}"))?;
        }
        writeln!(f)?;
        match detail.value.as_str() {
            Some(text) => text.lines().try_for_each(|line| writeln!(f, "{}", Harmless(line))),
            None => writeln!(f, "{}", detail.value),
        }
    }
}

/// What has come of a redrive.
pub(super) struct Redriven<'a>(pub(super) &'a Outcome);

impl fmt::Display for Redriven<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(Outcome { redriven, failed, parked_later, pending }) = self;
        writeln!(f, "{redriven} redriven, {} failed again", failed.len())?;
        failed.iter().try_for_each(|letter| write!(f, "{}", Lines(letter)))?;
        if !parked_later.is_empty() {
            writeln!(f, "of {} keys a later record has failed:", parked_later.len())?;
            parked_later.iter().try_for_each(|letter| write!(f, "{}", Lines(letter)))?;
        }
        if *pending > 0 { writeln!(f, "{pending} not taken up yet") } else { Ok(()) }
    }
}

struct Lines<'a>(&'a Letter);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(Letter { id, state, key, reason, attempts, first_failed_at: _, last_failed_at, behind }) = self;
        writeln!(f, "{id}")?;
        let state = match state {
            State::Parked => "parked",
            State::Retrying => "tried again by itself",
            State::Behind => "waits behind others",
        };
        write!(f, "  key {}, {state}, attempts {attempts}, behind it {behind}", Text(key))?;
        if let Some(at) = last_failed_at {
            write!(f, ", failed {}", Time(*at))?;
        }
        writeln!(f)?;
        if reason.is_empty() { Ok(()) } else { writeln!(f, "  {}", Harmless(reason)) }
    }
}

/// Text, or a list of bytes.
struct Text<'a>(&'a Value);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_str() {
            Some(text) => Harmless(text).fmt(f),
            None => write!(f, "{}", self.0),
        }
    }
}

/// Text as it is, but for what a terminal would obey.
struct Harmless<'a>(&'a str);

impl fmt::Display for Harmless<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|char| match char.is_control() {
            true => write!(f, "{}", char.escape_default()),
            false => f.write_char(char),
        })
    }
}

/// Milliseconds since 1970, as people write it.
struct Time(i64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_millisecond(self.0) {
            Ok(time) => write!(f, "{time}"),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_letter_is_told_in_three_lines_that_no_terminal_obeys() {
        let letter = Letter {
            id: "oven/baked/pizza/0/7".parse().unwrap(),
            state: State::Parked,
            key: json!("1\x1b[2J2"),
            reason: "the oven's\ncold".to_owned(),
            attempts: 3,
            first_failed_at: Some(0),
            last_failed_at: Some(1_000),
            behind: 2,
        };
        let lines = [
            "oven/baked/pizza/0/7",
            r"  key 1\u{1b}[2J2, parked, attempts 3, behind it 2, failed 1970-01-01T00:00:01Z",
            r"  the oven's\ncold",
            "",
        ];
        assert_eq!(Listing(&[letter]).to_string(), lines.join("\n"));
        assert_eq!(Listing(&[]).to_string(), "no key is parked\n");
    }
}
