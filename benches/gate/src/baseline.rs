//! What was accepted.
#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

use std::{collections::BTreeMap, fs, io::ErrorKind, path::Path};

use serde::{Deserialize, Serialize};

use crate::{Result, counts::Counts};

/// A count may be so much above what was accepted.
const TOLERANCE: f64 = 0.03;
/// And so many allocations in any case: a vector that grows once more.
const ALLOCATIONS_ANYWAY: f64 = 0.01;
/// What linecook may add to a stage that is written by hand.
pub(crate) const OVERHEAD: f64 = 0.10;
/// It allocates nothing for a record; some things for a commit.
const OVERHEAD_ALLOCATIONS: f64 = 0.05;

/// The counts of each case, by its name.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Baseline(BTreeMap<String, Counts>);

impl Baseline {
    /// An empty one, if there is no file.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        match fs::read(path) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(format!("cannot read the baseline: path={}: {error}", path.display()).into()),
        }
    }

    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        Ok(bench_report::write(path, self)?)
    }

    /// Whether each is within its bounds, which is printed.
    pub(crate) fn holds(&self, counted: &[(&str, Counts)]) -> bool {
        println!("{:26} {:>12} {:>9} {:>9} {:>7}", "for each record", "instructions", "of", "allocs", "of");
        let mut holds = true;
        for (name, counts) in counted {
            let verdict = self.verdict(name, counts);
            let [instructions, allocations] = match self.0.get(*name) {
                Some(known) => [format!("{:.1}", known.instructions), format!("{:.3}", known.allocations)],
                None => ["-".to_owned(), "-".to_owned()],
            };
            println!(
                "{name:26} {:>12.1} {instructions:>9} {:>9.3} {allocations:>7}  {}",
                counts.instructions,
                counts.allocations,
                verdict.unwrap_or_default()
            );
            holds &= verdict.is_none();
        }
        holds
    }

    /// What is wrong with it, if anything is.
    fn verdict(&self, name: &str, counts: &Counts) -> Option<&'static str> {
        let Some(known) = self.0.get(name) else { return Some("NOT KNOWN: accept it") };
        if counts.allocations > known.allocations * (1.0 + TOLERANCE) + ALLOCATIONS_ANYWAY {
            return Some("MORE ALLOCATIONS");
        }
        let is_more = counts.instructions > known.instructions * (1.0 + TOLERANCE);
        is_more.then_some("MORE INSTRUCTIONS")
    }

    pub(crate) fn accept(&mut self, counted: &[(&str, Counts)]) {
        for (name, counts) in counted {
            println!("{name:26} {:>12.1} {:>9.3}", counts.instructions, counts.allocations);
            self.0.insert((*name).to_owned(), *counts);
        }
    }
}

/// Whether a stage is within what linecook may add to one that is written by hand, which is printed. Nothing is said when
/// one of the two was not counted.
pub(crate) fn overhead_holds(counted: &[(&str, Counts)]) -> bool {
    let of = |wanted: &str| counted.iter().find(|(name, _)| *name == wanted).map(|(_, counts)| *counts);
    let (Some(stage), Some(by_hand)) = (of("stage"), of("stage-by-hand")) else { return true };
    let more = stage.instructions / by_hand.instructions - 1.0;
    let allocations = stage.allocations - by_hand.allocations;
    println!("a stage over one by hand: {:+.1} % instructions, {allocations:+.3} allocations", more * 100.0);
    stage.instructions <= by_hand.instructions * (1.0 + OVERHEAD) && allocations <= OVERHEAD_ALLOCATIONS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(instructions: f64, allocations: f64) -> Counts {
        Counts { instructions, allocations }
    }

    #[test]
    fn three_percent_more_is_taken_and_no_more_than_that() {
        let mut baseline = Baseline::default();
        baseline.accept(&[("a", counts(1000.0, 2.0)), ("b", counts(100.0, 0.0))]);
        assert_eq!(baseline.verdict("a", &counts(1030.0, 2.06)), None);
        assert_eq!(baseline.verdict("a", &counts(500.0, 0.0)), None);
        assert_eq!(baseline.verdict("a", &counts(1031.0, 2.0)), Some("MORE INSTRUCTIONS"));
        assert_eq!(baseline.verdict("a", &counts(1000.0, 2.1)), Some("MORE ALLOCATIONS"));
        assert_eq!(baseline.verdict("b", &counts(100.0, 0.005)), None);
        assert_eq!(baseline.verdict("b", &counts(100.0, 0.1)), Some("MORE ALLOCATIONS"));
        assert!(baseline.verdict("c", &counts(1.0, 0.0)).is_some());
    }

    #[test]
    fn a_stage_may_take_a_tenth_more_than_one_by_hand_and_allocate_nothing_more() {
        let holds = |stage| overhead_holds(&[("stage", stage), ("stage-by-hand", counts(1000.0, 5.0))]);
        assert!(holds(counts(1100.0, 5.005)));
        assert!(!holds(counts(1101.0, 5.0)));
        assert!(!holds(counts(900.0, 6.0)));
        assert!(overhead_holds(&[("stage", counts(9.0, 9.0))]));
    }
}
