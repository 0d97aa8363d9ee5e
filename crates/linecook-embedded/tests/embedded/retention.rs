//! What retention drops and what it keeps.

use std::{sync::Arc, time::Duration};

use linecook_embedded::{fault::Syncs, files::Files, inspect::Inspection};
use linecook_log::{Commit, ErrorKind, GroupSpec, Log, Member, Offset, Output, Scan};

use crate::support::{
    Place, TOTAL, TestClock, at, bounds, commit_copy, create, group, join, number_in, padded, poll_records, read_from,
    refusal, store, table, tiny, topic, until, wait,
};

const HOUR: Duration = Duration::from_secs(3600);

/// Records of 4 KiB in segments of 16 KiB.
fn fill(log: &dyn Log, numbers: std::ops::Range<u64>) {
    for number in numbers {
        wait(&log.append(&at("a", 0), padded([number], 4000)).unwrap()).unwrap();
    }
}

fn start(log: &dyn Log) -> u64 {
    bounds(log, &at("a", 0)).unwrap().0.0
}

fn consume(member: &mut dyn Member, until_offset: u64) {
    let mut consumed = 0;
    while consumed < until_offset {
        let fetches = poll_records(member, 1);
        consumed = fetches.last().unwrap().batch.end().0;
        wait(&commit_copy(member, &fetches, None).unwrap()).unwrap();
    }
}

fn with_clock(retention: Option<Duration>) -> (Place, Arc<TestClock>) {
    let clock = Arc::new(TestClock::default());
    let mut options = tiny();
    options.retention = retention;
    let mut place = Place::new(options);
    place.clock = Arc::clone(&clock) as _;
    (place, clock)
}

#[test]
fn old_segments_are_dropped_whole_but_none_that_a_known_group_has_not_read() {
    let (mut place, clock) = with_clock(Some(HOUR));
    let log = place.open();
    create(&*log, &["a"], 1);
    log.declare_groups(&[GroupSpec { name: group("late"), topics: vec![topic("a")] }]).unwrap();
    let mut member = join(&*log, &group("g"), "a");
    fill(&*log, 0..30);
    consume(&mut *member, 30);
    clock.forward(HOUR / 2);
    fill(&*log, 30..40);
    clock.forward(HOUR * 2 / 3);
    // Both groups have to have read it: this one reads a part.
    let mut late = join(&*log, &group("late"), "a");
    consume(&mut *late, 10);
    until("what both have read is dropped", || start(&*log) > 0);
    until("up to the segment of what is not read", || start(&*log) >= 6);
    assert!(start(&*log) <= 10);
    consume(&mut *late, 40);
    until("all that is old is dropped", || start(&*log) >= 26);
    assert!(start(&*log) <= 30, "what is younger is kept: {}", start(&*log));
    let from = start(&*log);
    assert_eq!(read_from(&*log, &at("a", 0), Offset(from)).unwrap(), (from..40).collect::<Vec<_>>());
    let told = refusal(log.read(&at("a", 0), Offset(from - 1), 1), ErrorKind::Invalid);
    assert!(told.contains(&format!("start={from}")), "{told}");
    refusal(log.reset(&group("unknown"), &[]), ErrorKind::Invalid);

    // Rows outlive their segments, also over a restart.
    let rows = log.rows(&group("g"), &table()).unwrap();
    assert_eq!(rows.scan(at("a", 0).partition, Scan::prefix(b"")).unwrap().len(), 31);
    drop((member, late));
    place.kill(log);
    let files: Arc<dyn Files> = Arc::new(place.files.clone());
    let report = Inspection::open_with_files(&files).unwrap().report();
    // What is kept tells of offsets below the start, from before the records there were dropped.
    assert!(report.is_sound(), "{report}");
    let log = place.open();
    assert_eq!(start(&*log), from);
    let rows = log.rows(&group("g"), &table()).unwrap();
    assert_eq!(rows.scan(at("a", 0).partition, Scan::prefix(b"")).unwrap().len(), 31);
    assert_eq!(log.groups().unwrap().iter().filter(|it| it.offsets[0].1 == Offset(30)).count(), 1);
    assert_eq!(read_from(&*log, &at("a", 0), Offset(from)).unwrap(), (from..40).collect::<Vec<_>>());
}

#[test]
fn a_reset_below_the_start_is_refused_and_one_to_it_is_not() {
    let (place, clock) = with_clock(Some(HOUR));
    let log = place.open();
    create(&*log, &["a"], 1);
    fill(&*log, 0..20);
    clock.forward(HOUR * 2);
    fill(&*log, 20..21);
    until("all but the last segment is dropped", || start(&*log) >= 18);
    let from = start(&*log);
    log.declare_groups(&[GroupSpec { name: group("g"), topics: vec![topic("a")] }]).unwrap();
    assert_eq!(log.groups().unwrap()[0].offsets[0].1, Offset(from), "a new group begins with what is there");
    refusal(log.reset(&group("g"), &[(at("a", 0), Offset(from - 1))]), ErrorKind::Invalid);
    log.reset(&group("g"), &[(at("a", 0), Offset(from))]).unwrap();
    let mut member = join(&*log, &group("g"), "a");
    assert_eq!(poll_records(&mut *member, 1)[0].position, Offset(from));
}

