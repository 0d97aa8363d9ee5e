//! `gate`: counts what each case of `micro` takes for a record, and holds it to the baseline.
//!
//! Times change with the machine and with who else uses it; what is executed hardly does. Instructions are counted by
//! callgrind, which runs the program `work` for each case, on the thread that works and while it works; allocations by a
//! global allocator that counts. Copies take the same way on every processor (`callgrind.rs`), as far as glibc can be told;
//! what else chooses by the processor may still count otherwise than on the machine that `baseline.json` was accepted on.

mod baseline;
mod callgrind;
mod counts;
mod overhead;

use std::{error::Error, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use micro::{CASES, Case};

use self::{baseline::Baseline, counts::Counts, overhead::Overhead};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Count the instructions and allocations of what is done for every record.
///
/// Exit codes: 0 when all are within their bounds, 1 when one is not, 2 when nothing could be found out.
#[derive(Parser)]
#[command(name = "gate", version)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Count, and compare with the baseline
    Check(Place),
    /// Count, and make that the baseline: for changes that are meant
    Accept(Place),
    /// Time a stage and one written by hand, by turns. Nothing else may run
    Overhead(Overhead),
}

#[derive(clap::Args)]
struct Place {
    /// Where the baseline is
    #[arg(long, value_name = "FILE", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/baseline.json"))]
    baseline: PathBuf,
    /// Only cases with this in their names
    #[arg(value_name = "TEXT")]
    only: Option<String>,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().what {
        What::Check(place) => place.check(),
        What::Accept(place) => place.accept(),
        What::Overhead(overhead) => overhead.run().map(|holds| ExitCode::from(u8::from(!holds))),
    };
    done.unwrap_or_else(|error| {
        eprintln!("gate: {error}");
        ExitCode::from(2)
    })
}

impl Place {
    fn check(&self) -> Result<ExitCode> {
        let baseline = Baseline::read(&self.baseline)?;
        let counted = self.count()?;
        let (holds, overhead_holds) = (baseline.holds(&counted), baseline::overhead_holds(&counted));
        Ok(if holds && overhead_holds { ExitCode::SUCCESS } else { ExitCode::from(1) })
    }

    fn accept(&self) -> Result<ExitCode> {
        let mut baseline = Baseline::read(&self.baseline)?;
        baseline.accept(&self.count()?);
        baseline.write(&self.baseline)?;
        Ok(ExitCode::SUCCESS)
    }

    fn count(&self) -> Result<Vec<(&'static str, Counts)>> {
        let is_wanted = |case: &Case| self.only.as_ref().is_none_or(|text| case.name().contains(text));
        let wanted: Vec<_> = CASES.into_iter().filter(is_wanted).collect();
        if wanted.is_empty() {
            return Err("no case has that in its name".into());
        }
        wanted.into_iter().map(|case| Ok((case.name(), Counts::of(case)?))).collect()
    }
}
