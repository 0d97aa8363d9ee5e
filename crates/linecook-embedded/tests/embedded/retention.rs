//! What retention drops and what it keeps.

use std::{sync::Arc, thread, time::Duration};

use linecook_embedded::{
    fault::Syncs,
    files::Files,
    inspect::{HistoryEnd, Inspection, Report},
};
use linecook_log::{Commit, ErrorKind, GroupSpec, Log, Member, Offset, Output, Scan};

use crate::support::{
    Place, TOTAL, TestClock, at, bounds, commit_copy, consumed, create, figure, group, join, number_in, numbers_of,
    padded, poll_records, read_from, refusal, spec, store, table, tiny, topic, until, wait,
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
    // Too large for what is left of a segment: what is younger begins one, and where all comes to rest is certain.
    wait(&log.append(&at("a", 0), padded([30], 16 << 10)).unwrap()).unwrap();
    fill(&*log, 31..40);
    clock.forward(HOUR * 2 / 3);
    // Both groups have to have read it: this one reads a part.
    let mut late = join(&*log, &group("late"), "a");
    consume(&mut *late, 10);
    until("what both have read is dropped", || start(&*log) > 0);
    until("up to the segment of what is not read", || start(&*log) >= 6);
    assert!(start(&*log) <= 10);
    consume(&mut *late, 40);
    until("all that is old is dropped", || start(&*log) >= 30);
    let from = start(&*log);
    assert_eq!(from, 30, "what is younger is kept");
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

/// Commits to `b` that fill some segments while nothing is synced; all of them are, in the end.
fn fill_before_a_sync(place: &Place, log: &dyn Log) {
    create(log, &["a", "b"], 1);
    fill(log, 0..1);
    let mut member = join(log, &group("g"), "a");
    let end = poll_records(&mut *member, 1)[0].next;
    place.files.set_syncs(Syncs::Hanging);
    let commit = |number| {
        let outputs = vec![Output { to: at("b", 0), batch: padded([number], 4000) }];
        member.commit(Commit { outputs, rows: Vec::new(), offsets: vec![(at("a", 0), end)] }).unwrap()
    };
    let tickets: Vec<_> = (0..20).map(commit).collect();
    place.files.set_syncs(Syncs::Honest);
    tickets.iter().for_each(|ticket| wait(ticket).unwrap());
}

fn inspect(place: &Place) -> Report {
    let files: Arc<dyn Files> = Arc::new(place.files.clone());
    Inspection::open_with_files(&files).unwrap().report()
}

/// A segment that was begun before the last commit was synced says so in its header for ever. When the segments before
/// it were dropped, nothing else told that the commits in them had been synced: the next start asked for them, and
/// a healthy log was `Corrupt`.
#[test]
fn a_log_whose_oldest_segment_was_begun_before_a_sync_opens_again() {
    let (mut place, clock) = with_clock(Some(HOUR));
    let log = place.open();
    fill_before_a_sync(&place, &*log);
    clock.forward(HOUR * 2);
    let begins = || bounds(&*log, &at("b", 0)).unwrap().0;
    until("all but the last segment is dropped", || place.files.list().unwrap().len() == 1);
    let from = begins();
    assert!(from >= Offset(12), "{from}");
    place.kill(log);
    let report = inspect(&place);
    assert!(report.is_sound(), "{report}");
    assert!(report.segments[0].first <= report.synced, "what begins later proves what lay before: {report}");
    let log = place.open();
    assert_eq!(read_from(&*log, &at("b", 0), from).unwrap(), (from.0..20).collect::<Vec<_>>());
    store(&*log, &at("b", 0), [20]);
    log.close().unwrap();
    let end = inspect(&place).end;
    assert!(matches!(end, Some(HistoryEnd { last_commit, .. }) if last_commit.0 > 20));
}

/// See above: a log that failed refused in the same way to be opened again, for as long as its process lived.
#[test]
fn a_log_whose_oldest_segment_was_begun_before_a_sync_goes_on_after_a_failed_one() {
    let (place, clock) = with_clock(Some(HOUR));
    let log = place.open();
    fill_before_a_sync(&place, &*log);
    clock.forward(HOUR * 2);
    until("all but the last segment is dropped", || place.files.list().unwrap().len() == 1);
    place.files.set_syncs(Syncs::Failing);
    refusal(wait(&log.append(&at("b", 0), padded([20], 10)).unwrap()), ErrorKind::Unknown);
    place.files.set_syncs(Syncs::Honest);
    until("it is open again", || log.status().refuses_writes.is_none());
    store(&*log, &at("b", 0), [20]);
}

fn declare(log: &dyn Log, name: &str, topics: &[&str]) {
    let topics = topics.iter().map(|name| topic(name)).collect();
    log.declare_groups(&[GroupSpec { name: group(name), topics }]).unwrap();
}

/// A service whose setting had taken a topic from its inputs held that topic back for ever, and with it the records of
/// all topics; or it brought the log to its byte limit, and nothing was taken any more.
#[test]
fn a_topic_that_a_group_does_not_read_any_more_is_not_kept_for_it() {
    let (place, clock) = with_clock(Some(HOUR));
    let log = place.open();
    create(&*log, &["a", "b"], 1);
    declare(&*log, "g", &["a", "b"]);
    declare(&*log, "idle", &["a", "b"]);
    store(&*log, &at("b", 0), [7]);
    fill(&*log, 0..20);
    log.close().unwrap();

    let log = place.open();
    declare(&*log, "idle", &[]);
    declare(&*log, "g", &["a"]);
    let mut member = join(&*log, &group("g"), "a");
    consume(&mut *member, 20);
    clock.forward(HOUR * 2);
    fill(&*log, 20..21);
    until("what both read is dropped", || start(&*log) >= 12);
    assert_eq!(consumed(&*log, &group("g"), &at("b", 0)).unwrap(), Offset(0), "what it had read is not forgotten");

    // A log that failed is opened again by the same process, which need not say so again.
    drop(member);
    place.files.set_syncs(Syncs::Failing);
    refusal(wait(&log.append(&at("b", 0), padded([8], 10)).unwrap()), ErrorKind::Unknown);
    place.files.set_syncs(Syncs::Honest);
    until("it is open again", || log.status().refuses_writes.is_none());
    fill(&*log, 21..40);
    let mut member = join(&*log, &group("g"), "a");
    consume(&mut *member, 40);
    clock.forward(HOUR * 2);
    fill(&*log, 40..41);
    until("what they read is dropped", || start(&*log) >= 30);

    // It goes back to the topic, and on with what is there.
    drop(member);
    store(&*log, &at("b", 0), [8]);
    let mut member = join(&*log, &group("g"), "b");
    let fetch = &poll_records(&mut *member, 1)[0];
    assert_eq!((fetch.position, numbers_of(&fetch.batch, fetch.position).next()), (Offset(1), Some(8)));
    drop(member);
    log.close().unwrap();
    let report = inspect(&place);
    assert!(report.is_sound(), "an offset of what was dropped is no damage: {report}");
}

/// As long as a reset was on its way to the disk, what it went back to could be dropped: the group went on behind it, and
/// nobody was told.
#[test]
fn what_a_group_is_being_reset_to_is_kept() {
    let (place, clock) = with_clock(Some(HOUR));
    let log = place.open();
    create(&*log, &["a"], 1);
    let mut member = join(&*log, &group("g"), "a");
    fill(&*log, 0..20);
    consume(&mut *member, 20);
    drop(member);
    place.files.set_syncs(Syncs::Hanging);
    let before = figure(&*log, "log_frames_total");
    let resetting = Arc::clone(&log);
    let reset = thread::spawn(move || resetting.reset(&group("g"), &[(at("a", 0), Offset(0))]));
    until("it is written", || figure(&*log, "log_frames_total") > before);
    clock.forward(HOUR * 2);
    for _ in 0..20 {
        thread::park_timeout(Duration::from_millis(100)); // housekeeping comes by
    }
    place.files.set_syncs(Syncs::Honest);
    reset.join().unwrap().unwrap();
    assert_eq!(start(&*log), 0);
    let mut member = join(&*log, &group("g"), "a");
    assert_eq!(poll_records(&mut *member, 1)[0].position, Offset(0));
}

/// Its offset stayed where it was, below what was there, until it had read something. Where nothing came, all that came
/// to other topics was kept for it; at the byte limit nothing was taken any more, not even what would have moved it.
#[test]
fn a_group_that_goes_back_to_a_quiet_topic_holds_nothing_back() {
    let (place, clock) = with_clock(Some(HOUR));
    let log = place.open();
    create(&*log, &["a", "b"], 1);
    declare(&*log, "g", &["a", "b"]);
    store(&*log, &at("b", 0), [7]);
    let mut member = join(&*log, &group("g"), "a");
    fill(&*log, 0..20);
    consume(&mut *member, 20);
    clock.forward(HOUR * 2);
    fill(&*log, 20..21);
    until("the record that it did not read is dropped", || bounds(&*log, &at("b", 0)).unwrap().0 == Offset(1));
    drop(member);

    declare(&*log, "g", &["a", "b"]);
    assert_eq!(consumed(&*log, &group("g"), &at("b", 0)).unwrap(), Offset(1), "it begins with what is there");
    let mut member = log.join(spec(&group("g"), &["a", "b"], 0)).unwrap();
    fill(&*log, 21..40);
    consume(&mut *member, 40);
    clock.forward(HOUR * 2);
    fill(&*log, 40..41);
    until("what it has read is dropped", || start(&*log) >= 30);
    drop(member);
    log.close().unwrap();
}
