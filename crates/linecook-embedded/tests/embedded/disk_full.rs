//! A disk that is full, or nearly.

use linecook_log::{Commit, ErrorKind, Output};

use crate::support::{
    Place, append, at, commit_copy, consumed, copy, create, group, join, number_in, numbers, padded, poll_records,
    read_all, refusal, store, table, tiny, until, wait,
};

#[test]
fn below_the_reserve_writes_are_refused_and_reads_go_on_until_there_is_room() {
    let mut options = tiny();
    options.reserve_bytes = 1 << 20;
    let place = Place::new(options);
    let log = place.open();
    create(&*log, &["a", "b"], 1);
    store(&*log, &at("a", 0), [1]);
    let mut member = join(&*log, &group("g"), "a");
    let fetches = poll_records(&mut *member, 1000);
    place.files.set_free_bytes(1000);
    until("it refuses", || log.status().refuses_writes.is_some());
    let told = refusal(append(&*log, &at("a", 0), 2), ErrorKind::Full);
    assert!(told.contains("free_bytes=1000") && told.contains("reserve_bytes=1048576"), "{told}");
    let commit = copy(&mut *member, &fetches, Some("b")).unwrap();
    refusal(member.commit(commit), ErrorKind::Full);
    refusal(log.join(crate::support::spec(&group("new"), &["a"], 0)).map(drop), ErrorKind::Full);
    assert_eq!(read_all(&*log, &at("a", 0)), [1]);
    assert_eq!(log.describe().unwrap().len(), 2);

    place.files.set_free_bytes(1 << 30);
    until("it goes on by itself", || log.status().refuses_writes.is_none());
    let fetches = poll_records(&mut *member, 1000);
    let commit = copy(&mut *member, &fetches, Some("b")).unwrap();
    wait(&member.commit(commit).unwrap()).unwrap();
    store(&*log, &at("a", 0), [2]);
    assert_eq!(read_all(&*log, &at("a", 0)), [1, 2]);
    assert_eq!(read_all(&*log, &at("b", 0)), [1]);
}

#[test]
fn a_write_that_finds_no_room_leaves_nothing_and_the_next_one_is_fine() {
    let mut place = Place::new(tiny());
    let log = place.open();
    create(&*log, &["a", "b"], 1);
    store(&*log, &at("a", 0), [1]);
    let mut member = join(&*log, &group("g"), "a");
    // So many bytes are free that a roll, then the write of a frame larger than a segment, fails in its middle.
    for free in [0, 100, 5000, 17_000, 20_000] {
        let fetches = poll_records(&mut *member, 1000);
        place.files.set_free_bytes(free);
        let ticket = log.append(&at("b", 0), padded([7], 30_000)).unwrap();
        refusal(wait(&ticket), ErrorKind::Full);
        let mut commit = copy(&mut *member, &fetches, None).unwrap();
        commit.outputs.push(Output { to: at("b", 0), batch: padded([8], 30_000) });
        refusal(member.commit(commit), ErrorKind::Full);
        assert_eq!(read_all(&*log, &at("b", 0)), [], "free {free}");
        assert_eq!(consumed(&*log, &group("g"), &at("a", 0)).unwrap().0, 0);
        let total = member.get(&table(), at("a", 0).partition, b"total").unwrap();
        assert_eq!(total.map(|total| number_in(&total)), None, "no row of a commit that did not happen");
    }
    place.files.set_free_bytes(1 << 30);
    store(&*log, &at("b", 0), [9]);
    let fetches = poll_records(&mut *member, 1000);
    wait(&commit_copy(&mut *member, &fetches, Some("b")).unwrap()).unwrap();
    assert_eq!(read_all(&*log, &at("b", 0)), [9, 1]);
    drop(member);
    place.kill(log);
    assert_eq!(read_all(&*place.open(), &at("b", 0)), [9, 1]);
}

/// A first frame that did not fit into its empty segment began another one, of the same commit and so in the same file,
/// which was then listed, cut and dropped twice. So with a commit larger than a segment, and with one after a write that
/// failed.
#[test]
fn a_commit_larger_than_an_empty_segment_is_kept() {
    let mut options = tiny();
    options.segment_bytes = 4096;
    let mut place = Place::new(options);
    let log = place.open();
    // Many topics: their definition alone is larger than a segment.
    let names: Vec<_> = (0..400).map(|n| format!("topic-of-a-long-name-{n}")).collect();
    create(&*log, &names.iter().map(String::as_str).collect::<Vec<_>>(), 1);
    place.files.set_free_bytes(50_000);
    refusal(wait(&log.append(&at(&names[0], 0), padded([1], 100_000)).unwrap()), ErrorKind::Full);
    place.files.set_free_bytes(1 << 30);
    for number in 2..6 {
        wait(&log.append(&at(&names[0], 0), padded([number], 100_000)).unwrap()).unwrap();
    }
    place.kill(log);
    let log = place.open();
    assert_eq!(log.describe().unwrap().len(), 400);
    assert_eq!(read_all(&*log, &at(&names[0], 0)), [2, 3, 4, 5]);
}

#[test]
fn a_full_disk_can_be_opened_and_read() {
    let mut place = Place::new(tiny());
    let log = place.open();
    create(&*log, &["a"], 1);
    store(&*log, &at("a", 0), 0..100);
    place.kill(log);
    place.files.set_free_bytes(0);
    let log = place.open();
    assert_eq!(read_all(&*log, &at("a", 0)).len(), 100);
    refusal(wait(&log.append(&at("a", 0), padded([100], 30_000)).unwrap()), ErrorKind::Full);
    place.files.set_free_bytes(1 << 30);
    store(&*log, &at("a", 0), [100]);
    place.kill(log);
    assert_eq!(read_all(&*place.open(), &at("a", 0)).len(), 101);
}

#[test]
fn an_empty_commit_and_one_of_nothing_but_offsets_are_what_they_are() {
    let place = Place::new(tiny());
    let log = place.open();
    create(&*log, &["a"], 1);
    store(&*log, &at("a", 0), [1]);
    let mut member = join(&*log, &group("g"), "a");
    refusal(member.commit(Commit::default()), ErrorKind::Invalid);
    let end = poll_records(&mut *member, 1000)[0].batch.end();
    let empty = Output { to: at("a", 0), batch: numbers([]) };
    let commit = Commit { outputs: vec![empty], rows: Vec::new(), offsets: vec![(at("a", 0), end)] };
    wait(&member.commit(commit).unwrap()).unwrap();
    assert_eq!(consumed(&*log, &group("g"), &at("a", 0)).unwrap(), end);
}
