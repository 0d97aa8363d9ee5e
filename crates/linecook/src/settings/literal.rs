//! A value between its text and its type.

use std::fmt;

use super::file;

/// What a file can hold as a value, apart from what no setting takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal {
    Truth(bool),
    /// Wider than any number that a setting has, so that being out of range is told from not being a number.
    Whole(i128),
    Text(String),
    List(Vec<Literal>),
    /// A fraction, a date, a section: never what a setting expects, kept only to be shown in a fault.
    Other(String),
}

/// How the text of a flag or a variable is to be taken, since there nothing is quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Truth,
    Whole,
    Text,
    List,
}

impl Literal {
    /// The text of a flag or a variable as a value of that shape. What does not fit stays text: the type then refuses
    /// it and the fault shows it as it was given.
    pub(super) fn from_text(text: &str, shape: Shape) -> Self {
        let fitting = match shape {
            Shape::Truth => text.trim().parse().ok().map(Self::Truth),
            Shape::Whole => text.trim().replace('_', "").parse().ok().map(Self::Whole),
            Shape::Text => None,
            Shape::List => {
                if text.trim_start().starts_with('[') {
                    file::list(text)
                } else {
                    items(text).map(Self::List)
                }
            }
        };
        fitting.unwrap_or_else(|| Self::Text(text.to_owned()))
    }

    /// As it stands in a fault: one line of bounded length.
    pub(super) fn found(&self) -> String {
        const SHOWN_COUNT: usize = 100;
        let mut text = self.to_string();
        if let Some((end, _)) = text.char_indices().nth(SHOWN_COUNT) {
            text.truncate(end);
            text.push('…');
        }
        text
    }
}

/// None if an item between two commas is empty: a forgotten word is more likely than a wish for an empty text.
fn items(text: &str) -> Option<Vec<Literal>> {
    if text.trim().is_empty() {
        return Some(Vec::new());
    }
    let item = |item: &str| (!item.is_empty()).then(|| Literal::Text(item.to_owned()));
    text.split(',').map(str::trim).map(item).collect()
}

/// TOML, always on one line.
impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truth(truth) => truth.fmt(f),
            Self::Whole(number) => number.fmt(f),
            Self::Text(text) => quoted(text, f),
            Self::List(items) => list(items, f),
            Self::Other(text) => f.write_str(text),
        }
    }
}

fn list(items: &[Literal], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("[")?;
    for (index, item) in items.iter().enumerate() {
        let comma = if index == 0 { "" } else { ", " };
        write!(f, "{comma}{item}")?;
    }
    f.write_str("]")
}

fn quoted(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("\"")?;
    for character in text.chars() {
        match character {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\t' => f.write_str("\\t")?,
            control if control.is_control() => write!(f, "\\u{:04X}", u32::from(control))?,
            plain => write!(f, "{plain}")?,
        }
    }
    f.write_str("\"")
}
