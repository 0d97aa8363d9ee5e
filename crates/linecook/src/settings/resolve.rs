//! The way of one setting: what was given for it, the strongest of that, an entry in the report.

use std::fmt;

use super::{
    fault::{Fault, Faults, Origin},
    given::{Given, GivenValue},
    key::{Key, Refusal},
    known::Known,
    literal::Literal,
    name::{SettingName, is_plain},
    properties::{PROPERTY_SECTIONS, PropertyEntry},
    report::{Effective, Entry, Shown},
    sources::Sources,
    value::SettingValue,
    written::Form,
};

/// The resolver: asks its [`Sources`] for one setting after the other and keeps the account.
///
/// Ask for every setting, then call [`finish`](Self::finish); use no value before it has succeeded, for what stands in
/// for a faulty value is the next weaker one. See the [module](super) for an example.
pub struct Settings {
    pub(super) given: Given,
    pub(super) known: Known,
    entries: Vec<Entry>,
    pub(super) properties: Vec<PropertyEntry>,
    pub(super) faults: Vec<Fault>,
}

/// A section of the settings, such as that of one service.
#[derive(Debug)]
pub struct Section<'a> {
    settings: &'a mut Settings,
    name: String,
}

impl Default for Settings {
    /// Those without any source: every setting has its default.
    fn default() -> Self {
        Self::load(Sources::new())
    }
}

impl Settings {
    /// From those sources. What is wrong with them comes out of [`finish`](Self::finish).
    pub fn load(sources: Sources) -> Self {
        let (given, faults) = Given::new(sources);
        Self { given, known: Known::default(), entries: Vec::new(), properties: Vec::new(), faults }
    }

    /// The value of a setting at the top level.
    ///
    /// A value that a stronger one hides is checked too, or it would turn up on the day the stronger one goes. So is a
    /// default, if it counts.
    ///
    /// # Panics
    /// If a setting was asked for that has the same variable: two owners of one name are a mistake in the code.
    pub fn get<T: SettingValue>(&mut self, key: Key<T>, default: T) -> T {
        self.resolve(None, key, (default, Origin::Default))
    }

    /// The same with a default that something else that was given leads to, which is told as its origin.
    pub(crate) fn get_implied<T: SettingValue>(&mut self, key: Key<T>, implied: (T, Origin)) -> T {
        self.resolve(None, key, implied)
    }

    /// The value of a setting at the top level that need not be set.
    ///
    /// # Panics
    /// As [`get`](Self::get).
    pub fn optional<T: SettingValue>(&mut self, key: Key<T>) -> Option<T> {
        self.resolve_optional(None, key)
    }

