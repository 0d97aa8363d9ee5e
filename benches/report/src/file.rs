//! Results in files.

use std::{fs, io, path::Path};

use serde::Serialize;

/// Writes results as JSON, for people to compare and for programs to draw. The folder is made if need be.
///
/// # Errors
/// When the file cannot be written, with its path.
pub fn write(path: &Path, results: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_string_pretty(results)? + "\n";
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::write(path, text))
        .map_err(|error| io::Error::new(error.kind(), format!("path={}: {error}", path.display())))
}
