//! The power fails under load, on a disk that keeps, loses, zeroes or tears what was not synced.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
    thread,
    time::Duration,
};

use linecook::{Running, Stop, settings::Sources};
use linecook_embedded::{
    EmbeddedLog, Options,
    fault::{FaultyFiles, Syncs},
    files::Files,
    inspect::Inspection,
};
use linecook_log::SystemClock;

use crate::{audit::Guests, http::Client, raw::Raw};

/// A pizzeria within this process, on that disk.
pub(crate) fn open(files: &FaultyFiles, rows: &Path) -> Running {
    try_open(files, rows).unwrap()
}

fn try_open(files: &FaultyFiles, rows: &Path) -> Result<Running, Stop> {
    let mut options = Options::default();
    options.segment_bytes = 1 << 20;
    options.memtable_bytes = 256 << 10;
    let clock = Arc::new(SystemClock::new());
    let files = Arc::new(files.clone());
    let log = EmbeddedLog::open_with_files(files, rows, options, Arc::<SystemClock>::clone(&clock), None)?;
    let flags = [("http-address".to_owned(), "127.0.0.1:0".to_owned())];
    Running::start(&pizzeria::program(), Sources::new().with_flags(flags), Arc::new(log), clock)
}

pub(crate) fn url(pizzeria: &Running) -> String {
    format!("http://{}", pizzeria.address())
}

/// Load, a cut, a look at what is left. An error is a promise that was broken; what goes wrong before panics.
fn round(seed: u64, syncs: Syncs) -> Result<(), String> {
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
    let pizzeria = try_open(&survived, &folder.path().join("rows"));
    let pizzeria = pizzeria.map_err(|stop| format!("it does not open: {}", stop.message()))?;
    let shown = broken(|| told.check_over_http(&Client::new(&url(&pizzeria))));
    pizzeria.stop().unwrap();
    shown?;
    let files: Arc<dyn Files> = Arc::new(survived);
    let raw = Raw::of(&Inspection::open_with_files(&files).unwrap());
    broken(|| told.check_raw(&raw))
}

/// Whether a check's assertion fails, and which.
fn broken(check: impl FnOnce()) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(check)).map_err(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("a check failed").to_owned()
    })
}

#[test]
fn what_was_acknowledged_or_shown_survives_a_power_cut_power() {
    let rounds: u64 = std::env::var("POWER_ROUNDS").map_or(40, |rounds| rounds.parse().unwrap());
    let first: u64 =
        std::env::var("SEED").map_or_else(|_| u64::from(std::process::id()) * 1000, |seed| seed.parse().unwrap());
    for seed in first..first + rounds {
        println!("SEED={seed}");
        round(seed, Syncs::Honest).unwrap();
    }
}

#[test]
fn syncs_that_lie_or_come_late_are_found_out_power() {
    for syncs in [Syncs::Lying, Syncs::Late] {
        let found = (0..40).find_map(|seed| round(seed, syncs).err());
        println!("{syncs:?}: {}", found.unwrap_or_else(|| panic!("{syncs:?} is not found out")));
    }
}
