//! What is on disk, what the log has to replay, and who waits for the disk.

use crate::support::{
    FLUSHES_TO_MERGE, Installs, NO_ROWS, Watched, all_of, counted, flush_one, open, open_watched, value_of,
    wait_for_first_move, wait_for_merge,
};
use linecook_rows::{ErrorKind, KeyRange, Number, Options, Store};
use std::sync::{Arc, OnceLock, Weak};
use tempfile::tempdir;

#[test]
fn replay_begins_behind_what_was_flushed() {
    let folder = tempdir().unwrap();
    let store = open(folder.path());
    flush_one(&store, 3, "a", Some("3"));
    store.apply(Number(4), [("a", Some("4"))]).unwrap();
    assert_eq!((store.persisted(), store.applied()), (Number(3), Number(4)));
    drop(store);

    let store = open(folder.path());
    assert_eq!((store.persisted(), store.applied()), (Number(3), Number(3)));
    assert_eq!(value_of(&store, "a").as_deref(), Some("3"));
    store.apply(Number(4), [("a", Some("4"))]).unwrap();
    assert_eq!(value_of(&store, "a").as_deref(), Some("4"));
}

#[test]
fn closing_persists_everything() {
    let folder = tempdir().unwrap();
    let store = open(folder.path());
    store.apply(Number(9), [("a", Some("9"))]).unwrap();
    store.close().unwrap();
    assert_eq!(store.persisted(), Number(9));
    drop(store);
    assert_eq!(value_of(&open(folder.path()), "a").as_deref(), Some("9"));
}

/// The tables know no number of a commit without rows; only the marker does.
#[test]
fn the_replay_position_follows_commits_without_rows() {
    let folder = tempdir().unwrap();
    let store = open(folder.path());
    flush_one(&store, 1, "a", Some("1"));
    store.advance(Number(7)).unwrap();
    store.apply(Number(8), NO_ROWS).unwrap();
    assert_eq!(store.oldest_unpersisted(), None);
    assert_eq!(store.persisted(), Number(1));
    store.flush_now().unwrap();
    drop(store);
    assert_eq!(open(folder.path()).persisted(), Number(8));
}

/// A merge into the last level drops a deleted row with its tombstone, and with it the highest number in the tables.
/// A replay from that number would apply old commits above newer ones.
#[test]
fn the_replay_position_stays_when_a_merge_drops_the_newest_rows() {
    let folder = tempdir().unwrap();
    let installs = Installs::default();
    let store = open_watched(folder.path(), counted(&installs));
    flush_one(&store, 1, "a", Some("1"));
    wait_for_first_move(&installs);
    for number in 2..=1 + FLUSHES_TO_MERGE {
        flush_one(&store, number, "a", None);
    }
    wait_for_merge(&installs);
    drop(store);
    let store = open(folder.path());
    assert_eq!(store.persisted(), Number(1 + FLUSHES_TO_MERGE));
    assert!(all_of(&store).is_empty());
}

/// A row inserted again under its number would lie above the newer versions that were persisted.
#[test]
fn what_is_persisted_is_not_taken_again() {
    let folder = tempdir().unwrap();
    let store = open(folder.path());
    flush_one(&store, 1, "a", Some("1"));
    flush_one(&store, 2, "a", Some("2"));
    drop(store);

    let store = open(folder.path());
    store.apply(Number(1), [("a", Some("again"))]).unwrap();
    store.advance(Number(2)).unwrap();
    assert_eq!(value_of(&store, "a").as_deref(), Some("2"));
    assert_eq!(store.oldest_unpersisted(), None);
    assert_eq!(store.applied(), Number(2));
}

#[test]
fn the_oldest_unpersisted_commit_is_the_first_with_rows() {
    let folder = tempdir().unwrap();
    let store = open(folder.path());
    store.apply(Number(1), NO_ROWS).unwrap();
    assert_eq!(store.oldest_unpersisted(), None);
    store.apply(Number(2), [("a", Some("2"))]).unwrap();
    store.apply(Number(3), [("a", Some("3"))]).unwrap();
    assert_eq!(store.oldest_unpersisted(), Some(Number(2)));
    store.flush_now().unwrap();
    assert_eq!(store.oldest_unpersisted(), None);
    store.apply(Number(4), [("a", Some("4"))]).unwrap();
    assert_eq!(store.oldest_unpersisted(), Some(Number(4)));
}

