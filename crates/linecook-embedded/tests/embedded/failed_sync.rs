//! A device that fails to sync, or is slow, or hangs.

use std::{
    sync::{Arc, Mutex, atomic::AtomicU64, mpsc},
    thread,
    time::Duration,
};

use linecook_embedded::fault::Syncs;
use linecook_log::{Commit, Error, ErrorKind, Log, Output, Poll, Result};

use crate::{
    chain::{Load, Shown, audit},
    support::{
        PATIENCE, Place, Seed, append, at, commit_copy, consumed, copy, create, figure, group, join, padded,
        poll_records, read_all, refusal, row, seeds, spec, store, table, tiny, until, wait,
    },
};

#[test]
fn a_failed_sync_ends_what_waits_and_the_log_goes_on_from_what_was_published() {
    let place = Place::new(tiny());
    let log = place.open();
    create(&*log, &["a", "b"], 1);
    store(&*log, &at("a", 0), [1, 2]);
    let mut member = join(&*log, &group("g"), "a");
    let rows = log.rows(&group("g"), &table()).unwrap();

    place.files.set_syncs(Syncs::Hanging);
    let fetches = poll_records(&mut *member, 1000);
    let committed = commit_copy(&mut *member, &fetches, Some("b")).unwrap();
    let appended = append(&*log, &at("a", 0), 3).unwrap();
    let syncs = place.files.sync_count();
    place.files.set_syncs(Syncs::Failing);
    refusal(wait(&committed), ErrorKind::Unknown);
    refusal(wait(&appended), ErrorKind::Unknown);
    let told = refusal(member.poll(Duration::ZERO, 1), ErrorKind::Unknown);
    assert!(told.contains("the device failed"), "{told}");
    refusal(member.get(&table(), at("a", 0).partition, b"k"), ErrorKind::Unknown);
    drop(member);
    until("it says why it takes nothing", || {
        log.status().refuses_writes.is_some_and(|error| error.chain().contains("the device failed"))
    });
    refusal(append(&*log, &at("a", 0), 4), ErrorKind::Unavailable);
    assert!(place.files.sync_count() > syncs);

    place.files.set_syncs(Syncs::Honest);
    until("it is open again", || log.status().refuses_writes.is_none());
    assert_eq!(read_all(&*log, &at("a", 0)), [1, 2], "what was not published is gone");
    assert_eq!(read_all(&*log, &at("b", 0)), []);
    assert_eq!(consumed(&*log, &group("g"), &at("a", 0)).unwrap().0, 0);
    assert_eq!(rows.get(at("a", 0).partition, b"total").unwrap(), None, "a reader of before goes on");
    store(&*log, &at("a", 0), [5]);
    let mut member = join(&*log, &group("g"), "a");
    let fetches = poll_records(&mut *member, 1000);
    wait(&commit_copy(&mut *member, &fetches, Some("b")).unwrap()).unwrap();
    assert!(rows.get(at("a", 0).partition, b"total").unwrap().is_some());
    drop(member);
    log.close().unwrap();
    assert_eq!(read_all(&*place.open(), &at("a", 0)), [1, 2, 5]);
}

#[test]
fn under_load_a_device_that_fails_now_and_then_loses_nothing_that_was_shown() {
    for seed in seeds(0..6) {
        let _seed = Seed(seed);
        let place = Place::new(tiny());
        let (shown, next) = (Arc::new(Mutex::new(Shown::default())), Arc::new(AtomicU64::new(0)));
        let log = place.open();
        for round in 0..3 {
            let load = Load::start(&log, &shown, &next, seed * 100 + round);
            until("writes are acknowledged", || load.acknowledged() > 20);
            place.files.set_syncs(Syncs::Failing);
            until("the log has failed", || log.status().refuses_writes.is_some());
            place.files.set_syncs(Syncs::Honest);
            let before = load.acknowledged();
            until("writes are acknowledged again", || load.acknowledged() > before + 20);
            load.stop();
            until("everything is published", || audit(&*log, &shown.lock().unwrap()).is_ok());
        }
        log.close().unwrap();
        audit(&*place.open(), &shown.lock().unwrap()).unwrap();
    }
}

