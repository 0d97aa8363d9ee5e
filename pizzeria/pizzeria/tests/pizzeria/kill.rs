//! `kill -9` at random moments under load.

use std::{thread, time::Duration};

use crate::{
    audit::Guests,
    http::Client,
    process::{Pizzeria, is_quiet, now, until},
    raw::Raw,
};

#[test]
fn killed_at_random_moments_nothing_is_lost_and_nothing_is_doubled() {
    let rounds: u64 = std::env::var("KILL_ROUNDS").map_or(5, |rounds| rounds.parse().unwrap());
    let seed: u64 = std::env::var("SEED").map_or_else(|_| u64::from(std::process::id()), |seed| seed.parse().unwrap());
    println!("rounds={rounds} SEED={seed}");
    let folder = tempfile::tempdir().unwrap();
    let random = linecook::Random::seeded(seed);
    let mut pizzeria = Pizzeria::start(folder.path(), &[]);
    let guests = Guests::start(6, &pizzeria.url);
    for round in 0..rounds {
        // The moment is what is random here: nothing is waited for.
        thread::sleep(Duration::from_millis(50 + random.below(700)));
        pizzeria.kill();
        // With two workers a service, partitions also move between them while there is load.
        let arguments: &[&str] = if round % 2 == 0 { &["--workers", "2"] } else { &[] };
        pizzeria = Pizzeria::start(folder.path(), arguments);
        guests.go_to(&pizzeria.url);
        println!("round {round}: {} orders acknowledged so far", guests.acknowledged_count());
    }
    let told = guests.stop();
    told.check_over_http(&Client::new(&pizzeria.url)).unwrap();
    pizzeria.stop();
    told.check_raw(&Raw::read(folder.path())).unwrap();
}

#[test]
fn told_to_stop_under_load_it_ends_well_and_soon() {
    let folder = tempfile::tempdir().unwrap();
    let mut pizzeria = Pizzeria::start(folder.path(), &[]);
    let guests = Guests::start(4, &pizzeria.url);
    until("there is load", || (guests.acknowledged_count() > 50).then_some(()));
    let began = now();
    pizzeria.terminate();
    // Not well is how it ends when it takes more than nine seconds.
    assert!(pizzeria.wait().success());
    assert!(!is_quiet() || began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());

    let pizzeria = Pizzeria::start(folder.path(), &[]);
    guests.go_to(&pizzeria.url);
    let told = guests.stop();
    told.check_over_http(&Client::new(&pizzeria.url)).unwrap();
    pizzeria.stop();
    told.check_raw(&Raw::read(folder.path())).unwrap();
}
