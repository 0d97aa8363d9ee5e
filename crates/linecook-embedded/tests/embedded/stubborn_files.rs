//! Files that the system does not remove.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use linecook_embedded::{
    EmbeddedLog,
    fault::FaultyFiles,
    files::{Files, SegmentFile},
};
use linecook_log::{Log, Offset};

use crate::support::{Place, TestClock, append, at, bounds, create, padded, read_from, tiny, until, wait};

const HOUR: Duration = Duration::from_secs(3600);

/// A disk that does not remove one of its files.
#[derive(Clone)]
struct Stubborn {
    disk: FaultyFiles,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    is_kept: Option<fn(&str) -> bool>,
    refused_count: u32,
}

impl Stubborn {
    fn on(disk: &FaultyFiles) -> Self {
        Self { disk: disk.clone(), kept: Arc::default() }
    }

    /// From now on these files cannot be removed.
    fn keep(&self, is_kept: Option<fn(&str) -> bool>) {
        self.kept.lock().unwrap().is_kept = is_kept;
    }

    fn refused_count(&self) -> u32 {
        self.kept.lock().unwrap().refused_count
    }

    /// The files, oldest first.
    fn names(&self) -> Vec<String> {
        let mut names = self.disk.list().unwrap();
        names.sort();
        names
    }

    fn open(&self, place: &Place) -> Arc<dyn Log> {
        let (options, clock) = (place.options.clone(), Arc::clone(&place.clock));
        let files = Arc::new(self.clone());
        Arc::new(EmbeddedLog::open_with_files(files, &place.rows_folder(), options, clock, None).unwrap())
    }
}

impl Files for Stubborn {
    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn SegmentFile>> {
        self.disk.open(name)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn SegmentFile>> {
        self.disk.create(name)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut kept = self.kept.lock().unwrap();
        if kept.is_kept.is_some_and(|is_kept| is_kept(name)) {
            kept.refused_count += 1;
            return Err(io::Error::other("the device failed"));
        }
        self.disk.remove(name)
    }

    fn sync_folder(&self) -> io::Result<()> {
        self.disk.sync_folder()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.disk.free_bytes()
    }
}

fn first_segment(name: &str) -> bool {
    name == "00000000000000000001.log"
}

/// Segments are small, and records are old after an hour.
fn place() -> (Place, Arc<TestClock>) {
    let clock = Arc::new(TestClock::default());
    let mut options = tiny();
    options.retention = Some(HOUR);
    let mut place = Place::new(options);
    place.clock = Arc::clone(&clock) as _;
    (place, clock)
}

fn fill(log: &dyn Log, numbers: std::ops::Range<u64>) {
    for number in numbers {
        wait(&log.append(&at("a", 0), padded([number], 4000)).unwrap()).unwrap();
    }
}

/// A segment that could not be removed was forgotten, and those behind it went. The next start took what was left for
/// one history, with a hole in it.
#[test]
fn a_segment_that_cannot_be_removed_keeps_those_behind_it() {
    let (place, clock) = place();
    let files = Stubborn::on(&place.files);
    let log = files.open(&place);
    create(&*log, &["a"], 1);
    fill(&*log, 0..20);
    let before = files.names();
    files.keep(Some(first_segment));
    clock.forward(HOUR * 2);
    fill(&*log, 20..21);
    until("it was tried again", || files.refused_count() >= 2);
    assert_eq!(files.names()[..before.len()], before);
    let start = bounds(&*log, &at("a", 0)).unwrap().0;
    assert_eq!(read_from(&*log, &at("a", 0), start).unwrap(), (start.0..21).collect::<Vec<_>>());
    log.close().unwrap();
    drop(log);

    let log = files.open(&place);
    assert_eq!(read_from(&*log, &at("a", 0), Offset(0)).unwrap(), (0..21).collect::<Vec<_>>(), "it is whole");
    files.keep(None);
    until("they go", || files.names().len() < before.len() && !files.names().contains(&before[0]));
    wait(&append(&*log, &at("a", 0), 21).unwrap()).unwrap();
}
