//! Fuzzing without a nightly compiler: inputs are made from a checked-in corpus by a seed, and a check says what must hold
//! of each. No coverage leads the way, so a corpus has an input of every kind that a reader knows.
//!
//! ```text
//!  corpus/<target>/* ──► Mutator (seed, number) ──► input ──► check ──► a panic is a finding, written to a file
//! ```
//!
//! An input is made of the seed and its number alone, so a finding comes again by both, or from its file:
//! `cargo run -p fuzz -- batch FILE`. One that was mended goes into the corpus.

mod mutate;
mod targets;

use std::{
    fs, io,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

pub use mutate::Mutator;
pub use targets::{ALL, find};

/// Something that reads what others wrote.
pub struct Target {
    /// Its name, which is that of its corpus.
    pub name: &'static str,
    /// Makes a check, which panics when something does not hold of an input.
    pub begin: fn() -> Check,
}

/// See [`Target`].
pub type Check = Box<dyn FnMut(&[u8])>;

/// An input of which something does not hold.
#[derive(Debug)]
pub struct Finding {
    /// Where it lies.
    pub file: PathBuf,
    /// How it was made; `None` for one of the corpus.
    pub number: Option<u64>,
}

impl Target {
    /// The inputs that others are made of, in order of their names.
    ///
    /// # Errors
    /// Of the file system.
    pub fn corpus(&self) -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(self.name);
        let mut files: Vec<_> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
        files.sort();
        files.into_iter().map(|path| Ok((path.clone(), fs::read(path)?))).collect()
    }

    /// Checks the corpus, then what is made of it, for so long. Returns how many inputs that were.
    ///
    /// # Errors
    /// The first finding.
    ///
    /// # Panics
    /// When there is no corpus, or a finding cannot be written down.
    pub fn run(&self, seed: u64, duration: Duration, findings: &Path) -> Result<u64, Finding> {
        let corpus = self.corpus().expect("the corpus can be read");
        let mut check = (self.begin)();
        for (file, input) in &corpus {
            holds(&mut check, input).map_err(|()| Finding { file: file.clone(), number: None })?;
        }
        let mut mutator = Mutator::new(corpus.into_iter().map(|(_, input)| input).collect());
        let end = now() + duration;
        let mut number = 0;
        while now() < end {
            let input = mutator.make(seed, number);
            holds(&mut check, input).map_err(|()| {
                fs::create_dir_all(findings).expect("there is a place for findings");
                let file = findings.join(format!("{}-{seed}-{number}", self.name));
                fs::write(&file, input).expect("a finding can be written down");
                Finding { file, number: Some(number) }
            })?;
            number += 1;
        }
        Ok(number)
    }
}

/// Whether it holds of that input; the panic was printed if not.
fn holds(check: &mut Check, input: &[u8]) -> Result<(), ()> {
    // Unwind safe: nobody goes on with it after a finding.
    panic::catch_unwind(AssertUnwindSafe(|| check(input))).map_err(drop)
}

#[expect(clippy::disallowed_methods, reason = "how long it runs is all that it depends on")]
fn now() -> Instant {
    Instant::now()
}
