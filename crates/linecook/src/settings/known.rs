//! What has been asked for, and the nearest of it to a word that has not.

use std::collections::BTreeSet;

use super::name::{PREFIX, SettingName, flag_prefix, variable_prefix};

/// Every name that is not a fault.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) names: Vec<SettingName>,
    pub(super) sections: BTreeSet<String>,
    /// Sections of services that are not part of this run.
    pub(super) unused_sections: BTreeSet<String>,
    /// Sections of properties that are somebody else's.
    pub(super) property_sections: BTreeSet<String>,
    /// Variables with our prefix that somebody else reads.
    pub(super) other_variables: BTreeSet<String>,
}

impl Known {
    pub(super) fn has_section(&self, section: &str) -> bool {
        self.sections.contains(section) || self.property_sections.contains(section)
    }

    pub(super) fn is_unused_section(&self, section: &str) -> bool {
        self.unused_sections.contains(section) && !self.has_section(section)
    }

    pub(super) fn is_unused_variable(&self, variable: &str) -> bool {
        self.other_variables.contains(variable) || self.is_of_unused_section(variable, variable_prefix)
    }

    pub(super) fn is_unused_flag(&self, flag: &str) -> bool {
        self.is_of_unused_section(flag, flag_prefix)
    }

    /// With an unused section `cheese` and a used one `cheese-service`, what begins with both is judged.
    fn is_of_unused_section(&self, name: &str, prefix: fn(&str) -> String) -> bool {
        let is_of = |section: &String| name.starts_with(&prefix(section));
        self.unused_sections.iter().any(is_of) && !self.sections.iter().any(is_of)
    }

    pub(super) fn nearest_key(&self, section: Option<&str>, key: &str) -> String {
        let in_section = self.names.iter().filter(|name| name.section() == section);
        nearest(key, in_section.map(|name| name.key().to_owned()), "")
    }

    pub(super) fn nearest_section(&self, section: &str) -> String {
        let all = [&self.sections, &self.unused_sections, &self.property_sections];
        nearest(section, all.into_iter().flatten().cloned(), "")
    }

    pub(super) fn nearest_property_section(&self, section: &str) -> String {
        nearest(section, self.property_sections.iter().cloned(), "")
    }

    pub(super) fn nearest_variable(&self, variable: &str) -> String {
        let bare = |name: &str| name.strip_prefix(PREFIX).unwrap_or(name).to_owned();
        nearest(&bare(variable), self.names.iter().map(|name| bare(&name.variable())), PREFIX)
    }

    pub(super) fn nearest_flag(&self, flag: &str) -> String {
        nearest(flag, self.names.iter().map(SettingName::flag), "--")
    }
}

/// The known word that is most like this one, or else all of them. The prefix that all share is left out of the
/// comparison, where it would make everything alike.
fn nearest(word: &str, known: impl Iterator<Item = String>, prefix: &str) -> String {
    let known: BTreeSet<String> = known.collect();
    match most_like(word, known.iter().cloned()) {
        Some(nearest) => format!("the nearest is {prefix}{nearest}"),
        None if known.is_empty() => "none is known here".to_owned(),
        None => {
            let all: Vec<String> = known.iter().map(|name| format!("{prefix}{name}")).collect();
            format!("known are {}", all.join(", "))
        }
    }
}

/// The known word that is most like this one, if one is.
pub(crate) fn most_like(word: &str, known: impl Iterator<Item = String>) -> Option<String> {
    /// What `clap` takes for its "did you mean".
    const LIKENESS: f64 = 0.7;
    let likeness = |other: &String| strsim::jaro(&word.to_lowercase(), &other.to_lowercase());
    let nearest = known.max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    nearest.filter(|nearest| likeness(nearest) > LIKENESS)
}
