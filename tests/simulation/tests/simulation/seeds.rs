//! What chance finds.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use simulation::simulate;

/// A number of the environment, which a longer run sets.
fn wanted(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |count| count.parse().unwrap())
}

/// Every acknowledged order completes; every pizza is made once, in the order of its key; the report is right: whatever has
/// happened.
#[test]
fn whatever_a_seed_decides_all_promises_are_kept() {
    let (from, count) = (wanted("SEED", 0), wanted("SIMULATION_SEEDS", 500));
    let (next, broken) = (AtomicU64::new(from), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= from + count {
                        return;
                    }
                    if let Some(why) = simulate(seed, None, false).broken {
                        broken.lock().unwrap().push(format!("seed {seed}: {why}"));
                    }
                }
            });
        }
    });
    let broken = broken.into_inner().unwrap();
    let again = "cargo run --release -p simulation -- --seed N";
    assert!(broken.is_empty(), "{} of {count}; one again: {again}\n{}", broken.len(), broken.join("\n"));
}

#[test]
fn the_same_seed_gives_the_same_history() {
    for seed in 0..20 {
        let [one, other] = [(); 2].map(|()| simulate(seed, None, true));
        let differ = one.history.iter().zip(&other.history).find(|(one, other)| one != other);
        assert_eq!((differ, one.sum), (None, other.sum), "seed {seed}");
    }
    assert_ne!(simulate(0, None, false).sum, simulate(1, None, false).sum);
}
