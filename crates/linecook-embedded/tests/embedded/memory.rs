//! Bounds: memory does not grow with lag or with a slow disk, opening does not read more than it needs.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use linecook_embedded::fault::Syncs;
use linecook_log::{ErrorKind, Log};

use crate::support::{
    PATIENCE, Place, append, at, commit_copy, create, figure, group, join, padded, poll_records, read_all, refusal,
    row, store, tiny, until, wait,
};

#[test]
fn a_reader_far_behind_does_not_make_the_tails_grow_and_gets_everything() {
    let mut options = tiny();
    options.hot_bytes = 32 << 10;
    let place = Place::new(options);
    let log = place.open();
    create(&*log, &["a", "b"], 2);
    let mut member = join(&*log, &group("g"), "a");
    for number in 0..2000 {
        let ticket = log.append(&at("a", number as u32 % 2), padded([number], 100)).unwrap();
        if number % 100 == 0 {
            wait(&ticket).unwrap();
            assert!(figure(&*log, "log_hot_bytes") <= f64::from(32 << 10));
        }
    }
    let (mut count, mut next) = (0, [0, 1]);
    while count < 2000 {
        for fetch in poll_records(&mut *member, 4000) {
            for number in crate::support::numbers_of(&fetch.batch, fetch.position) {
                let next = &mut next[fetch.from.partition.0 as usize];
                assert_eq!(number, *next, "in order, none twice");
                *next += 2;
                count += 1;
            }
        }
    }
    assert!(figure(&*log, "log_hot_bytes") <= f64::from(32 << 10));
}

#[test]
fn commits_wait_when_too_much_is_to_become_visible_and_go_on_after() {
    let mut options = tiny();
    options.pending_rows_bytes = 20_000;
    let place = Place::new(options);
    let log = place.open();
    create(&*log, &["a", "b"], 1);
    store(&*log, &at("a", 0), [1]);
    let mut member = join(&*log, &group("g"), "a");
    let end = poll_records(&mut *member, 1000)[0].batch.end();
    place.files.set_syncs(Syncs::Hanging);
    let (committed, commits) = mpsc::channel();
    let worker = thread::spawn(move || {
        let mut last = None;
        for number in 0..100 {
            let mut commit = linecook_log::Commit { offsets: vec![(at("a", 0), end)], ..Default::default() };
            commit.rows.extend((0..10).map(|key| row(at("a", 0).partition, &[key; 100], number)));
            last = Some(member.commit(commit).unwrap());
            committed.send(()).unwrap();
        }
        wait(&last.unwrap()).unwrap();
    });
    let mut count = 0;
    while commits.recv_timeout(Duration::from_millis(300)).is_ok() {
        count += 1;
    }
    assert!((5..30).contains(&count), "{count} commits did not wait");
    assert!(figure(&*log, "log_pending_rows_bytes") < 25_000.0);
    place.files.set_syncs(Syncs::Honest);
    worker.join().unwrap();
}

/// While a sync hung, what was appended piled up in memory without a bound.
#[test]
fn appends_are_refused_when_too_much_waits_to_be_written() {
    let mut options = tiny();
    options.pending_appends_bytes = 100_000;
    let place = Place::new(options);
    let log = place.open();
    create(&*log, &["a"], 1);
    place.files.set_syncs(Syncs::Hanging);
    let mut tickets = Vec::new();
    let mut refused = None;
    // What was there when the sync began is on its way: the rest alone has to reach the limit.
    for number in 0..10_000 {
        match append(&*log, &at("a", 0), number) {
            Ok(ticket) => tickets.push(ticket),
            Err(error) => {
                refused = Some(error);
                break;
            }
        }
    }
    place.files.set_syncs(Syncs::Honest);
    let told = refusal(Err::<(), _>(refused.expect("it is refused")), ErrorKind::Full);
    assert!(told.contains("max_bytes=100000"), "{told}");
    for ticket in &tickets {
        wait(ticket).unwrap();
    }
    store(&*log, &at("a", 0), [50_000]);
    assert_eq!(read_all(&*log, &at("a", 0)).len(), tickets.len() + 1);
}

/// A log without rows was read from its first commit on with every start: nothing said that there was nothing to replay.
#[test]
fn opening_reads_the_last_segments_only() {
    for with_rows in [true, false] {
        let mut options = tiny();
        options.segment_bytes = 64 << 10;
        let mut place = Place::new(options);
        let log = place.open();
        create(&*log, &["a", "b"], 1);
        let mut member = join(&*log, &group("g"), "a");
        for number in 0..500 {
            let ticket = log.append(&at("a", 0), padded([number], 4000)).unwrap();
            if with_rows && number % 10 == 0 {
                let fetches = poll_records(&mut *member, 10_000);
                wait(&commit_copy(&mut *member, &fetches, None).unwrap()).unwrap();
            }
            wait(&ticket).unwrap();
        }
        until("only the last segments are to be replayed", || {
            let persisted = figure(&*log, "log_rows_persisted_number");
            figure(&*log, "log_published_number") - persisted < 40.0
        });
        drop(member);
        let size = figure(&*log, "log_segments_bytes");
        place.kill(log);
        let log = place.open();
        let read = place.files.read_bytes() as f64;
        // What is scanned is read twice at most, in windows of 256 KiB, and each older segment has its header and index.
        assert!(size > 2_000_000.0 && read < size / 2.0, "read {read} of {size}");
        assert_eq!(read_all(&*log, &at("a", 0)).len(), 500);
    }
}

/// Not one of them may stay waiting when its waker is replaced while the append is being written.
#[test]
fn a_ticket_that_is_waited_for_again_and_again_is_done_at_last() {
    let place = Place::new(tiny());
    let log = place.open();
    create(&*log, &["a"], 1);
    let clock = linecook_log::SystemClock::new();
    for number in 0..2000 {
        let ticket = append(&*log, &at("a", 0), number).unwrap();
        for _ in 0..5 {
            ticket.wait(Duration::ZERO, &clock).ok();
        }
        ticket.wait(PATIENCE, &clock).unwrap();
    }
}

/// Every segment was open, with two descriptors: a process that may have a thousand files ended at 32 GiB of log.
#[test]
fn files_that_are_open_do_not_grow_with_the_log() {
    let parent = crate::support::folder();
    let data = parent.path().join("data");
    let open = || {
        let mut options = tiny();
        options.segment_bytes = 4096;
        linecook_embedded::EmbeddedLog::open(&data, options, Arc::new(linecook_log::SystemClock::new())).unwrap()
    };
    let open_files = || {
        let files = std::fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| entry.ok()?.path().read_link().ok());
        files.filter(|path| path.starts_with(data.join("log"))).count()
    };
    let log = open();
    create(&log, &["a"], 1);
    for number in 0..500 {
        wait(&log.append(&at("a", 0), padded([number], 1000)).unwrap()).unwrap();
    }
    let segments = std::fs::read_dir(data.join("log")).unwrap().count();
    assert!(segments > 100, "{segments} segments");
    let bound = 2 * 64 + 8;
    until("what was written is closed", || open_files() <= bound);
    assert_eq!(read_all(&log, &at("a", 0)).len(), 500);
    assert!(open_files() <= bound, "after reading: {}", open_files());
    log.close().unwrap();
    drop(log);
    let log = open();
    assert!(open_files() <= bound, "after opening: {}", open_files());
    assert_eq!(read_all(&log, &at("a", 0)).len(), 500);
    assert!(open_files() <= bound, "after reading again: {}", open_files());
}
