//! The power fails under load, on a disk that keeps, loses, zeroes or tears what was not synced.

use std::{fs, path::Path, sync::Arc, thread, time::Duration};

use linecook::{
    Key, Running,
    log::{self, ErrorKind, Log, Partition, SystemClock, TopicPartition},
    settings::Sources,
};
use linecook_embedded::{
    EmbeddedLog, Options,
    fault::{FaultyFiles, Syncs},
    inspect::Inspection,
};
use pizzeria_events::{ORDERS, OrderId};

use crate::{
    audit::{Broken, Guests, Kept},
    http::Client,
    process::until,
    raw::Raw,
};

/// A pizzeria within this process, on that disk.
pub(crate) fn open(files: &FaultyFiles, rows: &Path) -> Running {
    let clock = Arc::new(SystemClock::new());
    start(Arc::new(open_log(files, rows, &clock).unwrap()), clock)
}

pub(crate) fn open_log(files: &FaultyFiles, rows: &Path, clock: &Arc<SystemClock>) -> log::Result<EmbeddedLog> {
    let mut options = Options::default();
    options.segment_bytes = 1 << 20;
    options.memtable_bytes = 256 << 10;
    EmbeddedLog::open_with_files(Arc::new(files.clone()), rows, options, Arc::<SystemClock>::clone(clock), None)
}

fn start(log: Arc<dyn Log>, clock: Arc<SystemClock>) -> Running {
    let flags = [("http-address".to_owned(), "127.0.0.1:0".to_owned())];
    let settings = Sources::new().with_flags(flags);
    Running::start(&pizzeria::program(), settings, log, clock).unwrap()
}

pub(crate) fn url(pizzeria: &Running) -> String {
    format!("http://{}", pizzeria.address())
}

/// The ids of all orders that a log has.
pub(crate) fn orders_in(log: &dyn Log) -> Vec<OrderId> {
    let topics = log.describe().unwrap();
    let orders = topics.iter().find(|topic| topic.name.as_str() == ORDERS.name()).unwrap();
    let mut found = Vec::new();
    for (partition, described) in (0..).map(Partition).zip(&orders.partitions) {
        let from = TopicPartition::new(&orders.name, partition);
        let mut next = described.start;
        while next < described.end {
            for batch in log.read(&from, next, 1 << 20).unwrap() {
                found.extend(
                    batch.records_from(next).map(|record| <OrderId as Key>::decode(record.key.unwrap()).unwrap()),
                );
                next = batch.end();
            }
        }
    }
    found
}

/// What becomes of the rows when the power fails: they are a cache on a disk of their own, which always syncs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RowsAfter {
    Kept,
    Lost,
}

/// Load, a cut, a look at what is left.
fn round(seed: u64, syncs: Syncs, rows_after: RowsAfter) -> Kept {
    let random = linecook::Random::seeded(seed);
    let folder = tempfile::tempdir().unwrap();
    let rows = folder.path().join("rows");
    let files = FaultyFiles::default();
    files.set_syncs(syncs);
    let pizzeria = open(&files, &rows);
    let guests = Guests::start(3, &url(&pizzeria));
    thread::sleep(Duration::from_millis(5 + random.below(60)));
    let survived = files.power_cut(seed);
    drop(pizzeria.stop());
    let told = guests.stop();

    // The rows' own files are durable before the log's segments may go; here all of these are still there.
    if rows_after == RowsAfter::Lost {
        fs::remove_dir_all(&rows).unwrap();
    }
    let clock = Arc::new(SystemClock::new());
    let log = match open_log(&survived, &rows, &clock) {
        Err(error) if error.kind() == ErrorKind::Corrupt => return Err(Broken::Damaged(error.chain())),
        log => log.unwrap(),
    };
    let log: Arc<dyn Log> = Arc::new(log);
    // A disk that lies may have damaged what lies there; that is for the guests to find out.
    let orders = if matches!(syncs, Syncs::Honest) { orders_in(&*log) } else { Vec::new() };
    let pizzeria = start(log, clock);
    let client = Client::new(&url(&pizzeria));
    told.check_over_http(&client)?;
    // An order that nobody was told of may have survived, too. It was on its way when the pizzeria was stopped, now and
    // then, and its pizzas counted as missing.
    for id in orders {
        until("what survived is ready", || client.get(&format!("/order/{id}")).is_ready().then_some(()));
    }
    pizzeria.stop().unwrap();
    let files: Arc<dyn linecook_embedded::files::Files> = Arc::new(survived);
    told.check_raw(&Raw::of(&Inspection::open_with_files(&files).unwrap()))
}

#[test]
fn what_was_acknowledged_or_shown_survives_a_power_cut_power() {
    let rounds: u64 = std::env::var("POWER_ROUNDS").map_or(40, |rounds| rounds.parse().unwrap());
    let first: u64 =
        std::env::var("SEED").map_or_else(|_| u64::from(std::process::id()) * 1000, |seed| seed.parse().unwrap());
    for seed in first..first + rounds {
        println!("SEED={seed}");
        let rows_after = if seed % 4 == 0 { RowsAfter::Lost } else { RowsAfter::Kept };
        round(seed, Syncs::Honest, rows_after).unwrap();
    }
}

/// Whatever panicked counted as found, and what did was the start: the log's rows, which lie on an honest disk, tell it
/// what it had. Nobody had ever asked the guests. Without the rows only they know.
#[test]
fn syncs_that_lie_or_come_late_are_found_out_power() {
    for syncs in [Syncs::Lying, Syncs::Late] {
        // The moment of the cut is chance, and many a cut does no harm.
        let mut rounds = (0..200).map(|seed| round(seed, syncs, RowsAfter::Kept));
        assert!(rounds.any(|kept| matches!(kept, Err(Broken::Damaged(_)))), "{syncs:?}: by the log");
        let mut rounds = (0..200).map(|seed| round(seed, syncs, RowsAfter::Lost));
        assert!(rounds.any(|kept| matches!(kept, Err(Broken::Untrue(_)))), "{syncs:?}: by the guests");
    }
}
