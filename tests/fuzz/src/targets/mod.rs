//! What is fuzzed.

mod batch;
mod http;
mod json;
mod properties;

use crate::Target;

/// All of them.
pub static ALL: [Target; 4] = [
    Target { name: "batch", begin: batch::begin },
    Target { name: "http", begin: http::begin },
    Target { name: "json", begin: json::begin },
    Target { name: "properties", begin: properties::begin },
];

/// The one of that name.
pub fn find(name: &str) -> Option<&'static Target> {
    ALL.iter().find(|target| target.name == name)
}