/// Closing found nothing open to close, as the log had failed; the thread that opens it again then succeeded, and
/// waited for the end of a log that nobody was left to close. The close hung for ever.
#[test]
fn a_log_can_be_closed_while_it_is_being_opened_again() {
    let place = Place::new(tiny());
    let log = place.open();
    create(&*log, &["a"], 1);
    place.files.set_syncs(Syncs::Failing);
    drop(append(&*log, &at("a", 0), 1).unwrap());
    until("it was tried to open it again", || {
        log.status().refuses_writes.is_some_and(|error| error.chain().contains("cannot be opened again yet"))
    });
    place.files.set_syncs(Syncs::Hanging);
    let read = place.files.read_bytes();
    until("it is being opened again, and waits for a sync", || place.files.read_bytes() > read);
    let (done, is_done) = mpsc::channel();
    let closing = Arc::clone(&log);
    thread::spawn(move || done.send(closing.close()));
    assert!(is_done.recv_timeout(Duration::from_millis(100)).is_err(), "it waits for who opens it");
    place.files.set_syncs(Syncs::Honest);
    is_done.recv_timeout(PATIENCE).expect("it closes").ok();
    refusal(log.describe(), ErrorKind::Closed);
    place.open().close().unwrap();
}

#[test]
fn a_close_while_syncs_fail_says_so_and_ends_all_that_waits() {
    let place = Place::new(tiny());
    let log = place.open();
    create(&*log, &["a"], 1);
    place.files.set_syncs(Syncs::Hanging);
    let ticket = append(&*log, &at("a", 0), 1).unwrap();
    let closing = Arc::clone(&log);
    let closing = thread::spawn(move || closing.close());
    place.files.set_syncs(Syncs::Failing);
    assert!(closing.join().unwrap().is_err());
    refusal(wait(&ticket), ErrorKind::Unknown);
    refusal(log.describe(), ErrorKind::Closed);
    log.close().unwrap();
}

/// What was written between the last sync and the end of a close had a ticket that ended with `Closed`, which says that
/// nothing was stored; it was there when the log was opened again. The refusal that should have kept it out was lifted
/// by housekeeping.
#[test]
fn what_a_close_refused_is_not_there_after_it() {
    for seed in seeds(0..10) {
        let _seed = Seed(seed);
        let place = Place::new(tiny());
        let log = place.open();
        create(&*log, &["a", "b"], 1);
        store(&*log, &at("a", 0), 0..100);
        let mut member = join(&*log, &group("g"), "a");
        let fetches = poll_records(&mut *member, 1 << 20);
        let commits = thread::spawn(move || -> (u64, Error) {
            let offset = fetches[0].batch.end();
            let mut tickets = Vec::new();
            let error = loop {
                let mut commit = copy(&mut *member, &fetches, Some("b")).unwrap_or_default();
                commit.rows.clear();
                commit.offsets = vec![(at("a", 0), offset)];
                match member.commit(commit) {
                    Ok(ticket) => tickets.push(ticket),
                    Err(error) => break error,
                }
            };
            (tickets.iter().filter(|ticket| wait(ticket).is_ok()).count() as u64, error)
        });
        for _ in 0..seed * 50 {
            thread::yield_now();
        }
        log.close().unwrap();
        let (count, error) = commits.join().unwrap();
        assert_eq!(error.kind(), ErrorKind::Closed);
        let read = read_all(&*place.open(), &at("b", 0));
        assert_eq!(read.len() as u64, count * 100, "as many as tickets that were done");
    }
}

