//! A disk that does not do its work, for a while or for good.

use crate::support::{
    Installs, all_of, counted, flush_one, in_time, open, open_watched, value_of, wait_for_first_move,
};
use linecook_rows::{Error, ErrorKind, Number, Options, Store};
use std::{error::Error as _, fs, path::Path, sync::Arc};
use tempfile::tempdir;

/// No table can be written while there is a file where their folder was. (Permissions would not stop a test that runs
/// as root.)
fn break_tables(folder: &Path) {
    fs::rename(folder.join("tree/tables"), folder.join("away")).unwrap();
    fs::write(folder.join("tree/tables"), "").unwrap();
}

fn mend_tables(folder: &Path) {
    fs::remove_file(folder.join("tree/tables")).unwrap();
    fs::rename(folder.join("away"), folder.join("tree/tables")).unwrap();
}

/// Every commit fills a memtable.
fn open_small(folder: &Path) -> Arc<Store> {
    let options = Options { memtable_bytes: 1, ..Options::default() };
    Arc::new(Store::open(folder, options).unwrap())
}

/// Applies commits until one is refused.
fn fill(store: &Arc<Store>) -> (u64, Error) {
    let store = Arc::clone(store);
    in_time(move || {
        let refused = (1..).find_map(|number| {
            let row = (number.to_string(), Some("row"));
            let error = store.apply(Number(number), [row]).err()?;
            Some((number, error))
        });
        refused.unwrap()
    })
}

/// A writer who waited for ever would stop the log without a word.
#[test]
fn a_writer_is_told_when_flushes_fail_and_memory_is_used_up() {
    let folder = tempdir().unwrap();
    let store = open_small(folder.path());
    break_tables(folder.path());
    let (refused, error) = fill(&store);

    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.to_string(), "rows cannot be written to disk for now: persisted=0");
    assert_eq!(error.source().unwrap().to_string(), "flush a memtable failed");
    assert_eq!(store.last_error().unwrap().kind(), ErrorKind::Unavailable);
    // Nothing of the refused commit is there, and all before it can be read.
    assert_eq!((refused, store.applied()), (4, Number(3)));
    assert_eq!(all_of(&store).len(), 3);
}

#[test]
fn nothing_is_lost_by_a_flush_that_fails_for_a_while() {
    let folder = tempdir().unwrap();
    let store = open_small(folder.path());
    break_tables(folder.path());
    let (refused, _) = fill(&store);
    assert_eq!(store.flush_now().unwrap_err().kind(), ErrorKind::Unavailable);
    mend_tables(folder.path());

    // An attempt that began before may still fail.
    assert!((0..3).any(|_| store.flush_now().is_ok()));
    assert_eq!(store.last_error().map(|error| error.to_string()), None);
    store.apply(Number(refused), [("after", Some("row"))]).unwrap();
    store.close().unwrap();
    drop(store);
    let store = open(folder.path());
    assert_eq!(store.persisted(), Number(refused));
    assert_eq!(all_of(&store).len() as u64, refused);
}

/// What a failed attempt has written stays on a full disk, and the next attempt adds to it.
#[test]
fn a_failed_flush_leaves_no_files_behind() {
    let folder = tempdir().unwrap();
    let store = open_small(folder.path());
    // The table can be written, the manifest cannot: its name is taken by a folder.
    let manifest = folder.path().join("tree/v1");
    fs::create_dir(&manifest).unwrap();
    store.apply(Number(1), [("a", Some("1"))]).unwrap();
    assert_eq!(store.flush_now().unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(store.close().unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(fs::read_dir(folder.path().join("tree/tables")).unwrap().count(), 0);
    drop(store);

    fs::remove_dir(&manifest).unwrap();
    let store = open(folder.path());
    assert_eq!(store.persisted(), Number(0));
    flush_one(&store, 1, "a", Some("1"));
    assert_eq!(value_of(&store, "a").as_deref(), Some("1"));
}

#[test]
fn the_writer_who_calls_again_gets_through_once_the_disk_does_its_work() {
    let folder = tempdir().unwrap();
    let store = open_small(folder.path());
    break_tables(folder.path());
    let (refused, _) = fill(&store);
    mend_tables(folder.path());
    // Each call waits for one attempt, so few are needed, and the back-off is their only pace.
    let is_through = (0..10).any(|_| store.apply(Number(refused), [("after", Some("row"))]).is_ok());
    assert!(is_through, "last_error={:?}", store.last_error());
}

/// The manifest is installed by renaming `current`. When that has happened and the tree was told that it failed, a
/// retry would overwrite the manifest that is in force, and removing its tables would lose rows.
#[test]
fn a_flush_that_may_have_happened_ends_the_store_and_removes_nothing() {
    let folder = tempdir().unwrap();
    let installs = Installs::default();
    let store = open_watched(folder.path(), counted(&installs));
    flush_one(&store, 1, "a", Some("1"));
    wait_for_first_move(&installs);
    // As after a rename whose sync failed: the disk names a version that memory does not.
    let current = folder.path().join("tree/current");
    let was = fs::read(&current).unwrap();
    let mut ahead = was.clone();
    ahead[0] += 10;
    fs::write(&current, &ahead).unwrap();
    break_tables(folder.path());

    store.apply(Number(2), [("a", Some("2"))]).unwrap();
    assert_eq!(store.flush_now().unwrap_err().kind(), ErrorKind::Unknown);
    assert_eq!(store.get("a").unwrap_err().kind(), ErrorKind::Unknown);
    assert_eq!(store.last_error().unwrap().kind(), ErrorKind::Unknown);
    assert_eq!(store.close().unwrap_err().kind(), ErrorKind::Unknown);
    drop(store);

    mend_tables(folder.path());
    fs::write(&current, &was).unwrap();
    assert_eq!(open(folder.path()).persisted(), Number(1));
}

/// A thread that dies silently leaves everyone waiting.
#[test]
fn a_panic_of_the_maintenance_thread_reaches_those_who_wait() {
    let folder = tempdir().unwrap();
    let installed = Arc::new(|_: &_| panic!("the hook has had enough"));
    let store = open_watched(folder.path(), installed);
    store.apply(Number(1), [("a", Some("1"))]).unwrap();
    let error = in_time(move || store.flush_now().unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Unknown);
    assert_eq!(error.to_string(), r#"maintenance panicked: panic="the hook has had enough""#);
}

/// Dropping a store while its flushes fail must not wait for a disk that may never come back.
#[test]
fn a_store_that_cannot_flush_can_be_dropped() {
    let folder = tempdir().unwrap();
    let store = open_small(folder.path());
    break_tables(folder.path());
    fill(&store);
    in_time(move || drop(store));
}
