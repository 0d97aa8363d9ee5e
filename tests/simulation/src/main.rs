//! `simulate [--from SEED] [--seeds N]` runs seeds, for ever unless a number is given; `simulate --seed N` runs one and tells
//! what happens in it.

use std::{
    env,
    io::Write,
    process::ExitCode,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

use simulation::simulate;

/// Prints a line. Whoever reads it may stop reading.
macro_rules! say {
    ($($what:tt)*) => { drop(writeln!(std::io::stdout(), $($what)*)) };
}

const USAGE: &str = "simulate [--from SEED] [--seeds N], or simulate --seed SEED";

fn main() -> ExitCode {
    match Asked::from(env::args().skip(1)) {
        Ok(Asked { seed: Some(seed), .. }) => tell(seed),
        Ok(Asked { from, seeds, .. }) => search(from.unwrap_or(0), seeds.unwrap_or(u64::MAX)),
        Err(wrong) => {
            eprintln!("{wrong}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

#[derive(Debug, Default)]
struct Asked {
    seed: Option<u64>,
    from: Option<u64>,
    seeds: Option<u64>,
}

impl Asked {
    fn from(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut asked = Self::default();
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let into = match argument.as_str() {
                "--seed" => &mut asked.seed,
                "--from" => &mut asked.from,
                "--seeds" => &mut asked.seeds,
                _ => return Err(format!("no such argument: {argument}")),
            };
            let number = arguments.next().and_then(|number| number.parse().ok());
            *into = Some(number.ok_or_else(|| format!("{argument} needs a number"))?);
        }
        Ok(asked)
    }
}

/// One seed, with its history.
fn tell(seed: u64) -> ExitCode {
    let outcome = simulate(seed, None, true);
    outcome.history.iter().for_each(|line| say!("{line}"));
    say!("seed {seed}: sum={:016x}", outcome.sum);
    match outcome.broken {
        Some(broken) => {
            say!("BROKEN: {broken}");
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}

/// Seeds, on as many threads as there are cores, until one is broken.
fn search(from: u64, count: u64) -> ExitCode {
    let (next, done, is_broken) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let work = || {
        while !is_broken.load(Ordering::SeqCst) {
            let number = next.fetch_add(1, Ordering::SeqCst);
            if number >= count {
                return;
            }
            let seed = from.wrapping_add(number);
            if let Some(broken) = simulate(seed, None, false).broken {
                say!(
                    "seed {seed}: {broken}\nto see what happens in it: cargo run --release -p simulation -- --seed {seed}"
                );
                is_broken.store(true, Ordering::SeqCst);
            }
            let done = done.fetch_add(1, Ordering::SeqCst) + 1;
            if done.is_multiple_of(1_000) {
                say!("{done} seeds are done");
            }
        }
    };
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    if is_broken.load(Ordering::SeqCst) {
        return ExitCode::FAILURE;
    }
    say!("all {count} seeds hold");
    ExitCode::SUCCESS
}
