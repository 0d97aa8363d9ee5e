//! What a reader sees, whatever the maintenance thread does meanwhile.

use crate::support::{
    FLUSHES_TO_MERGE, Installs, Model, Random, Watched, all_of, collect, counted, flush_one, open, open_watched,
    value_of, wait_for_first_move, wait_for_merge,
};
use linecook_rows::{ErrorKind, KeyRange, Lookup, Number, Options, Overlay, Snapshot, Store};
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::tempdir;

#[test]
fn a_commit_is_seen_from_the_moment_it_is_applied() {
    let folder = tempdir().unwrap();
    let store = open(folder.path());
    assert_eq!(value_of(&store, "a"), None);
    store.apply(Number(1), [("a", Some("1"))]).unwrap();
    assert_eq!(value_of(&store, "a").as_deref(), Some("1"));
    assert_eq!(store.applied(), Number(1));
}

/// The tree's bound is exclusive: with N + 2 the snapshot would see commit 2, with N not even commit 1.
#[test]
fn a_snapshot_sees_its_own_commit_and_not_the_next_one() {
    let folder = tempdir().unwrap();
    let store = open(folder.path());
    store.apply(Number(1), [("a", "1"), ("b", "1")].map(|(k, v)| (k, Some(v)))).unwrap();
    let snapshot = store.snapshot().unwrap();
    store.apply(Number(2), [("a", Some("2")), ("b", None)]).unwrap();

    assert_eq!(snapshot.number(), Number(1));
    assert_eq!(snapshot.get("a").unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(collect(snapshot.scan(KeyRange::all())).len(), 2);
    assert_eq!(all_of(&store), Model::from([(b"a".to_vec(), b"2".to_vec())]));
}

/// The tree stamps versions from a counter and serves a read from the newest version stamped below its bound. Each
/// commit here is flushed and may be moved to another level, so the counter passes the commits' numbers; reads were
/// then served from old versions, in which the last commits are missing.
#[test]
fn a_read_at_a_low_number_is_served_from_the_newest_version() {
    let folder = tempdir().unwrap();
    let store = open(folder.path());
    for number in 1..=20 {
        flush_one(&store, number, &format!("key-{number:02}"), Some("1"));
        assert_eq!(all_of(&store).len() as u64, number);
    }
    for number in 1..=20 {
        assert!(value_of(&store, &format!("key-{number:02}")).is_some(), "number={number}");
    }
}

/// A flush that keeps only the newest version of a row drops the one that the snapshot needs.
#[test]
fn a_snapshot_keeps_its_version_of_a_row_when_newer_ones_are_flushed() {
    let folder = tempdir().unwrap();
    let store = open(folder.path());
    store.apply(Number(1), [("a", Some("1")), ("b", Some("1"))]).unwrap();
    let snapshot = store.snapshot().unwrap();
    store.apply(Number(2), [("a", Some("2")), ("b", None)]).unwrap();
    store.flush_now().unwrap();

    assert_eq!(snapshot.get("a").unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(snapshot.get("b").unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(value_of(&store, "b"), None);
}

/// The watermark of the tree drops an older version whose own number is below it, though the newer one is invisible to
/// the snapshot; here version 1 below a watermark of 2, with the snapshot at 1.
#[test]
fn a_snapshot_keeps_its_version_of_a_row_when_tables_are_merged() {
    let folder = tempdir().unwrap();
    let installs = Installs::default();
    let store = open_watched(folder.path(), counted(&installs));
    flush_one(&store, 1, "a", Some("1"));
    wait_for_first_move(&installs);
    let snapshot = store.snapshot().unwrap();
    for number in 2..=1 + FLUSHES_TO_MERGE {
        flush_one(&store, number, "a", Some("newer"));
    }
    wait_for_merge(&installs);

    assert_eq!(snapshot.get("a").unwrap().as_deref(), Some(&b"1"[..]));
    assert_eq!(collect(snapshot.scan(KeyRange::all()))[&b"a"[..]], b"1");
}

/// Registering and taking the newest number have to be one step. Otherwise: a reader takes 7; commit 8 replaces both
/// rows and is about to be flushed; nobody is registered, so only version 8 is kept; the reader registers, and when the
/// flush has ended asks for version 7, and finds nothing.
///
/// Two commits are flushed together in each round, and the reader begins while the second is on its way.
#[test]
fn a_reader_who_begins_beside_a_flush_sees_a_whole_commit() {
    let folder = tempdir().unwrap();
    let store = open(folder.path());
    let rounds = || (1..=300).map(|round| 2 * round);
    let [applied, begun, flushed] = std::array::from_fn(|_| Watched::<u64>::default());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in rounds() {
                applied.wait_until("the first commit", |first| *first == number - 1);
                begun.update(|begun| *begun = number);
                let snapshot = store.snapshot().unwrap();
                flushed.wait_until("the flush", |flushed| *flushed == number);
                assert_pair(&snapshot);
            }
        });
        for number in rounds() {
            write_pair(&store, number - 1);
            applied.update(|applied| *applied = number - 1);
            begun.wait_until("the reader", |begun| *begun == number);
            write_pair(&store, number);
            store.flush_now().unwrap();
            flushed.update(|flushed| *flushed = number);
        }
    });
}

