//! Power loss under load: every page written since the last sync kept, lost, zeroed or torn, and the rows as they were
//! after one of the last versions that were installed.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use linecook_embedded::{Options, fault::Syncs};
use linecook_log::ErrorKind;
use tempfile::TempDir;

use crate::{
    chain::{Load, Shown, audit},
    support::{
        Draw, Place, Seed, append, at, copy_folder, create, figure, folder, padded, read_all, refusal, seeds, store,
        tiny, until, wait,
    },
};

/// How often the power is cut in the life of one disk.
const CUTS: u64 = 5;

/// Copies of the rows' folder, each of a moment after a version was installed: what a power cut may leave of it.
struct Copies {
    folder: TempDir,
    taken: Mutex<Vec<PathBuf>>,
    count: AtomicU64,
}

impl Copies {
    fn new() -> Arc<Self> {
        Arc::new(Self { folder: folder(), taken: Mutex::default(), count: AtomicU64::new(0) })
    }

    fn take(&self, rows: &Path) {
        let copy = self.folder.path().join(self.count.fetch_add(1, Ordering::SeqCst).to_string());
        copy_folder(rows, &copy);
        let mut taken = self.taken.lock().unwrap();
        taken.push(copy);
        if taken.len() > 4 {
            fs::remove_dir_all(taken.remove(0)).unwrap();
        }
    }

    /// Puts the last copy, or one before it, or none, in place of the rows.
    fn put_back(&self, rows: &Path, age: u64) {
        fs::remove_dir_all(rows).ok();
        let mut taken = self.taken.lock().unwrap();
        for _ in 0..age {
            taken.pop();
        }
        if let Some(copy) = taken.last() {
            copy_folder(copy, rows);
        }
    }
}

/// A disk whose power is cut again and again under load.
fn life(seed: u64, syncs: Syncs, options: Options) -> Result<(), String> {
    let mut draw = Draw(seed);
    let copies = Copies::new();
    let hook = Arc::clone(&copies);
    let drops_segments = options.retention_bytes.is_some();
    let mut place = Place::new(options);
    place.installed = Some(Arc::new(move |rows: &Path| hook.take(rows)));
    let (shown, next) = (Arc::new(Mutex::new(Shown::default())), Arc::new(AtomicU64::new(0)));
    for cut in 0..CUTS {
        place.files.set_syncs(syncs);
        place.files.set_sync_time(Duration::from_micros([0, 0, 300, 2000][draw.below(4) as usize]));
        let log = place.try_open().map_err(|error| format!("cut {cut}: it does not open: {}", error.chain()))?;
        audit(&*log, &shown.lock().unwrap()).or_else(|wrong| if cut == 0 { Ok(()) } else { Err(wrong) })?;
        let load = Load::start(&log, &shown, &next, draw.below(u64::MAX));
        let enough = draw.below(25);
        until("some writes are acknowledged", || load.acknowledged() >= enough);
        for _ in 0..draw.below(20) {
            thread::yield_now(); // so that the cut does not always follow an acknowledgement
        }
        // The copy first: what is copied later belongs to a disk that is no more.
        let kept = copies.taken.lock().unwrap();
        place.files = place.files.power_cut(draw.below(u64::MAX));
        drop(kept);
        load.stop();
        log.close().ok();
        drop(log);
        // An older copy needs commits that the log may have dropped.
        let age = if drops_segments { 0 } else { draw.below(5) };
        copies.put_back(&place.rows_folder(), age);
    }
    Ok(())
}

#[test]
fn after_a_power_cut_all_that_was_shown_is_there_and_everything_is_one_cut() {
    let seeds = Mutex::new(seeds(0..90).into_iter());
    // Two at a time: a life waits as much as it works.
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(seed) = { seeds.lock().unwrap().next() } {
                    let _seed = Seed(seed);
                    life(seed, Syncs::Honest, tiny()).unwrap();
                }
            });
        }
    });
}

#[test]
fn after_a_power_cut_rows_are_whole_though_their_segments_were_dropped() {
    let mut options = tiny();
    options.segment_bytes = 8 << 10;
    options.retention_bytes = Some(64 << 10);
    for seed in seeds(1000..1010) {
        let _seed = Seed(seed);
        life(seed, Syncs::Honest, options.clone()).unwrap();
    }
}

/// Publishing before the sync, and never syncing: if the audit did not see these, it would see nothing.
#[test]
fn a_log_that_publishes_too_early_is_found_out() {
    for syncs in [Syncs::Late, Syncs::Lying] {
        let found = (2000..2040).find_map(|seed| life(seed, syncs, tiny()).err());
        assert!(found.is_some(), "{syncs:?} was not noticed");
    }
}

/// After a failed sync the page cache calls clean what the disk does not have. A process that was killed before it had
/// cut that away found it whole at its next start, synced nothing, showed it and acknowledged more behind it; the next
/// power cut took it all.
#[test]
fn what_a_failed_sync_left_in_the_page_cache_is_on_the_disk_before_it_is_shown() {
    for seed in 0..20 {
        let mut place = Place::new(tiny());
        let log = place.open();
        create(&*log, &["a"], 1);
        store(&*log, &at("a", 0), [1]);
        let frames = || figure(&*log, "log_frames_total");
        let before = frames();
        place.files.set_syncs(Syncs::Hanging);
        // Of several pages: one that is written to again is synced with what comes.
        let appended = log.append(&at("a", 0), padded([2], 10_000)).unwrap();
        until("it is written", || frames() > before);
        // The log cannot be opened again while a write is under way, and then the process dies.
        place.files.hold_next_write();
        let held = append(&*log, &at("a", 0), 3).unwrap();
        place.files.set_syncs(Syncs::Failing);
        refusal(wait(&appended), ErrorKind::Unknown);
        drop(held);
        place.kill(log);
        place.files.set_syncs(Syncs::Honest);

        let log = place.open();
        assert_eq!(read_all(&*log, &at("a", 0)), [1, 2]);
        store(&*log, &at("a", 0), [4]);
        place.cut_power(log, seed);
        let log = place.open();
        assert_eq!(read_all(&*log, &at("a", 0)), [1, 2, 4], "seed {seed}");
        log.close().unwrap();
    }
}