/// The store ended with `Unknown`, and its rows were never applied again: the log tried the same call for ever, and
/// every commit waited.
#[test]
fn rows_that_fail_for_good_are_opened_again_with_the_log() {
    let mut place = Place::new(tiny());
    let panics = Arc::new(Mutex::new(true));
    place.installed = Some(Arc::new(move |_| {
        let must_panic = std::mem::take(&mut *panics.lock().unwrap());
        assert!(!must_panic, "this panic is part of the test");
    }));
    let log = place.open();
    create(&*log, &["a", "b"], 1);
    let (shown, next) = (Arc::new(Mutex::new(Shown::default())), Arc::new(AtomicU64::new(0)));
    let load = Load::start(&log, &shown, &next, 1);
    let frames = |log: &dyn Log| log.status().figures.into_iter().find(|it| it.name == "log_frames_total");
    until("it was opened again", || frames(&*log).is_none());
    let before = load.acknowledged();
    until("it goes on", || load.acknowledged() > before + 50);
    load.stop();
    until("everything is published", || audit(&*log, &shown.lock().unwrap()).is_ok());
}

#[test]
fn five_hops_cost_about_two_syncs() {
    const HOPS: [&str; 6] = ["h-0", "h-1", "h-2", "h-3", "h-4", "h-5"];
    let place = Place::new(tiny());
    let log = place.open();
    create(&*log, &HOPS, 1);
    let mut members: Vec<_> = (0..5).map(|hop| join(&*log, &group(HOPS[hop]), HOPS[hop])).collect();
    let syncs = || place.files.sync_count();
    until("nothing is left to sync", || {
        let before = syncs();
        thread::park_timeout(Duration::from_millis(20));
        syncs() == before
    });
    place.files.set_sync_time(Duration::from_millis(5));
    let rounds = 10;
    let before = syncs();
    for round in 0..rounds {
        let first = append(&*log, &at("h-0", 0), round).unwrap();
        let mut last = None;
        for (hop, member) in members.iter_mut().enumerate() {
            let fetches = poll_records(&mut **member, 1000);
            let commit = copy(&mut **member, &fetches, Some(HOPS[hop + 1])).unwrap();
            last = Some(member.commit(commit).unwrap());
        }
        wait(&first).unwrap();
        wait(&last.unwrap()).unwrap();
        assert_eq!(read_all(&*log, &at("h-5", 0)).len() as u64, round + 1);
    }
    let syncs_a_round = (syncs() - before) as f64 / rounds as f64;
    assert!(syncs_a_round < 3.0, "syncs a round: {syncs_a_round}");
}

#[test]
fn while_a_sync_is_under_way_commits_polls_and_reads_go_on() {
    let place = Place::new(tiny());
    let log = place.open();
    create(&*log, &["a", "b"], 1);
    store(&*log, &at("a", 0), [1]);
    let mut member = join(&*log, &group("g"), "a");
    let mut behind = join(&*log, &group("h"), "b");
    place.files.set_syncs(Syncs::Hanging);
    let mut tickets = Vec::new();
    for round in 0..20 {
        let fetches = poll_records(&mut *member, 1000);
        let commit = copy(&mut *member, &fetches, Some("b")).unwrap();
        tickets.push(member.commit(commit).unwrap());
        assert_eq!(poll_records(&mut *behind, 1000).len(), 1, "the next member has it at once");
        tickets.push(append(&*log, &at("a", 0), 2 + round).unwrap());
        // A commit writes what is queued; the thread that would do it hangs.
        let mut commit = copy(&mut *member, &[], None).unwrap();
        commit.offsets.push((at("a", 0), fetches.last().unwrap().batch.end()));
        commit.rows.push(row(at("a", 0).partition, b"k", round));
        tickets.push(member.commit(commit).unwrap());
        assert_eq!(read_all(&*log, &at("a", 0)), [1], "the outside sees what is on disk");
        assert_eq!(read_all(&*log, &at("b", 0)), []);
        assert_eq!(log.groups().unwrap().len(), 2);
    }
    place.files.set_syncs(Syncs::Honest);
    for ticket in tickets {
        wait(&ticket).unwrap();
    }
    assert_eq!(read_all(&*log, &at("b", 0)).len(), 20);
}