fn write_pair(store: &Store, number: u64) {
    let value = number.to_le_bytes();
    store.apply(Number(number), [("a", Some(&value[..])), ("b", Some(&value[..]))]).unwrap();
}

fn assert_pair(snapshot: &Snapshot) {
    let expected = snapshot.number().0.to_le_bytes();
    for key in ["a", "b"] {
        assert_eq!(snapshot.get(key).unwrap().as_deref(), Some(&expected[..]));
    }
    let rows = collect(snapshot.scan(KeyRange::all()));
    assert!(rows.len() == 2 && rows.values().all(|value| *value == expected), "{rows:?}");
}

/// Half a commit is visible if it is published before its last row is in the memtable.
#[test]
fn readers_never_see_half_a_commit() {
    let folder = tempdir().unwrap();
    let store = open(folder.path());
    write_pair(&store, 1);
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                assert_pair(&store.snapshot().unwrap());
            }
        });
        for number in 2..=2000 {
            write_pair(&store, number);
        }
        is_done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_scan_goes_on_while_its_rows_are_replaced_flushed_and_merged_away() {
    let folder = tempdir().unwrap();
    let installs = Installs::default();
    let store = open_watched(folder.path(), counted(&installs));
    let keys: Vec<String> = (0..1000).map(|index| format!("key-{index:04}")).collect();
    store.apply(Number(1), keys.iter().map(|key| (key, Some("old")))).unwrap();
    store.flush_now().unwrap();
    wait_for_first_move(&installs);
    let mut rows = store.scan(KeyRange::all()).unwrap();
    let mut seen = vec![rows.next().unwrap().unwrap()];

    for number in 2..=1 + FLUSHES_TO_MERGE {
        let value = (number % 2 == 0).then_some("new");
        store.apply(Number(number), keys.iter().map(|key| (key, value))).unwrap();
        store.flush_now().unwrap();
    }
    wait_for_merge(&installs);
    assert!(all_of(&store).is_empty());

    seen.extend(rows.map(Result::unwrap));
    assert_eq!(seen.len(), keys.len());
    assert!(seen.iter().zip(&keys).all(|((key, value), expected)| key == expected && value == "old"));
}

/// A tombstone that is dropped before the last version below it would bring the row back.
#[test]
fn a_deleted_row_stays_deleted_through_merges_and_a_restart() {
    let folder = tempdir().unwrap();
    let mut random = Random::seeded(7);
    let options = || Options { memtable_bytes: 2048, ..Options::default() };
    let mut store = Store::open(folder.path(), options()).unwrap();
    let keys: Vec<String> = (0..40).map(|index| format!("deleted-{index}")).collect();
    store.apply(Number(1), keys.iter().map(|key| (key, Some("old")))).unwrap();
    store.flush_now().unwrap();
    store.apply(Number(2), keys.iter().map(|key| (key, None::<&str>))).unwrap();
    for number in 3..200 {
        let others = (0..20).map(|_| (format!("other-{}", random.below(50)), Some("filler")));
        store.apply(Number(number), others).unwrap();
        if number % 50 == 0 {
            store.close().unwrap();
            drop(store);
            store = Store::open(folder.path(), options()).unwrap();
        }
        assert_eq!(store.scan(KeyRange::prefix("deleted-")).unwrap().count(), 0);
        assert!(keys.iter().all(|key| store.get(key).unwrap().is_none()));
    }
}

#[test]
fn the_last_change_of_a_key_in_a_commit_counts() {
    let folder = tempdir().unwrap();
    let store = open(folder.path());
    let rows = [("a", Some("1")), ("a", None), ("b", None), ("b", Some("2"))];
    store.apply(Number(1), rows).unwrap();
    for _ in 0..2 {
        assert_eq!(value_of(&store, "a"), None);
        assert_eq!(value_of(&store, "b").as_deref(), Some("2"));
        store.flush_now().unwrap();
    }
}

