//! What the sources gave and nobody has asked for yet. What is left at the end is unknown.

use std::{collections::BTreeMap, mem, path::PathBuf};

use super::{
    fault::{Fault, FilePlace, Origin},
    file::{self, Content, Node, Nodes},
    known::Known,
    literal::{Literal, Shape},
    name::{SettingName, flag_spelling},
    sources::{FileKind, Sources},
};

pub(super) struct Given {
    path: PathBuf,
    kind: FileKind,
    file: Nodes,
    environment: BTreeMap<String, String>,
    flags: BTreeMap<String, String>,
}

/// A value as its source gave it.
pub(super) struct GivenValue {
    pub(super) origin: Origin,
    raw: Raw,
}

enum Raw {
    Typed(Literal),
    Text(String),
}

impl GivenValue {
    pub(super) fn into_literal(self, shape: Shape) -> Literal {
        match self.raw {
            Raw::Typed(literal) => literal,
            Raw::Text(text) => Literal::from_text(&text, shape),
        }
    }
}

impl Given {
    /// With what is wrong with the sources themselves.
    pub(super) fn new(sources: Sources) -> (Self, Vec<Fault>) {
        let mut faults = sources.faults;
        let (tree, in_file) = sources.file.as_ref().map(file::read).unwrap_or_default();
        faults.extend(in_file);
        let flags = once_each(sources.flags, &mut faults);
        let (path, kind) = sources.file.map_or((PathBuf::new(), FileKind::Toml), |file| (file.path, file.kind));
        (Self { path, kind, file: tree, environment: sources.environment.into_iter().collect(), flags }, faults)
    }

    /// All that was given for a setting, the weakest first, so that the last one counts.
    pub(super) fn claim(&mut self, name: &SettingName) -> Vec<GivenValue> {
        let node = self.claim_in_file(name);
        let in_file =
            node.map(|node| GivenValue { origin: self.in_file(node.line), raw: Raw::Typed(node.content.into_value()) });
        let variable = name.variable();
        let in_environment = self.environment.remove(&variable);
        let in_environment =
            in_environment.map(|text| GivenValue { origin: Origin::Environment { variable }, raw: Raw::Text(text) });
        let flag = name.flag();
        let in_flags = self.flags.remove(&flag);
        let in_flags = in_flags.map(|text| GivenValue { origin: Origin::Flag { name: flag }, raw: Raw::Text(text) });
        [in_file, in_environment, in_flags].into_iter().flatten().collect()
    }

    fn claim_in_file(&mut self, name: &SettingName) -> Option<Node> {
        if self.kind == FileKind::Ini {
            return None;
        }
        let Some(section) = name.section() else { return self.file.remove(name.key()) };
        match &mut self.file.get_mut(section)?.content {
            Content::Section(nodes) => nodes.remove(name.key()),
            Content::Value(_) => None,
        }
    }

    /// What the file has in a section of properties.
    pub(super) fn claim_properties(&mut self, section: &str) -> Option<Nodes> {
        let Content::Section(nodes) = &mut self.file.get_mut(section)?.content else { return None };
        Some(mem::take(nodes))
    }

    /// Where that section begins in a file that can have nothing but properties.
    pub(super) fn only_properties(&self, section: &str) -> Option<Origin> {
        let node = self.file.get(section).filter(|_| self.kind == FileKind::Ini)?;
        Some(self.in_file(node.line))
    }

    pub(super) fn in_file(&self, line: usize) -> Origin {
        Origin::File(FilePlace { path: self.path.clone(), line: Some(line), column: None })
    }

    /// A fault for each thing that nobody has asked for.
    pub(super) fn unknown(&self, known: &Known) -> Vec<Fault> {
        let in_file = self.file.iter().flat_map(|(key, node)| self.unknown_in_file(known, key, node));
        let variables = self.environment.keys().filter(|variable| !known.is_unused_variable(variable));
        let in_environment = variables.map(|variable| {
            let message = format!("unknown variable, {}", known.nearest_variable(variable));
            Fault::new(Origin::Environment { variable: variable.clone() }, message)
        });
        let flags = self.flags.keys().filter(|flag| !known.is_unused_flag(flag));
        let in_flags = flags.map(|flag| {
            let message = format!("unknown flag, {}", known.nearest_flag(flag));
            Fault::new(Origin::Flag { name: flag.clone() }, message)
        });
        in_file.chain(in_environment).chain(in_flags).collect()
    }

    fn unknown_in_file(&self, known: &Known, key: &str, node: &Node) -> Vec<Fault> {
        let fault = |line, message| Fault::new(self.in_file(line), message);
        match &node.content {
            _ if known.property_sections.contains(key) && matches!(node.content, Content::Section(_)) => Vec::new(),
            _ if self.kind == FileKind::Ini => {
                let reason = match known.sections.contains(key) || known.is_unused_section(key) {
                    true => "settings of a service are given in a TOML file, as flags or as variables".to_owned(),
                    false => format!("unknown section, {}", known.nearest_property_section(key)),
                };
                vec![fault(node.line, format!("{reason}: section={key}"))]
            }
            _ if known.is_unused_section(key) => Vec::new(),
            Content::Section(nodes) if known.has_section(key) => {
                let unknown = |(inner, node): (&String, &Node)| {
                    let hint = known.nearest_key(Some(key), inner);
                    fault(node.line, format!("unknown setting, {hint}: key={key}.{inner}"))
                };
                nodes.iter().map(unknown).collect()
            }
            Content::Section(_) => {
                let hint = known.nearest_section(key);
                vec![fault(node.line, format!("unknown section, {hint}: section={key}"))]
            }
            Content::Value(_) if known.has_section(key) => {
                vec![fault(node.line, format!("wrong type, expected a section: key={key}"))]
            }
            Content::Value(_) => {
                let hint = known.nearest_key(None, key);
                vec![fault(node.line, format!("unknown setting, {hint}: key={key}"))]
            }
        }
    }
}

/// Which of two wins would be an accident of the command line's reader, so a flag given twice is a fault.
fn once_each(flags: Vec<(String, String)>, faults: &mut Vec<Fault>) -> BTreeMap<String, String> {
    let mut once = BTreeMap::new();
    for (name, value) in flags {
        let name = flag_spelling(&name);
        if once.insert(name.clone(), value).is_some() {
            faults.push(Fault::new(Origin::Flag { name }, "given twice"));
        }
    }
    once
}