/// Nobody told the members that the log was over: one that waited for records went on waiting for all of its time.
#[test]
fn a_member_that_waits_for_records_hears_of_a_close() {
    let place = Place::new(tiny());
    let log = place.open();
    create(&*log, &["a"], 1);
    let mut patient = spec(&group("g"), &["a"], 0);
    patient.max_silence = PATIENCE * 100;
    let mut member = log.join(patient).unwrap();
    until("it is assigned", || matches!(member.poll(Duration::from_millis(5), 1).unwrap(), Poll::Assigned(_)));
    let (ended, is_ended) = mpsc::channel();
    thread::spawn(move || ended.send(member.poll(PATIENCE * 100, 1).map(drop)));
    assert!(is_ended.recv_timeout(Duration::from_millis(100)).is_err(), "it waits");
    log.close().unwrap();
    let outcome: Result<()> = is_ended.recv_timeout(PATIENCE).expect("it is woken");
    refusal(outcome, ErrorKind::Closed);
}

/// What was assigned and had not arrived was forgotten when more was assigned: the member owned it, and was never told.
#[test]
fn partitions_that_arrive_late_are_all_told_of() {
    let place = Place::new(tiny());
    let log = place.open();
    create(&*log, &["a"], 2);
    let mut one = log.join(spec(&group("g"), &["a"], 1)).unwrap();
    let two = log.join(spec(&group("g"), &["a"], 2)).unwrap();
    place.files.set_syncs(Syncs::Hanging);
    let mut busy = log.join(spec(&group("other"), &["a"], 3)).unwrap(); // writes, so that there is something to wait for
    assert!(matches!(one.poll(Duration::ZERO, 1).unwrap(), Poll::Idle), "its first partition is on its way");
    drop(two);
    assert!(matches!(one.poll(Duration::ZERO, 1).unwrap(), Poll::Idle), "and its second one");
    place.files.set_syncs(Syncs::Honest);
    let mut told = Vec::new();
    until("it is told", || {
        if let Poll::Assigned(partitions) = one.poll(Duration::from_millis(10), 1).unwrap() {
            told.extend(partitions);
        }
        told.len() == 2
    });
    busy.poll(Duration::ZERO, 1).unwrap();
}

/// While a partition was on its way, a poll waited for nothing else: records of the partitions that the member had were
/// not polled, and the group heard nothing of it for as long as the poll lasted, so that it was put out for silence.
#[test]
fn while_a_partition_is_on_its_way_the_others_are_polled() {
    let place = Place::new(tiny());
    let log = place.open();
    create(&*log, &["a"], 2);
    let mut one = log.join(spec(&group("g"), &["a"], 1)).unwrap();
    let two = log.join(spec(&group("g"), &["a"], 2)).unwrap();
    let mut own = None;
    until("it has one partition", || {
        if let Poll::Assigned(partitions) = one.poll(Duration::from_millis(5), 1).unwrap() {
            own = Some(partitions[0].partition.clone());
        }
        own.is_some()
    });
    let own = own.unwrap();
    for partition in [0, 1] {
        store(&*log, &at("a", partition), [u64::from(partition)]);
    }
    place.files.set_syncs(Syncs::Hanging);
    let mut busy = log.join(spec(&group("other"), &["a"], 3)).unwrap(); // writes, so that there is something to wait for
    drop(two);
    let Poll::Records(fetches) = one.poll(Duration::from_millis(100), 1000).unwrap() else {
        place.files.set_syncs(Syncs::Honest); // or the log would never close
        panic!("its own partition has records");
    };
    assert!(fetches.iter().all(|fetch| fetch.from == own), "of the one on its way it was not told yet");
    let waiting = thread::spawn(move || {
        let mut polls = vec![one.poll(PATIENCE, 1000).unwrap()];
        polls.push(one.poll(PATIENCE, 1000).unwrap());
        polls
    });
    place.files.set_syncs(Syncs::Honest);
    let polls = waiting.join().unwrap();
    assert!(matches!(&polls[0], Poll::Assigned(new) if new[0].partition != own), "{polls:?}");
    assert!(matches!(&polls[1], Poll::Records(fetches) if fetches[0].from != own), "{polls:?}");
    busy.poll(Duration::ZERO, 1).unwrap();
}