#[test]
fn pages_behind_the_last_key_add_up_to_the_whole_scan() {
    let folder = tempdir().unwrap();
    let store = open(folder.path());
    let keys = ["a", "p", "p/", "p/1", "p/1\0", "p/2", "p0", "q"];
    store.apply(Number(1), keys.map(|key| (key, Some("")))).unwrap();

    let mut pages: Vec<Vec<u8>> = Vec::new();
    let mut range = KeyRange::prefix("p");
    loop {
        let page: Vec<_> = store.scan(range.clone()).unwrap().take(2).map(Result::unwrap).collect();
        let Some((last, _)) = page.last() else { break };
        range = range.after(last);
        pages.extend(page.iter().map(|(key, _)| key.to_vec()));
    }
    assert_eq!(pages, ["p", "p/", "p/1", "p/1\0", "p/2", "p0"].map(|key| key.as_bytes().to_vec()));
}

#[test]
fn the_empty_key_is_a_row_like_any_other() {
    let folder = tempdir().unwrap();
    let store = open(folder.path());
    flush_one(&store, 1, "", Some("empty"));
    assert_eq!(value_of(&store, "").as_deref(), Some("empty"));
    assert_eq!(all_of(&store).len(), 1);
}

#[test]
fn a_commit_with_a_key_too_long_is_refused_as_a_whole() {
    let folder = tempdir().unwrap();
    let store = open(folder.path());
    let longest = "k".repeat(65_534);
    let too_long = "k".repeat(65_535);
    let refused = store.apply(Number(1), [("a", Some("1")), (too_long.as_str(), Some("1"))]);
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(store.get(&too_long).unwrap(), None);

    flush_one(&store, 1, &longest, Some("1"));
    let only = Model::from([(longest.into_bytes(), b"1".to_vec())]);
    assert_eq!(all_of(&store), only);
}

#[test]
fn a_number_that_is_not_above_the_last_one_is_refused() {
    let folder = tempdir().unwrap();
    let store = open(folder.path());
    flush_one(&store, 5, "a", Some("5"));
    for number in [4, 5] {
        let refused = store.apply(Number(number), [("a", Some("again"))]).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
        assert_eq!(
            refused.to_string(),
            format!("commits must be applied in ascending order: number={number} applied=5")
        );
    }
    assert_eq!(value_of(&store, "a").as_deref(), Some("5"));
}

#[test]
fn a_member_reads_its_own_commits_over_the_store() {
    let folder = tempdir().unwrap();
    let store = open(folder.path());
    let stored = [("p/1", "s"), ("p/2", "s"), ("p/3", "s"), ("q", "s")];
    store.apply(Number(1), stored.map(|(key, value)| (key, Some(value)))).unwrap();
    let mut overlay = Overlay::default();
    for (key, value) in [("p/0", Some("m")), ("p/2", None), ("p/3", Some("m")), ("r", Some("m"))] {
        overlay.record(Number(2), key.into(), value.map(Into::into));
    }

    let merged = |overlay: &Overlay| -> Vec<(String, String)> {
        let snapshot = store.snapshot().unwrap();
        let text = |bytes: bytes::Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        overlay
            .scan(&snapshot, KeyRange::prefix("p/"))
            .map(|row| row.map(|(key, value)| (text(key), text(value))).unwrap())
            .collect()
    };
    let expected = [("p/0", "m"), ("p/1", "s"), ("p/3", "m")].map(|(k, v)| (k.into(), v.into()));
    assert_eq!(merged(&overlay), expected);

    let rows = [("p/0", Some("m")), ("p/2", None), ("p/3", Some("m")), ("r", Some("m"))];
    store.apply(Number(2), rows).unwrap();
    assert_eq!(merged(&overlay), expected);
    overlay.retire(store.applied());
    assert_eq!(overlay.get("p/0"), Lookup::NotRecorded);
    assert_eq!(merged(&overlay), expected);
}

#[test]
#[should_panic(expected = "the overlay was retired before the snapshot was taken")]
fn an_overlay_refuses_a_snapshot_that_misses_what_it_has_retired() {
    let folder = tempdir().unwrap();
    let store = open(folder.path());
    let snapshot = store.snapshot().unwrap();
    store.apply(Number(1), [("a", Some("1"))]).unwrap();
    let mut overlay = Overlay::default();
    overlay.retire(store.applied());
    overlay.scan(&snapshot, KeyRange::all());
}
