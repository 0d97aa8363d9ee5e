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
    inspect::{DamageKind, Inspection, Opening},
};
use linecook_log::{ErrorKind, Log};

use crate::support::{
    Place, TestClock, at, bounds, create, padded, read_all, read_from, refusal, store, tiny, until, wait,
};

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
    let (mut place, clock) = place();
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

    place.options.retention = None;
    let log = files.open(&place);
    assert_eq!(read_all(&*log, &at("a", 0)), (0..21).collect::<Vec<_>>(), "it is whole");
    log.close().unwrap();
    drop(log);

    place.options.retention = Some(HOUR);
    let log = files.open(&place);
    let refused = files.refused_count();
    until("it is tried again", || files.refused_count() > refused);
    files.keep(None);
    until("they go", || !files.names().contains(&before[0]) && !files.names().contains(&before[1]));
    store(&*log, &at("a", 0), [21]);
}

/// A segment that could not be created for want of room, and whose file could not be removed; smaller commits went on
/// in the one before, and the ones behind it are whole. The stray file lies among them.
fn leave_a_stray(files: &Stubborn, log: &dyn Log) -> String {
    create(log, &["a"], 1);
    fill(log, 0..2);
    files.keep(Some(|_| true));
    files.disk.set_free_bytes(100);
    let too_large = log.append(&at("a", 0), padded([0], 12_000)).unwrap();
    refusal(wait(&too_large), ErrorKind::Full);
    let stray = files.names().pop().unwrap();
    store(log, &at("a", 0), [2]);
    store(log, &at("a", 0), [3]);
    files.disk.set_free_bytes(1 << 30);
    wait(&log.append(&at("a", 0), padded([4], 12_000)).unwrap()).unwrap();
    assert_eq!(files.names()[1], stray);
    assert_eq!(files.names().len(), 3);
    stray
}

/// The next start ended the history at the stray file, and cut what had been acknowledged behind it; or it called the
/// header of a segment damaged that had never been one.
#[test]
fn a_segment_that_was_never_begun_is_passed_over_when_the_log_is_opened() {
    for count in [5, 40] {
        let (mut place, _clock) = place();
        let files = Stubborn::on(&place.files);
        let log = files.open(&place);
        let stray = leave_a_stray(&files, &*log);
        fill(&*log, 5..count);
        place.kill(log);
        let on_disk: Arc<dyn Files> = Arc::new(place.files.clone());
        let report = Inspection::open_with_files(&on_disk).unwrap().report();
        let [finding] = &*report.damage else { panic!("{report}") };
        assert_eq!((&finding.file, &finding.kind, finding.opening), (&stray, &DamageKind::NeverBegun, Opening::Cuts));
        let log = place.open();
        assert_eq!(read_all(&*log, &at("a", 0)), (0..count).collect::<Vec<_>>());
        assert!(!place.files.list().unwrap().contains(&stray), "it is gone");
        fill(&*log, count..count + 1);
        place.kill(log);
        assert_eq!(read_all(&*place.open(), &at("a", 0)).len() as u64, count + 1);
    }
}

/// With the segments before it dropped, nothing told any more that it had never been one.
#[test]
fn a_segment_that_was_never_begun_goes_before_what_lies_before_it() {
    let (mut place, clock) = place();
    let files = Stubborn::on(&place.files);
    let log = files.open(&place);
    let stray = leave_a_stray(&files, &*log);
    fill(&*log, 5..20);
    clock.forward(HOUR * 2);
    fill(&*log, 20..21);
    let refused = files.refused_count();
    until("it was tried", || files.refused_count() >= refused + 2);
    assert!(files.names().contains(&stray) && first_segment(&files.names()[0]));
    files.keep(None);
    until("they go", || !files.names().contains(&stray) && !first_segment(&files.names()[0]));
    place.kill(log);
    let log = place.open();
    // More may go between a look at where it starts and the read.
    until("it is read from its start", || {
        let start = bounds(&*log, &at("a", 0)).unwrap().0;
        let read = read_from(&*log, &at("a", 0), start);
        read.is_ok_and(|read| read == (start.0..21).collect::<Vec<_>>())
    });
}
