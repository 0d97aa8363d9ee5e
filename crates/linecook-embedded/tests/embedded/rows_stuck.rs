//! Rows that cannot be written to disk, for a while.

use std::{
    fs,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use linecook_embedded::fault::Syncs;
use linecook_log::{Commit, ErrorKind, Log, Member, Offset, Result, Ticket, TopicSpec};

use crate::support::{
    PATIENCE, Place, at, create, figure, group, join, number_in, poll_records, read_all, refusal, row, store, table,
    tiny, topic, until, wait,
};

/// No rows can be written while there is a file where the folder of their tables was.
fn break_rows(place: &Place) {
    fs::rename(place.rows_folder().join("tree/tables"), place.rows_folder().join("away")).unwrap();
    fs::write(place.rows_folder().join("tree/tables"), "").unwrap();
}

fn mend_rows(place: &Place) {
    fs::remove_file(place.rows_folder().join("tree/tables")).unwrap();
    fs::rename(place.rows_folder().join("away"), place.rows_folder().join("tree/tables")).unwrap();
}

/// A commit whose rows fill a memtable.
fn commit_rows(member: &mut dyn Member, offset: Offset, number: u64) -> Result<Ticket> {
    let mut commit = Commit { offsets: vec![(at("a", 0), offset)], ..Commit::default() };
    commit.rows.extend((0..10_u8).map(|key| row(at("a", 0).partition, &[key; 500], number)));
    member.commit(commit)
}

/// A log with a member, and the offset that it commits.
fn open(place: &Place) -> (Arc<dyn Log>, Box<dyn Member>, Offset) {
    let log = place.open();
    create(&*log, &["a"], 1);
    store(&*log, &at("a", 0), [1]);
    let mut member = join(&*log, &group("g"), "a");
    let end = poll_records(&mut *member, 1000)[0].batch.end();
    (log, member, end)
}

/// Its rows could not be shown before the log was closed, so the ticket of a commit ended with `Closed`, which says that
/// nothing was stored: who believed it did the work again, although the commit was there.
#[test]
fn a_commit_that_is_on_disk_and_never_became_visible_is_not_called_refused() {
    let mut options = tiny();
    options.memtable_bytes = 1000;
    let place = Place::new(options);
    let (log, mut member, end) = open(&place);
    break_rows(&place);
    let mut tickets = Vec::new();
    for number in 0..8 {
        tickets.push(commit_rows(&mut *member, end, number).unwrap());
    }
    let number = |name| figure(&*log, name);
    let is_published = || number("log_published_number") >= number("log_frames_total");
    until("all is on disk", is_published);
    let before = number("log_frames_total");
    let creating = Arc::clone(&log);
    let created =
        thread::spawn(move || creating.create_topics(&[TopicSpec { name: topic("late"), partition_count: 1 }]));
    until("the topic is on disk", || number("log_frames_total") > before && is_published());
    assert!(number("log_visible_number") < number("log_published_number"), "and not visible");
    log.close().ok();
    let told = refusal(created.join().unwrap(), ErrorKind::Unknown);
    assert!(told.contains("is stored"), "{told}");
    let told = refusal(wait(&tickets.pop().unwrap()), ErrorKind::Unknown);
    assert!(told.contains("is stored"), "{told}");
    drop(member);
    drop(log);
    mend_rows(&place);
    let log = place.open();
    let rows = log.rows(&group("g"), &table()).unwrap();
    let last = rows.get(at("a", 0).partition, &[0; 500]).unwrap().unwrap();
    assert_eq!(number_in(&last), 7, "it is there");
    assert!(log.describe().unwrap().iter().any(|topic| topic.name.as_str() == "late"));
}

/// A program that created its topics while rows could not be written waited for ever, and said nothing.
#[test]
fn what_is_defined_and_does_not_become_visible_is_told_after_some_seconds() {
    let mut options = tiny();
    options.memtable_bytes = 1000;
    let place = Place::new(options);
    let (log, mut member, end) = open(&place);
    break_rows(&place);
    let tickets: Vec<_> = (0..8).map(|number| commit_rows(&mut *member, end, number).unwrap()).collect();
    let creating = Arc::clone(&log);
    let (sender, created) = mpsc::channel();
    let create = move || sender.send(creating.create_topics(&[TopicSpec { name: topic("late"), partition_count: 1 }]));
    let creating = thread::spawn(create);
    let outcome = created.recv_timeout(PATIENCE).expect("it does not wait for ever");
    creating.join().unwrap().unwrap();
    let told = refusal(outcome, ErrorKind::Unknown);
    assert!(told.contains("is stored") && told.contains("not visible yet"), "{told}");
    assert!(told.contains("flush a memtable failed"), "{told}");
    mend_rows(&place);
    tickets.iter().for_each(|ticket| wait(ticket).unwrap());
    store(&*log, &at("late", 0), [1]);
    assert_eq!(read_all(&*log, &at("late", 0)), [1]);
}

/// A worker whose commit found no room for its rows waited as long as they could not be written: for ever, also when
/// the log was being closed, and nobody was told.
#[test]
fn commits_are_refused_and_the_log_says_so_while_rows_cannot_be_written() {
    let mut options = tiny();
    options.memtable_bytes = 1000;
    options.pending_rows_bytes = 20_000;
    let place = Place::new(options);
    let (log, mut member, end) = open(&place);
    break_rows(&place);
    let (sender, committed) = mpsc::channel();
    let worker = thread::spawn(move || {
        let error = (0..1000).find_map(|number| commit_rows(&mut *member, end, number).err());
        sender.send(error).unwrap();
        member
    });
    let error = committed.recv_timeout(PATIENCE).expect("it does not wait for ever").expect("it is refused");
    let told = refusal(Err::<(), _>(error), ErrorKind::Unavailable);
    assert!(told.contains("rows") && told.contains("flush a memtable failed"), "{told}");
    let refused = log.status().refuses_writes.expect("it says that it takes nothing");
    assert!(refused.chain().contains("flush a memtable failed"), "{}", refused.chain());
    let mut member = worker.join().unwrap();
    mend_rows(&place);
    until("it goes on by itself", || log.status().refuses_writes.is_none());
    wait(&commit_rows(&mut *member, end, 5000).unwrap()).unwrap();
    assert_eq!(read_all(&*log, &at("a", 0)), [1]);
}

/// See above: what waits for room is told at once when the log is being closed.
#[test]
fn a_commit_that_waits_for_room_hears_of_a_close() {
    let mut options = tiny();
    options.pending_rows_bytes = 20_000;
    let place = Place::new(options);
    let (log, mut member, end) = open(&place);
    place.files.set_syncs(Syncs::Hanging);
    let (sender, committed) = mpsc::channel();
    thread::spawn(move || {
        let error = (0..1000).find_map(|number| commit_rows(&mut *member, end, number).err());
        sender.send(error.expect("it is refused")).unwrap();
    });
    until("it waits for room", || figure(&*log, "log_pending_rows_bytes") >= 20_000.0);
    let closing = Arc::clone(&log);
    let closing = thread::spawn(move || closing.close());
    // The close waits for the sync; the commit does not.
    let error = committed.recv_timeout(Duration::from_secs(2)).expect("it is told at once");
    refusal(Err::<(), _>(error), ErrorKind::Closed);
    place.files.set_syncs(Syncs::Honest);
    closing.join().unwrap().unwrap();
}
