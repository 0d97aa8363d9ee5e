//! How often a scenario is gone through: once, or as often as `just soak` says.

use std::{fmt::Debug, str::FromStr};

use linecook::Random;

/// A number of the environment, which a longer run sets.
pub(crate) fn wanted<N: FromStr<Err: Debug>>(name: &str, usual: N) -> N {
    std::env::var(name).map_or(usual, |count| count.parse().unwrap())
}

/// Chance for each round; the seed of the first is `SEED`, and is told.
#[expect(clippy::print_stdout, reason = "who soaks wants to know how far it is, and what to run again")]
pub(crate) fn rounds() -> impl Iterator<Item = Random> {
    let (rounds, seed) = (wanted("SOAK_ROUNDS", 1_u64), wanted("SEED", u64::from(std::process::id())));
    (seed..seed + rounds).map(|seed| {
        println!("SEED={seed}");
        Random::seeded(seed)
    })
}
