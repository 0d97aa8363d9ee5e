//! `gate overhead`: the CPU time of a stage beside that of one written by hand, by turns.
#![expect(clippy::print_stdout, reason = "the figures are what this is for")]

use std::{path::PathBuf, process::Command};

use bench_report::{Machine, Spread};
use serde::Serialize;

use crate::{Result, baseline::OVERHEAD};

/// The one, and what it is held to.
const STAGE: &str = "stage";
const BY_HAND: &str = "stage-by-hand";

#[derive(clap::Args)]
pub(crate) struct Overhead {
    /// How many pairs
    #[arg(long, value_name = "N", default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..))]
    pairs: u32,
    /// How many records each handles
    #[arg(long, value_name = "N", default_value_t = 500_000, value_parser = clap::value_parser!(u32).range(1..))]
    records: u32,
    /// Also write all figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Serialize)]
struct Results {
    machine: Machine,
    pairs: u32,
    records: u32,
    /// CPU time of the thread that works, for each record.
    stage_ns: Spread,
    by_hand_ns: Spread,
    /// The one by the other, of each pair.
    ratio: Spread,
}

impl Overhead {
    /// Returns whether the median is within the bound.
    pub(crate) fn run(&self) -> Result<bool> {
        let (mut stage, mut by_hand) = (Vec::new(), Vec::new());
        for pair in 0..self.pairs {
            if pair % 2 == 0 {
                stage.push(self.nanoseconds(STAGE)?);
                by_hand.push(self.nanoseconds(BY_HAND)?);
            } else {
                by_hand.push(self.nanoseconds(BY_HAND)?);
                stage.push(self.nanoseconds(STAGE)?);
            }
        }
        let ratios = stage.iter().zip(&by_hand).map(|(stage, by_hand)| stage / by_hand);
        let results = Results {
            machine: Machine::this(),
            pairs: self.pairs,
            records: self.records,
            ratio: Spread::less_is_better(ratios),
            stage_ns: Spread::less_is_better(stage),
            by_hand_ns: Spread::less_is_better(by_hand),
        };
        println!(
            "{}; CPU time of {} records, {} pairs; best / median / worst",
            results.machine, self.records, self.pairs
        );
        println!("a stage            {} ns a record", results.stage_ns.shown(1.0, 0));
        println!("one by hand        {} ns a record", results.by_hand_ns.shown(1.0, 0));
        println!("the one by the other {}", results.ratio.shown(1.0, 3));
        if let Some(path) = &self.json {
            bench_report::write(path, &results)?;
        }
        Ok(results.ratio.median <= 1.0 + OVERHEAD)
    }

    /// What `work` says that a record took. It has an allocator that does not count.
    fn nanoseconds(&self, case: &str) -> Result<f64> {
        let mut command = Command::new(std::env::current_exe()?.with_file_name("work"));
        let output = command.arg(case).arg(self.records.to_string()).output()?;
        if !output.status.success() {
            return Err(format!("work ended with {}: case={case}", output.status).into());
        }
        let said = String::from_utf8_lossy(&output.stdout);
        let nanoseconds: u64 = said.trim().parse().map_err(|_| format!("not what work says: {said:?}"))?;
        if nanoseconds == 0 {
            return Err("the kernel does not tell a thread's CPU time: /proc/thread-self/schedstat".into());
        }
        #[expect(clippy::cast_precision_loss, reason = "a run takes far less than a float counts exactly")]
        Ok(nanoseconds as f64 / f64::from(self.records))
    }
}
