//! Draws what lies in `benches/results` into `docs/performance`: `plots RESULTS PLOTS`.

mod bars;
mod figures;

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde_json::Value;

use crate::figures::{Plot, of_embedded, of_kafka};

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [results, plots] = &arguments[..] else {
        eprintln!("usage: plots RESULTS PLOTS");
        return ExitCode::from(2);
    };
    match draw_all(results, plots) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("plots: {error}");
            ExitCode::from(2)
        }
    }
}

/// From a file of results to its plots.
type Figures = fn(&Value) -> Result<Vec<Plot>, String>;

fn draw_all(results: &Path, plots: &Path) -> Result<(), Box<dyn Error>> {
    let files: [(&str, Figures); 2] = [("embedded.json", of_embedded), ("kafka.json", of_kafka)];
    fs::create_dir_all(plots)?;
    for (name, figures) in files {
        let path = results.join(name);
        let in_file = |error: &dyn Error| format!("path={}: {error}", path.display());
        let text = fs::read_to_string(&path).map_err(|error| in_file(&error))?;
        let results = serde_json::from_str(&text).map_err(|error| in_file(&error))?;
        for plot in figures(&results).map_err(|error| format!("path={}: {error}", path.display()))? {
            bars::draw(&plots.join(format!("{}.svg", plot.name)), &plot)?;
        }
    }
    Ok(())
}
