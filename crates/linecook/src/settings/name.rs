//! One setting, three spellings.

use std::fmt;

/// What the variables of the environment begin with that are ours.
pub(super) const PREFIX: &str = "LINECOOK_";

/// The name of a setting: its key, and the section that it stands in, if any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingName {
    section: Option<String>,
    key: &'static str,
}

impl SettingName {
    pub(super) fn new(section: Option<&str>, key: &'static str) -> Self {
        Self { section: section.map(str::to_owned), key }
    }

    /// The section, or none for the top level of the file.
    pub fn section(&self) -> Option<&str> {
        self.section.as_deref()
    }

    /// The key within the section.
    pub fn key(&self) -> &'static str {
        self.key
    }

    /// Its variable, such as `LINECOOK_SAUCE_SERVICE_MENU`.
    pub fn variable(&self) -> String {
        match &self.section {
            Some(section) => variable_prefix(section) + &self.key.to_ascii_uppercase(),
            None => PREFIX.to_owned() + &self.key.to_ascii_uppercase(),
        }
    }

    /// Its flag without the dashes in front, such as `sauce-service-menu`.
    pub fn flag(&self) -> String {
        flag_spelling(&self.to_string())
    }
}

/// As in a fault: `sauce-service.menu`.
impl fmt::Display for SettingName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.section {
            Some(section) => write!(f, "{section}.{}", self.key),
            None => f.write_str(self.key),
        }
    }
}

/// What the variables of a section begin with.
pub(super) fn variable_prefix(section: &str) -> String {
    format!("{PREFIX}{}_", section.to_ascii_uppercase().replace('-', "_"))
}

/// What the flags of a section begin with.
pub(super) fn flag_prefix(section: &str) -> String {
    flag_spelling(section) + "-"
}

/// A flag in the one spelling under which it is looked up: `--data_dir`, `data-dir` and `data_dir` are the same.
pub(super) fn flag_spelling(name: &str) -> String {
    name.trim_start_matches('-').replace(['_', '.'], "-")
}

/// Whether a name needs no quotes and has one spelling as variable: `a-z 0-9 _` and, in sections, `-`.
pub(super) const fn is_plain(name: &str, dash: bool) -> bool {
    let bytes = name.as_bytes();
    let mut index = 0;
    while index < bytes.len() {
        let is_fitting = matches!(bytes[index], b'a'..=b'z' | b'0'..=b'9' | b'_') || (dash && bytes[index] == b'-');
        if !is_fitting {
            return false;
        }
        index += 1;
    }
    !bytes.is_empty() && bytes[0].is_ascii_lowercase()
}