#[test]
fn at_the_byte_limit_appends_wait_for_the_group_that_is_named() {
    let mut options = tiny();
    options.retention_bytes = Some(128 << 10);
    let place = Place::new(options);
    let log = place.open();
    create(&*log, &["a", "b"], 1);
    log.declare_groups(&[GroupSpec { name: group("stopped"), topics: vec![topic("a")] }]).unwrap();
    let mut member = join(&*log, &group("g"), "a");
    let refused = || log.status().refuses_writes.map(|error| (error.kind(), error.chain()));
    let mut next = 0;
    let mut until_refused = || {
        until("appends are refused", || {
            match log.append(&at("a", 0), padded([next], 4000)).and_then(|ticket| wait(&ticket)) {
                Ok(()) => next += 1,
                Err(error) => assert_eq!(error.kind(), ErrorKind::Full),
            }
            refused().is_some()
        });
        next
    };
    let count = until_refused();
    let (kind, told) = refused().unwrap();
    assert_eq!(kind, ErrorKind::Full);
    assert!(told.contains("retention_bytes=131072") && told.contains("group="), "{told}");
    assert!(count * 4000 < 256 << 10, "soon after the limit: {count}");
    // Members go on, or it could never be released; the one that never reads holds it.
    consume(&mut *member, count);
    until("the other one is named", || refused().is_some_and(|(_, told)| told.contains("group=stopped")));
    assert_eq!(start(&*log), 0);
    log.drop_group(&group("stopped")).unwrap();
    until("it is released", || refused().is_none());
    until("and dropped", || start(&*log) > 0);

    until_refused();
    assert!(refused().unwrap().1.contains("group=g"));
    let end = bounds(&*log, &at("a", 0)).unwrap().1;
    consume(&mut *member, end.0);
    until("catching up releases it", || refused().is_none());
    store(&*log, &at("a", 0), [0]);
}

#[test]
fn a_segment_whose_rows_are_not_persisted_is_kept() {
    let (mut place, clock) = with_clock(Some(HOUR));
    place.options.memtable_bytes = 64 << 20; // nothing is persisted before it is asked for
    let log = place.open();
    create(&*log, &["a"], 1);
    let mut member = join(&*log, &group("g"), "a");
    fill(&*log, 0..20);
    consume(&mut *member, 20);
    clock.forward(HOUR * 2);
    fill(&*log, 20..21);
    until("it is dropped, as its rows were persisted for it", || start(&*log) >= 10);
    drop(member);
    place.kill(log);
    let log = place.open();
    let rows = log.rows(&group("g"), &table()).unwrap();
    let total = rows.get(at("a", 0).partition, TOTAL).unwrap().unwrap();
    assert_eq!(number_in(&total), 20);
}

/// The files of dropped segments stayed open for the sake of their indexes: their space was not free.
#[test]
fn a_dropped_segment_gives_its_space_back() {
    let parent = tempfile::tempdir().unwrap();
    let data = parent.path().join("data");
    let clock = Arc::new(TestClock::default());
    let mut options = tiny();
    options.retention = Some(HOUR);
    let log = linecook_embedded::EmbeddedLog::open(&data, options, Arc::clone(&clock) as _).unwrap();
    create(&log, &["a"], 1);
    fill(&log, 0..40);
    clock.forward(HOUR * 2);
    fill(&log, 40..41);
    until("it is dropped", || start(&log) > 30);
    let deleted = || {
        let open = std::fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| entry.ok()?.path().read_link().ok());
        open.filter(|path| path.starts_with(&data) && path.to_string_lossy().ends_with(".log (deleted)")).count()
    };
    until("no removed file is open", || deleted() == 0);
}

/// A segment that began while the commit before it was not yet on disk says in its header that it was not. When all of
/// it had been synced and the older ones were dropped, the next start missed them: a log that nothing was wrong with
/// could not be opened again.
#[test]
fn a_log_opens_whose_oldest_segment_began_before_the_one_before_it_was_synced() {
    let (mut place, clock) = with_clock(Some(HOUR));
    let log = place.open();
    create(&*log, &["a", "b"], 1);
    fill(&*log, 0..1);
    let mut member = join(&*log, &group("g"), "a");
    let next = poll_records(&mut *member, 1)[0].next;
    place.files.set_syncs(Syncs::Hanging);
    let mut last = None;
    for number in 0..20 {
        let outputs = vec![Output { to: at("b", 0), batch: padded([number], 4000) }];
        last = Some(member.commit(Commit { outputs, rows: Vec::new(), offsets: vec![(at("a", 0), next)] }).unwrap());
    }
    place.files.set_syncs(Syncs::Honest);
    wait(&last.unwrap()).unwrap();
    clock.forward(HOUR * 2);
    let start = |log: &dyn Log| bounds(log, &at("b", 0)).unwrap().0.0;
    until("the last segment is the oldest", || start(&*log) >= 12);
    let kept = start(&*log);
    drop(member);
    log.close().unwrap();
    let log = place.open();
    assert_eq!(start(&*log), kept);
    place.kill(log);
    assert_eq!(start(&*place.open()), kept);
}
