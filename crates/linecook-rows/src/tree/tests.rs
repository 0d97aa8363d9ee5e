use super::*;
use lsm_tree::ValueType;
use std::{
    ops::ControlFlow,
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};
use tempfile::{TempDir, tempdir};

fn open() -> (TempDir, Tree) {
    open_with(Arc::new(|| ControlFlow::Continue(())))
}

fn open_with(pause: Pause) -> (TempDir, Tree) {
    let folder = tempdir().unwrap();
    let sizes = Sizes { memtable_bytes: 1024, cache_bytes: 1024, open_files: 8 };
    let tree = Tree::open(folder.path(), &sizes, pause).unwrap();
    (folder, tree)
}

/// As often as makes a merge due the same thousand rows, each time with another value.
fn flush_until_merge_is_due(tree: &Tree) {
    for number in 1..=u64::from(L0_RUNS_MERGED) {
        flush_rows(tree, number);
    }
}

fn flush_rows(tree: &Tree, number: u64) {
    for key in 0..1000 {
        let (key, value) = (format!("key-{key:04}"), number.to_string());
        tree.active_memtable().insert(InternalValue::from_components(key, value, number, ValueType::Value));
    }
    tree.flush(&tree.rotate().unwrap(), Retain::Newest).unwrap();
}

/// With a reader who needs all: otherwise the tree forgets old versions by itself, however they are stamped.
fn merge_all(tree: &Tree) {
    while tree.compact(Retain::All).unwrap() == Compacted::Some {}
}

fn value_of(tree: &Tree, key: &str) -> Option<Bytes> {
    tree.get(key.as_bytes(), Number(9)).unwrap()
}

/// What comes in during a merge waited in memory until that was done: the more rows were stored, the more memory a
/// pizzeria took, and its commits waited in the end.
#[test]
fn a_memtable_is_flushed_in_the_middle_of_a_merge() {
    let slot: Arc<OnceLock<Arc<Tree>>> = Arc::default();
    let pauses = Arc::new(AtomicUsize::new(0));
    let (of_pause, count) = (Arc::clone(&slot), Arc::clone(&pauses));
    let (_folder, tree) = open_with(Arc::new(move || {
        if let Some(tree) = of_pause.get()
            && count.fetch_add(1, Ordering::SeqCst) == 0
        {
            let l0_before = tree.inner.l0_run_count();
            flush_rows(tree, 9);
            assert_eq!(tree.inner.l0_run_count(), l0_before + 1);
            assert_eq!(value_of(tree, "key-0007").as_deref(), Some(&b"9"[..]), "in the middle of the merge");
        }
        ControlFlow::Continue(())
    }));
    let tree = Arc::new(tree);
    flush_until_merge_is_due(&tree);
    assert!(slot.set(Arc::clone(&tree)).is_ok());
    merge_all(&tree);
    assert!(pauses.load(Ordering::SeqCst) > 1, "it has paused");
    assert_eq!(value_of(&tree, "key-0007").as_deref(), Some(&b"9"[..]));
    assert_eq!(tree.inner.version_free_list_len(), 0, "no version was stamped so that it is not forgotten");
    assert_eq!(tree.inner.l0_run_count(), 1);
}

#[test]
fn a_merge_that_is_ended_in_a_pause_changes_nothing() {
    let (_folder, tree) = open_with(Arc::new(|| ControlFlow::Break(())));
    flush_until_merge_is_due(&tree);
    assert_eq!(tree.compact(Retain::Newest).unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(tree.inner.l0_run_count(), usize::from(L0_RUNS_MERGED));
    assert_eq!(value_of(&tree, "key-0999").as_deref(), Some(&b"8"[..]));
    assert_eq!(
        fs::read_dir(tree.folder.join("tables")).unwrap().count(),
        usize::from(L0_RUNS_MERGED),
        "nothing is left of it"
    );
}

#[test]
fn there_is_no_room_in_a_merge_when_too_many_flushed_memtables_are_there() {
    let (_folder, tree) = open();
    for number in 1.. {
        flush_rows(&tree, number);
        assert_eq!(tree.has_room(), number < L0_RUNS_MAX as u64);
        if !tree.has_room() {
            break;
        }
    }
    merge_all(&tree);
    assert!(tree.has_room());
}

/// Writes two versions of a row and flushes them.
fn flush_two_versions(tree: &Tree, retain: Retain, numbers: [u64; 2]) {
    for number in numbers {
        let row = InternalValue::from_components("key", "value", number, ValueType::Value);
        tree.active_memtable().insert(row);
    }
    tree.flush(&tree.rotate().unwrap(), retain).unwrap();
}

#[test]
fn superseded_versions_are_dropped_when_no_reader_needs_them() {
    let (_folder, tree) = open();
    flush_two_versions(&tree, Retain::All, [1, 2]);
    assert_eq!(tree.inner.approximate_len(), 2);
    flush_two_versions(&tree, Retain::Newest, [3, 4]);
    assert_eq!(tree.inner.approximate_len(), 3);
}

/// The tree forgets its old versions, with the memtables in them, below the watermark only. A reader who makes us
/// pass 0 would let memory grow with each flush.
#[test]
fn old_versions_are_forgotten_although_rows_are_retained() {
    let (_folder, tree) = open();
    for number in 0..10 {
        flush_two_versions(&tree, Retain::All, [2 * number + 1, 2 * number + 2]);
        while tree.compact(Retain::All).unwrap() == Compacted::Some {}
        assert_eq!(tree.inner.version_free_list_len(), 0);
    }
    assert_eq!(tree.inner.approximate_len(), 20);
}

#[test]
fn tables_without_a_marker_are_corrupt() {
    let (_folder, tree) = open();
    assert_eq!(tree.persisted().unwrap(), Number(0));
    flush_two_versions(&tree, Retain::All, [1, 2]);
    assert_eq!(tree.persisted().unwrap_err().kind(), ErrorKind::Corrupt);
}
