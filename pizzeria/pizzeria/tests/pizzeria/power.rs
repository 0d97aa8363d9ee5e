//! The power fails under load, on a disk that keeps, loses, zeroes or tears what was not synced.

use std::{path::Path, sync::Arc, thread, time::Duration};

use linecook::{Running, settings::Sources};
use linecook_embedded::{
    EmbeddedLog, Options,
    fault::{FaultyFiles, Syncs},
    inspect::Inspection,
};
use linecook_log::SystemClock;

use crate::{audit::Guests, http::Client, raw::Raw};

/// A pizzeria within this process, on that disk.
pub(crate) fn open(files: &FaultyFiles, rows: &Path) -> Running {
    let mut options = Options::default();
    options.segment_bytes = 1 << 20;
    options.memtable_bytes = 256 << 10;
    let clock = Arc::new(SystemClock::new());
    let files = Arc::new(files.clone());
    let log = EmbeddedLog::open_with_files(files, rows, options, Arc::<SystemClock>::clone(&clock), None).unwrap();
    let flags = [("http-address".to_owned(), "127.0.0.1:0".to_owned())];
    Running::start(&pizzeria::program(), Sources::new().with_flags(flags), Arc::new(log), clock).unwrap()
}

pub(crate) fn url(pizzeria: &Running) -> String {
    format!("http://{}", pizzeria.address())
}

/// Load, a cut, a look at what is left. Panics when a promise was broken.
fn round(seed: u64, syncs: Syncs) {
    let random = linecook::Random::seeded(seed);
    let folder = tempfile::tempdir().unwrap();
    let files = FaultyFiles::default();
    files.set_syncs(syncs);
    let pizzeria = open(&files, &folder.path().join("rows"));
    let guests = Guests::start(3, &url(&pizzeria));
    thread::sleep(Duration::from_millis(5 + random.below(60)));
    let survived = files.power_cut(seed);
    drop(pizzeria.stop());
    let told = guests.stop();

    // The rows' own files are durable before the log's segments may go; here all of these are still there.
    let pizzeria = open(&survived, &folder.path().join("rows"));
    told.check_over_http(&Client::new(&url(&pizzeria)));
    pizzeria.stop().unwrap();
    let files: Arc<dyn linecook_embedded::files::Files> = Arc::new(survived);
    told.check_raw(&Raw::of(&Inspection::open_with_files(&files).unwrap()));
}

#[test]
fn what_was_acknowledged_or_shown_survives_a_power_cut_power() {
    let rounds: u64 = std::env::var("POWER_ROUNDS").map_or(40, |rounds| rounds.parse().unwrap());
    let first: u64 =
        std::env::var("SEED").map_or_else(|_| u64::from(std::process::id()) * 1000, |seed| seed.parse().unwrap());
    for seed in first..first + rounds {
        println!("SEED={seed}");
        round(seed, Syncs::Honest);
    }
}

#[test]
fn syncs_that_lie_or_come_late_are_found_out_power() {
    for syncs in [Syncs::Lying, Syncs::Late] {
        let is_found = (0..40).any(|seed| std::panic::catch_unwind(|| round(seed, syncs)).is_err());
        assert!(is_found, "{syncs:?}");
    }
}
