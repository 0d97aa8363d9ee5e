//! Properties that are somebody else's: names and values as librdkafka has them, in sections of the settings file. They
//! are neither flags nor variables, and who uses them says which there are.

use std::fmt;

use super::{
    fault::{Fault, Origin, one_line},
    file::{Content, Node, Nodes},
    literal::Literal,
    resolve::Settings,
};

/// For all clients of a cluster.
pub(crate) const KAFKA_CLIENT: &str = "kafka_client";
/// For consumers, on top of those for all clients.
pub(crate) const CONSUMER: &str = "consumer";
/// The sections that hold such properties.
pub(super) const PROPERTY_SECTIONS: [&str; 2] = [KAFKA_CLIENT, CONSUMER];

/// A property as it was given. Its `Debug` shows no value: any may be a secret.
#[derive(Clone)]
pub(crate) struct Property {
    pub(crate) section: &'static str,
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) origin: Origin,
}

/// What became of a property.
#[derive(Debug, Clone)]
#[cfg_attr(not(any(test, feature = "kafka")), expect(dead_code, reason = "this build has nobody who judges them"))]
pub(crate) enum Fate {
    /// It counts as it is.
    Taken,
    /// It counts with another value.
    Changed {
        to: String,
        because: String,
    },
    /// It was not given and is set all the same.
    Added {
        because: String,
    },
    Ignored {
        because: String,
    },
}

/// A property in the report.
#[derive(Debug, Clone)]
pub(super) struct PropertyEntry {
    pub(super) section: &'static str,
    line: String,
}

impl Settings {
    /// The properties in that section of the file, in the order of their lines.
    pub(crate) fn properties(&mut self, section: &'static str) -> Vec<Property> {
        self.known.property_sections.insert(section.to_owned());
        let Some(nodes) = self.given.claim_properties(section) else { return Vec::new() };
        let mut properties = Vec::new();
        self.collect(section, "", nodes, &mut properties);
        properties.sort_by(|one, other| one.origin.cmp(&other.origin));
        properties
    }

    /// An unquoted name with dots is a section in a section to TOML, but one name to who wrote it.
    fn collect(&mut self, section: &'static str, prefix: &str, nodes: Nodes, properties: &mut Vec<Property>) {
        for (name, Node { line, content }) in nodes {
            let name = format!("{prefix}{name}");
            let origin = self.given.in_file(line);
            let literal = match content {
                Content::Section(nodes) => {
                    self.collect(section, &format!("{name}."), nodes, properties);
                    continue;
                }
                Content::Value(literal) => literal,
            };
            // What was given is not shown: nobody knows yet whether it is a secret.
            let refusal = match text(literal) {
                None => "wrong type, expected a text, a number or a truth",
                Some(value) if is_placeholder(&value) => "a placeholder that was not filled: put the real value there",
                Some(value) => {
                    properties.push(Property { section, name, value, origin });
                    continue;
                }
            };
            self.faults.push(Fault::new(origin, format!("{refusal}: key={section}.{name}")));
        }
    }

    /// Where that section of the file begins, if it has one and can have nothing else but such sections.
    pub(crate) fn only_properties(&self, section: &str) -> Option<Origin> {
        self.given.only_properties(section)
    }

    /// Refuses a property: lower case, no full stop, values last.
    #[cfg(feature = "kafka")]
    pub(crate) fn refuse_property(&mut self, property: &Property, reason: &str) {
        let message = format!("{reason}: key={}.{}", property.section, property.name);
        self.faults.push(Fault::new(property.origin.clone(), message));
    }

    /// Reports what became of a property.
    pub(crate) fn enter_property(&mut self, property: &Property, fate: &Fate) {
        self.properties.push(PropertyEntry { section: property.section, line: line(property, fate) });
    }
}

/// As a line of a settings file, which means the same when it is read again. What cannot be is a comment.
fn line(property: &Property, fate: &Fate) -> String {
    let Property { name, value, origin, .. } = property;
    let quoted = |text: &str| Literal::Text(text.to_owned()).to_string();
    let (value, remark) = match fate {
        Fate::Ignored { because } => return one_line(&format!("# ignored: {name}, because {because} # {origin}")),
        Fate::Taken => (value, String::new()),
        Fate::Changed { to, because } => (to, format!(" has {value}, changed because {because}")),
        Fate::Added { because } => (value, format!(", because {because}")),
    };
    one_line(&match is_secret(name) {
        true => format!("# {} = *** # {origin}", quoted(name)),
        false => format!("{} = {} # {origin}{remark}", quoted(name), quoted(value)),
    })
}

/// Whether the value of such a property is never shown.
pub(crate) fn is_secret(name: &str) -> bool {
    let is_word_of_secrets = |word: &str| matches!(word, "passphrase" | "password" | "pem" | "secret");
    // How OAUTHBEARER is configured may be a token as a whole; Java's name for it all holds a password.
    let is_config = matches!(name, "sasl.jaas.config" | "sasl.oauthbearer.config");
    is_config || name.split(['.', '_', '-']).any(is_word_of_secrets)
}

fn text(literal: Literal) -> Option<String> {
    match literal {
        Literal::Text(text) => Some(text),
        Literal::Whole(number) => Some(number.to_string()),
        Literal::Truth(truth) => Some(truth.to_string()),
        Literal::Other(text) if text.parse::<f64>().is_ok() => Some(text),
        Literal::List(_) | Literal::Other(_) => None,
    }
}

/// `{API Key or Username}`, `<password>`, `${API_KEY}`: what an example has where one's own is to be put. JSON is none.
fn is_placeholder(value: &str) -> bool {
    let value = value.strip_prefix('$').unwrap_or(value);
    let inside = |open, close| value.strip_prefix(open)?.strip_suffix(close);
    let is_said = |text: &str| text.chars().all(|c| c.is_alphanumeric() || " ._-/':".contains(c));
    inside('{', '}').or_else(|| inside('<', '>')).is_some_and(|text| !text.is_empty() && is_said(text))
}

impl fmt::Debug for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Property").field("section", &self.section).field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Display for PropertyEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.line)
    }
}
