//! `fuzz [--seconds N] [--seed N] [TARGET…]`, and `fuzz TARGET FILE` for an input that was found.

use std::{env, fs, path::Path, process::ExitCode, time::Duration};

use fuzz::{ALL, Target, find};

const USAGE: &str = "fuzz [--seconds N] [--seed N] [TARGET…], or fuzz TARGET FILE; targets: batch http json properties";

fn main() -> ExitCode {
    let ended = Asked::from(env::args().skip(1)).and_then(Asked::perform);
    ended.unwrap_or_else(|wrong| {
        eprintln!("{wrong}\n{USAGE}");
        ExitCode::from(2)
    })
}

#[derive(Debug, Default)]
struct Asked {
    seconds: Option<u64>,
    seed: Option<u64>,
    words: Vec<String>,
}

impl Asked {
    fn from(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut asked = Self::default();
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let into = match argument.as_str() {
                "--seconds" => &mut asked.seconds,
                "--seed" => &mut asked.seed,
                flag if flag.starts_with('-') => return Err(format!("no such flag: {flag}")),
                _ => {
                    asked.words.push(argument);
                    continue;
                }
            };
            let number = arguments.next().and_then(|number| number.parse().ok());
            *into = Some(number.ok_or_else(|| format!("{argument} needs a number"))?);
        }
        Ok(asked)
    }

    fn perform(self) -> Result<ExitCode, String> {
        if let [target, file] = self.words.as_slice()
            && let (Some(target), None) = (find(target), find(file))
        {
            let input = fs::read(file).map_err(|error| format!("{file}: {error}"))?;
            (target.begin)()(&input);
            eprintln!("{} holds of {file}", target.name);
            return Ok(ExitCode::SUCCESS);
        }
        let target = |name: &String| find(name).ok_or_else(|| format!("no such target: {name}"));
        let mut targets: Vec<&Target> = self.words.iter().map(target).collect::<Result<_, _>>()?;
        if targets.is_empty() {
            targets.extend(&ALL);
        }
        let seed = self.seed.unwrap_or_else(|| u64::from(std::process::id()));
        let duration = Duration::from_secs(self.seconds.unwrap_or(60));
        let found_count = targets.into_iter().filter(|target| finds(target, seed, duration)).count();
        Ok(if found_count == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Whether something is found.
fn finds(target: &Target, seed: u64, duration: Duration) -> bool {
    let name = target.name;
    eprintln!("{name}: seed={seed} seconds={}", duration.as_secs());
    match target.run(seed, duration, Path::new("target/fuzz")) {
        Ok(count) => {
            eprintln!("{name}: {count} inputs, nothing found");
            false
        }
        Err(finding) => {
            let file = finding.file.display();
            eprintln!("{name}: found {file}; again: cargo run -p fuzz -- {name} {file}");
            true
        }
    }
}
