//! A file of sections with `key=value` lines, as Python's `ConfigParser` reads it without interpolation: a `%` in a
//! password is one.

use std::{collections::BTreeMap, path::Path};

use super::{
    fault::{Fault, FilePlace, Origin},
    file::{Content, Node, Nodes},
    literal::Literal,
};

/// The sections, and what is wrong with the text. If that is more than something given twice, there are none, as with
/// other files. No line is quoted: it may hold a secret.
pub(super) fn read(path: &Path, text: &str) -> (Nodes, Vec<Fault>) {
    let mut reader = Reader { path, sections: BTreeMap::new(), at: None, faults: Vec::new(), is_whole: true };
    // Editors of one system put a mark in front of a text that Python's reader drops as well.
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        reader.line(index + 1, line);
    }
    let Reader { sections, faults, is_whole, .. } = reader;
    let nodes = sections.into_iter().map(|(name, section)| (name, section.into_node()));
    (if is_whole { nodes.collect() } else { Nodes::new() }, faults)
}

/// The sections of such a text, whatever else it is.
pub(super) fn has_section(text: &str, name: &str) -> bool {
    text.lines().any(|line| header(line.trim()) == Some(name))
}

struct Reader<'a> {
    path: &'a Path,
    sections: BTreeMap<String, Section>,
    at: Option<Place>,
    faults: Vec<Fault>,
    is_whole: bool,
}

struct Section {
    line: usize,
    values: BTreeMap<String, Value>,
}

/// A value's lines. Those that are blank count only when others follow.
struct Value {
    line: usize,
    lines: Vec<String>,
}

/// Where the next line belongs, if it goes on with the one before.
struct Place {
    section: String,
    key: Option<String>,
    indent: usize,
}

impl Reader<'_> {
    fn line(&mut self, number: usize, line: &str) {
        let text = line.trim();
        if text.starts_with(['#', ';']) {
            return;
        }
        let indent = line.len() - line.trim_start().len();
        if text.is_empty() || self.at.as_ref().is_some_and(|at| at.key.is_some() && indent > at.indent) {
            self.go_on(text);
        } else if let Some(name) = header(text) {
            self.begin(number, name, indent);
        } else {
            self.key(number, text, indent);
        }
    }

    fn go_on(&mut self, text: &str) {
        let Some(Place { section, key: Some(key), .. }) = &self.at else { return };
        let value = self.sections.get_mut(section).and_then(|section| section.values.get_mut(key));
        value.into_iter().for_each(|value| value.lines.push(text.to_owned()));
    }

    fn begin(&mut self, number: usize, name: &str, indent: usize) {
        if self.sections.contains_key(name) {
            self.fault(number, &format!("given twice: section={name}"));
        }
        self.sections.entry(name.to_owned()).or_insert(Section { line: number, values: BTreeMap::new() });
        self.at = Some(Place { section: name.to_owned(), key: None, indent });
    }

    fn key(&mut self, number: usize, text: &str, indent: usize) {
        let Some((key, value)) = text.split_once(['=', ':']).filter(|(key, _)| !key.trim().is_empty()) else {
            self.is_whole = false;
            return self.fault(number, "neither a [section] nor a comment nor key=value");
        };
        let Some(at) = &mut self.at else {
            self.is_whole = false;
            return self.fault(number, "before the first [section]");
        };
        let key = key.trim().to_lowercase();
        (at.key, at.indent) = (Some(key.clone()), indent);
        let section = self.sections.get_mut(&at.section).expect("it has begun");
        let value = Value { line: number, lines: vec![value.trim().to_owned()] };
        if section.values.insert(key.clone(), value).is_some() {
            self.fault(number, &format!("given twice: key={key}"));
        }
    }

    fn fault(&mut self, line: usize, message: &str) {
        let place = FilePlace { path: self.path.to_owned(), line: Some(line), column: None };
        self.faults.push(Fault::new(Origin::File(place), message));
    }
}

/// The name in `[name]`; what comes behind it is not looked at.
fn header(text: &str) -> Option<&str> {
    let (name, _) = text.strip_prefix('[')?.rsplit_once(']')?;
    (!name.is_empty()).then_some(name)
}

impl Section {
    fn into_node(self) -> Node {
        let node = |value: Value| Node {
            line: value.line,
            content: Content::Value(Literal::Text(value.lines.join("\n").trim_end().to_owned())),
        };
        let nodes = self.values.into_iter().map(|(key, value)| (key, node(value))).collect();
        Node { line: self.line, content: Content::Section(nodes) }
    }
}