/// A member that waited in a poll for longer than its `max_silence` was put out for being silent.
#[test]
fn a_member_that_waits_in_a_poll_is_not_silent() {
    let place = Place::new(tiny());
    let log = place.open();
    create(&*log, &["a"], 2);
    let quick = |worker| {
        let mut spec = spec(&group("g"), &["a"], worker);
        spec.max_silence = Duration::from_millis(300);
        spec
    };
    let (mut one, mut two) = (log.join(quick(1)).unwrap(), log.join(quick(2)).unwrap());
    for member in [&mut one, &mut two] {
        until("it is assigned", || matches!(member.poll(Duration::from_millis(5), 1).unwrap(), Poll::Assigned(_)));
    }
    let waiting = thread::spawn(move || (one.poll(Duration::from_millis(900), 1).unwrap(), one));
    while !waiting.is_finished() {
        let poll = two.poll(Duration::from_millis(5), 1).unwrap();
        assert!(matches!(poll, Poll::Idle), "nothing moves: {poll:?}");
    }
    assert!(matches!(waiting.join().unwrap(), (Poll::Idle, _)));
}

/// The log was opened again while a member of the one before was still writing: it held the commit lock of a log that
/// was over, and nobody waited for it. It wrote over what the new log had acknowledged.
#[test]
fn a_log_is_not_opened_again_while_a_write_of_the_one_before_is_under_way() {
    let mut options = tiny();
    options.hot_bytes = 0; // what is read comes from the files
    let place = Place::new(options);
    let log = place.open();
    create(&*log, &["a", "b"], 1);
    store(&*log, &at("a", 0), [1]);
    let mut member = join(&*log, &group("g"), "a");
    let end = poll_records(&mut *member, 1000)[0].batch.end();
    let frames = || figure(&*log, "log_frames_total");
    let before = frames();
    place.files.set_syncs(Syncs::Hanging);
    let appended = append(&*log, &at("a", 0), 2).unwrap();
    until("it is written", || frames() > before);
    place.files.hold_next_write();
    let committing = thread::spawn(move || {
        let outputs = vec![Output { to: at("b", 0), batch: padded([3], 3000) }];
        let ticket = member.commit(Commit { outputs, rows: Vec::new(), offsets: vec![(at("a", 0), end)] })?;
        wait(&ticket)
    });
    until("a write is under way", || place.files.is_write_held());
    place.files.set_syncs(Syncs::Failing);
    refusal(wait(&appended), ErrorKind::Unknown);
    place.files.set_syncs(Syncs::Honest);
    let opening = Arc::clone(&log);
    let (opened, is_open) = mpsc::channel();
    thread::spawn(move || {
        until("it is open again", || append(&*opening, &at("a", 0), 4).is_ok_and(|ticket| wait(&ticket).is_ok()));
        opened.send(()).unwrap();
    });
    assert!(is_open.recv_timeout(Duration::from_millis(500)).is_err(), "it waits for the write");
    place.files.let_write_go();
    refusal(committing.join().unwrap(), ErrorKind::Unknown);
    is_open.recv_timeout(PATIENCE).expect("it is open again");
    assert_eq!(read_all(&*log, &at("a", 0)), [1, 4]);
    assert_eq!(read_all(&*log, &at("b", 0)), []);
    log.close().unwrap();
    assert_eq!(read_all(&*place.open(), &at("a", 0)), [1, 4]);
}
