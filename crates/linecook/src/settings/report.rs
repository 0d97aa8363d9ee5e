//! The effective settings, printed as a settings file.

use std::fmt;

use super::{
    fault::Origin, literal::Literal, name::SettingName, properties::PropertyEntry, quantity::ByteSize, unit::Unit,
};

/// A setting that was asked for, and what it became.
#[derive(Debug, Clone)]
pub struct Entry {
    pub(super) name: SettingName,
    pub(super) doc: &'static str,
    pub(super) unit: Unit,
    pub(super) shown: Shown,
    pub(super) origin: Origin,
}

/// What may be seen of a value.
#[derive(Debug, Clone)]
pub(super) enum Shown {
    Value(Literal),
    /// It is not kept here, so nothing can show it.
    Secret,
    NotSet,
}

impl Entry {
    /// Its name in all spellings.
    pub fn name(&self) -> &SettingName {
        &self.name
    }

    /// What it is for.
    pub fn doc(&self) -> &'static str {
        self.doc
    }

    /// Whether it is a truth, which a flag gives by being there.
    pub(crate) fn is_truth(&self) -> bool {
        matches!(self.shown, Shown::Value(Literal::Truth(_)))
    }

    /// Where its value came from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Its value as it stands in a file, `***` for a secret, none if it is not set.
    pub fn value(&self) -> Option<String> {
        match &self.shown {
            Shown::Value(Literal::Whole(number)) if self.unit == Unit::Bytes => Some(
                u64::try_from(*number).map_or_else(|_| number.to_string(), |bytes| ByteSize::new(bytes).to_string()),
            ),
            Shown::Value(literal) => Some(literal.to_string()),
            Shown::Secret => Some("***".to_owned()),
            Shown::NotSet => None,
        }
    }
}

/// A line of doc, then the value and where it came from. What cannot be loaded again is a comment as a whole.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.doc.lines() {
            writeln!(f, "# {line}")?;
        }
        let comment = if matches!(self.shown, Shown::Value(_)) { "" } else { "# " };
        match self.value() {
            Some(value) => writeln!(f, "{comment}{} = {value} # {}", self.name.key(), self.origin),
            None => writeln!(f, "{comment}{} is not set", self.name.key()),
        }
    }
}

/// All settings of this run, without a fault.
///
/// Printed it is a settings file: each value with its doc and with where it came from, by section. Loading that gives
/// the same values, except for secrets, which are not in it. Properties of somebody else's come last, in their sections.
#[derive(Debug, Clone)]
pub struct Effective {
    entries: Vec<Entry>,
    properties: Vec<PropertyEntry>,
}

impl Effective {
    pub(super) fn new(entries: Vec<Entry>, properties: Vec<PropertyEntry>) -> Self {
        Self { entries, properties }
    }

    /// Each setting in the order in which they were asked for.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The top level, then the sections in the order in which they were asked for first.
    fn sections(&self) -> Vec<Option<&str>> {
        let mut sections = vec![None];
        for entry in &self.entries {
            if !sections.contains(&entry.name.section()) {
                sections.push(entry.name.section());
            }
        }
        sections
    }
}

impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut blank = "";
        for section in self.sections() {
            if let Some(section) = section {
                writeln!(f, "{blank}[{section}]")?;
                blank = "";
            }
            for entry in self.entries.iter().filter(|entry| entry.name.section() == section) {
                write!(f, "{blank}{entry}")?;
                blank = "\n";
            }
        }
        for of_section in self.properties.chunk_by(|one, other| one.section == other.section) {
            writeln!(f, "{blank}[{}]", of_section[0].section)?;
            of_section.iter().try_for_each(|property| property.fmt(f))?;
            blank = "\n";
        }
        Ok(())
    }
}
