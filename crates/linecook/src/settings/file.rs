//! The settings file as a tree in which every value knows its line.

use std::{collections::BTreeMap, ops::Range, path::Path};

use toml::{
    Spanned,
    de::{DeInteger, DeTable, DeValue},
};

use super::{
    fault::{Fault, FilePlace, Origin},
    ini,
    literal::Literal,
    sources::{FileKind, SettingsFile},
};

pub(super) type Nodes = BTreeMap<String, Node>;

/// What stands behind a key.
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) content: Content,
}

pub(super) enum Content {
    Value(Literal),
    Section(Nodes),
}

impl Content {
    /// As a value, whatever it is: a section is one that no setting takes.
    pub(super) fn into_value(self) -> Literal {
        match self {
            Self::Value(literal) => literal,
            Self::Section(_) => Literal::Other("a section".to_owned()),
        }
    }
}

/// The tree, and what is wrong with the text. If that is more than a key given twice, the tree is empty: what a parser
/// makes of the rest of a broken file would give faults that nobody has made.
pub(super) fn read(file: &SettingsFile) -> (Nodes, Vec<Fault>) {
    match file.kind {
        FileKind::Toml => read_toml(&file.path, &file.text),
        FileKind::Ini => ini::read(&file.path, &file.text),
    }
}

fn read_toml(path: &Path, text: &str) -> (Nodes, Vec<Fault>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let lines = Lines { text };
    let is_whole = errors.iter().all(is_twice);
    let start = |error: &toml::de::Error| error.span().unwrap_or_default().start;
    let mut errors: Vec<_> = errors.into_iter().map(|error| (lines.position(start(&error)).0, error)).collect();
    errors.sort_by_key(|(_, error)| start(error));
    // One mistake makes the parser stumble several times on its line; the first time says what it is.
    errors.dedup_by(|(line, error), (line_before, _)| line == line_before && !is_twice(error));
    let faults = errors.iter().map(|(_, error)| fault(path, &lines, error)).collect();
    (if is_whole { nodes(table.get_ref(), &lines) } else { Nodes::new() }, faults)
}

/// The parser tells its errors apart only by their text. Were it to change, a key given twice would be reported as a
/// file that is not TOML.
fn is_twice(error: &toml::de::Error) -> bool {
    error.message() == "duplicate key"
}

/// Only the message of the parser is shown, never its picture of the line: that line may hold a secret.
fn fault(path: &Path, lines: &Lines<'_>, error: &toml::de::Error) -> Fault {
    let span = error.span().unwrap_or_default();
    let (line, column) = lines.position(span.start);
    let place = FilePlace { path: path.to_owned(), line: Some(line), column: Some(column) };
    if is_twice(error) {
        let key = lines.text.get(span).unwrap_or_default();
        return Fault::new(Origin::File(place), format!("given twice: key={key}"));
    }
    Fault::new(Origin::File(place), format!("not TOML, {}", error.message()))
}

fn nodes(table: &DeTable<'_>, lines: &Lines<'_>) -> Nodes {
    table.iter().map(|(key, value)| (key.get_ref().to_string(), node(key.span(), value, lines))).collect()
}

fn node(key: Range<usize>, value: &Spanned<DeValue<'_>>, lines: &Lines<'_>) -> Node {
    let content = match value.get_ref() {
        DeValue::Table(table) => Content::Section(nodes(table, lines)),
        value => Content::Value(literal(value)),
    };
    Node { line: lines.position(key.start).0, content }
}

/// Whether a text can be read as TOML.
pub(super) fn is_toml(text: &str) -> bool {
    DeTable::parse_recoverable(text).1.iter().all(is_twice)
}

/// A list as it stands in a file: as it is printed, it can be given as a flag or a variable, too.
pub(super) fn list(text: &str) -> Option<Literal> {
    let value = DeValue::parse(text.trim()).ok()?;
    Some(literal(value.get_ref())).filter(|literal| matches!(literal, Literal::List(_)))
}

fn literal(value: &DeValue<'_>) -> Literal {
    match value {
        DeValue::Boolean(truth) => Literal::Truth(*truth),
        DeValue::Integer(number) => whole(number),
        DeValue::String(text) => Literal::Text(text.to_string()),
        DeValue::Array(items) => Literal::List(items.iter().map(|item| literal(item.get_ref())).collect()),
        DeValue::Float(number) => Literal::Other(number.as_str().to_owned()),
        DeValue::Datetime(datetime) => Literal::Other(datetime.to_string()),
        DeValue::Table(_) => Literal::Other("a section".to_owned()),
    }
}

fn whole(number: &DeInteger<'_>) -> Literal {
    let parsed = i128::from_str_radix(number.as_str(), number.radix());
    parsed.map_or_else(|_| Literal::Other(number.as_str().to_owned()), Literal::Whole)
}

struct Lines<'a> {
    text: &'a str,
}

impl Lines<'_> {
    /// Line and column, in characters, both from 1.
    fn position(&self, byte_index: usize) -> (usize, usize) {
        let before = self.text.get(..byte_index).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |index| index + 1);
        (1 + before.matches('\n').count(), 1 + before[line_start..].chars().count())
    }
}