#[test]
fn asking_for_it_persists_a_memtable_that_is_not_full() {
    let folder = tempdir().unwrap();
    let installs = Installs::default();
    let store = open_watched(folder.path(), counted(&installs));
    store.apply(Number(1), [("a", Some("1"))]).unwrap();
    store.persist_soon();
    installs.wait_until("a flush", |count| *count >= 1);
    drop(store);
    assert_eq!(open(folder.path()).persisted(), Number(1));
}

/// Installing a version takes several fsyncs, under a lock that an insert through the tree needs. Here the maintenance
/// thread is held up with a memtable in its hands; commits are applied, sealed and read all the same.
#[test]
fn commits_are_applied_and_read_while_a_flush_is_under_way() {
    let folder = tempdir().unwrap();
    let gate = Arc::new(Watched::<bool>::default());
    let hold = Arc::clone(&gate);
    let hold = Arc::new(move |_: &_| {
        hold.wait_until("the gate", |is_open| *is_open);
    });
    let store = open_watched(folder.path(), hold);
    store.apply(Number(1), [("a", Some("1"))]).unwrap();
    store.persist_soon();

    for number in 2..=100 {
        store.apply(Number(number), [("a", Some(&*number.to_string()))]).unwrap();
        if number == 50 {
            store.persist_soon();
        }
        assert_eq!(value_of(&store, "a"), Some(number.to_string()));
    }
    assert_eq!(store.persisted(), Number(0));
    gate.update(|is_open| *is_open = true);
    store.close().unwrap();
    assert_eq!(store.persisted(), Number(100));
}

/// Each commit fills a memtable, so the writer may be three commits ahead of the disk: whenever a version is installed,
/// it is given the time to get there, and the chance to run further ahead.
#[test]
fn a_writer_waits_when_three_memtables_wait_for_the_disk() {
    const LAST: u64 = 60;
    let folder = tempdir().unwrap();
    let applied = Arc::new(Watched::<u64>::default());
    let most_ahead = Arc::new(Watched::<u64>::default());
    let store = Arc::new(OnceLock::<Weak<Store>>::new());
    let installed = {
        let (applied, most_ahead) = (Arc::clone(&applied), Arc::clone(&most_ahead));
        let store = Arc::clone(&store);
        Arc::new(move |_: &_| {
            let store = store.get().and_then(Weak::upgrade).unwrap();
            let limit = LAST.min(store.persisted().0 + 3);
            applied.wait_until("the writer fills what there is", |applied| *applied >= limit);
            std::thread::yield_now();
            let ahead = store.applied().0 - store.persisted().0;
            most_ahead.update(|most| *most = ahead.max(*most));
        })
    };
    let options = Options { memtable_bytes: 1, installed: Some(installed), ..Options::default() };
    let opened = Arc::new(Store::open(folder.path(), options).unwrap());
    store.set(Arc::downgrade(&opened)).unwrap();
    for number in 1..=LAST {
        opened.apply(Number(number), [("a", Some("1"))]).unwrap();
        applied.update(|applied| *applied = number);
    }
    opened.close().unwrap();
    assert_eq!(most_ahead.wait_until("now", |_| true), 3);
}

#[test]
fn a_closed_store_refuses_and_its_readers_go_on() {
    let folder = tempdir().unwrap();
    let store = open(folder.path());
    store.apply(Number(1), [("a", Some("1"))]).unwrap();
    let snapshot = store.snapshot().unwrap();
    store.close().unwrap();
    store.close().unwrap();

    let refused = [
        store.apply(Number(2), [("a", Some("2"))]).unwrap_err(),
        store.advance(Number(2)).unwrap_err(),
        store.get("a").unwrap_err(),
        store.snapshot().unwrap_err(),
        store.flush_now().unwrap_err(),
    ];
    assert!(refused.iter().all(|error| error.kind() == ErrorKind::Closed), "{refused:?}");
    assert_eq!(snapshot.get("a").unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(snapshot.scan(KeyRange::all()).count(), 1);
}