    /// The section of that name; in the file, what stands below `[name]`.
    ///
    /// # Panics
    /// Unless the name is of `a-z 0-9 _ -` and begins with a letter, and is neither `kafka_client` nor `consumer`.
    pub fn section(&mut self, name: &str) -> Section<'_> {
        assert_section_name(name);
        let has_properties = PROPERTY_SECTIONS.contains(&name);
        assert!(!has_properties, "a section has one owner, and this one has properties of Kafka: section={name}");
        self.known.sections.insert(name.to_owned());
        Section { settings: self, name: name.to_owned() }
    }

    /// The section of something that is not part of this run: whatever is in it is nobody's fault here.
    ///
    /// # Panics
    /// As [`section`](Self::section).
    pub fn unused_section(&mut self, name: &str) {
        assert_section_name(name);
        self.known.unused_sections.insert(name.to_owned());
    }

    /// A variable that begins with `LINECOOK_` and is no setting, such as one that names the settings file.
    pub fn unused_variable(&mut self, variable: &str) {
        self.known.other_variables.insert(variable.to_owned());
    }

    /// Refuses the value of a setting at the top level for a reason that lies outside of it, such as another setting:
    /// lower case, no full stop, values last.
    ///
    /// # Panics
    /// If that setting was not asked for.
    pub fn refuse(&mut self, key: &str, reason: &str) {
        self.refuse_in(None, key, reason);
    }

    /// How many faults there are so far.
    pub(crate) fn fault_count(&self) -> usize {
        self.faults.len()
    }

    /// Everything asked for so far, whether faulty or not: what a help text lists.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The settings of this run.
    ///
    /// # Errors
    /// Everything that is wrong, in one report: values of a wrong type, out of range or refused; keys, sections,
    /// variables and flags that nobody asked for; keys and flags given twice; a file that cannot be read.
    pub fn finish(mut self) -> Result<Effective, Faults> {
        self.faults.extend(self.given.unknown(&self.known));
        if self.faults.is_empty() {
            Ok(Effective::new(self.entries, self.properties))
        } else {
            Err(Faults::new(self.faults))
        }
    }

    fn resolve<T: SettingValue>(&mut self, section: Option<&str>, key: Key<T>, default: (T, Origin)) -> T {
        let name = self.declare(section, key.name());
        let (value, origin) = self.strongest(&name, key).unwrap_or_else(|| {
            let (value, origin) = default;
            if let Err(refusal) = key.read(key.literal(&value)) {
                self.faults.push(fault(&name, &key, origin.clone(), &key.literal(&value), refusal));
            }
            (value, origin)
        });
        self.enter(name, key, Some(&value), origin);
        value
    }

    fn resolve_optional<T: SettingValue>(&mut self, section: Option<&str>, key: Key<T>) -> Option<T> {
        let name = self.declare(section, key.name());
        let (value, origin) = self.strongest(&name, key).map_or((None, Origin::Default), |(v, o)| (Some(v), o));
        self.enter(name, key, value.as_ref(), origin);
        value
    }

    fn declare(&mut self, section: Option<&str>, key: &'static str) -> SettingName {
        let name = SettingName::new(section, key);
        let variable = name.variable();
        let is_taken = self.known.names.iter().any(|other| other.variable() == variable);
        assert!(!is_taken, "a setting has one owner: setting={name} variable={variable}");
        self.known.names.push(name.clone());
        name
    }

    fn strongest<T: SettingValue>(&mut self, name: &SettingName, key: Key<T>) -> Option<(T, Origin)> {
        let mut strongest = None;
        for given in self.given.claim(name) {
            match read(name, &key, given) {
                Ok(value) => strongest = Some(value),
                Err(fault) => self.faults.push(fault),
            }
        }
        strongest
    }

    fn enter<T: SettingValue>(&mut self, name: SettingName, key: Key<T>, value: Option<&T>, origin: Origin) {
        let shown = match value {
            Some(_) if T::SECRET => Shown::Secret,
            Some(value) => Shown::Value(key.literal(value)),
            None => Shown::NotSet,
        };
        self.entries.push(Entry { name, doc: key.doc(), unit: key.unit(), shown, origin });
    }

    fn refuse_in(&mut self, section: Option<&str>, key: &str, reason: &str) {
        let is_meant = |entry: &&Entry| entry.name.section() == section && entry.name.key() == key;
        let entry = self.entries.iter().find(is_meant).expect("only a setting that was asked for can be refused");
        let value = entry.value().map(|value| format!(" found={value}")).unwrap_or_default();
        let message = format!("{reason}: key={}{value}", entry.name);
        self.faults.push(Fault::new(entry.origin.clone(), message));
    }
}

impl Section<'_> {
    /// The value of a setting of this section; all else as [`Settings::get`].
    ///
    /// # Panics
    /// As [`Settings::get`].
    pub fn get<T: SettingValue>(&mut self, key: Key<T>, default: T) -> T {
        self.settings.resolve(Some(&self.name), key, (default, Origin::Default))
    }

    /// The value of a setting of this section that need not be set.
    ///
    /// # Panics
    /// As [`Settings::get`].
    pub fn optional<T: SettingValue>(&mut self, key: Key<T>) -> Option<T> {
        self.settings.resolve_optional(Some(&self.name), key)
    }

    /// Refuses the value of a setting of this section, as [`Settings::refuse`].
    ///
    /// # Panics
    /// If that setting was not asked for.
    pub fn refuse(&mut self, key: &str, reason: &str) {
        self.settings.refuse_in(Some(&self.name), key, reason);
    }
}

/// What was given is not shown: until somebody asks for it, nobody knows whether it is a secret.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("known", &self.known)
            .field("entries", &self.entries)
            .field("faults", &self.faults)
            .finish_non_exhaustive()
    }
}

fn assert_section_name(name: &str) {
    assert!(is_plain(name, true), "a section begins with a letter and is of a-z 0-9 _ -: section={name}");
}

fn read<T: SettingValue>(name: &SettingName, key: &Key<T>, given: GivenValue) -> Result<(T, Origin), Fault> {
    let origin = given.origin.clone();
    let literal = given.into_literal(T::Written::SHAPE);
    match key.read(literal.clone()) {
        Ok(value) => Ok((value, origin)),
        Err(refusal) => Err(fault(name, key, origin, &literal, refusal)),
    }
}

fn fault<T: SettingValue>(
    name: &SettingName,
    key: &Key<T>,
    origin: Origin,
    literal: &Literal,
    refusal: Refusal,
) -> Fault {
    let (expected, found) = (key.expected(), if T::SECRET { "***".to_owned() } else { literal.found() });
    let reason = match refusal {
        Refusal::WrongType => "wrong type".to_owned(),
        Refusal::OutOfRange => "out of range".to_owned(),
        // The reason is somebody else's words, and those may quote the value.
        Refusal::Refused(_) if T::SECRET => "refused".to_owned(),
        Refusal::Refused(reason) => reason,
    };
    Fault::new(origin, format!("{reason}, expected {expected}: key={name} found={found}"))
}
