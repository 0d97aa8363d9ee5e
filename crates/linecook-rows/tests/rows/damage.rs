//! Folders that are not what they should be.

use crate::support::{Model, all_of, collect, copy_folder, flush_one, open};
use linecook_rows::{Error, ErrorKind, KeyRange, Number, Options, Store};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::tempdir;

fn try_open(folder: impl AsRef<Path>) -> Result<Store, Error> {
    Store::open(folder, Options::default())
}

fn kind_of_open(folder: impl AsRef<Path>) -> ErrorKind {
    try_open(folder).map(|_| ()).unwrap_err().kind()
}

/// A store with a few tables, closed.
fn fill(folder: &Path) -> Model {
    let store = open(folder);
    for number in 1..=3 {
        let rows = (0..200).map(|index| (format!("{index}-{}", index % number), Some("a value")));
        store.apply(Number(number), rows).unwrap();
        store.flush_now().unwrap();
    }
    let model = all_of(&store);
    store.close().unwrap();
    model
}

/// Those that the store is made of: the note of what is persisted is for who does not open it.
fn files_of(folder: &Path) -> Vec<PathBuf> {
    let mut files = files_in(folder);
    files.retain(|path| !path.ends_with("persisted"));
    files
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, mut files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    files.extend(folders.iter().flat_map(|folder| files_in(folder)));
    files
}

/// An empty table where rows are missing would be the worst answer: its log may not reach back to them.
#[test]
fn a_store_that_lacks_any_of_its_files_is_corrupt() {
    let whole = tempdir().unwrap();
    fill(whole.path());
    let names = files_of(whole.path());
    assert!(names.len() >= 4, "{names:?}");
    for name in names {
        let damaged = tempdir().unwrap();
        copy_folder(whole.path(), damaged.path());
        fs::remove_file(damaged.path().join(name.strip_prefix(whole.path()).unwrap())).unwrap();
        assert_eq!(kind_of_open(&damaged), ErrorKind::Corrupt, "{name:?}");
    }
}

#[test]
fn a_store_without_its_tree_is_corrupt() {
    let folder = tempdir().unwrap();
    fill(folder.path());
    fs::remove_dir_all(folder.path().join("tree")).unwrap();
    assert_eq!(kind_of_open(&folder), ErrorKind::Corrupt);
}

/// The tree asserts that there are only files among its tables.
#[test]
fn a_tree_that_panics_when_it_is_opened_is_corrupt() {
    let folder = tempdir().unwrap();
    fill(folder.path());
    fs::create_dir(folder.path().join("tree/tables/9")).unwrap();
    let error = try_open(&folder).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("panic="), "{error}");
}

#[test]
fn a_file_cut_short_is_corrupt() {
    let whole = tempdir().unwrap();
    fill(whole.path());
    for name in files_of(whole.path()) {
        for keep in [0, 1, 2] {
            let damaged = tempdir().unwrap();
            copy_folder(whole.path(), damaged.path());
            let path = damaged.path().join(name.strip_prefix(whole.path()).unwrap());
            let bytes = fs::read(&path).unwrap();
            fs::write(&path, &bytes[..bytes.len() * keep / 3]).unwrap();
            assert_eq!(kind_of_open(&damaged), ErrorKind::Corrupt, "{name:?} keep={keep}/3");
        }
    }
}

/// Wherever a byte is wrong, the store says so or does not need that byte; it never yields other rows, and never
/// deletes tables because a count in the manifest has changed.
#[test]
fn a_wrong_byte_is_found_or_does_not_matter() {
    let whole = tempdir().unwrap();
    let model = fill(whole.path());
    let mut found = 0;
    for name in files_of(whole.path()) {
        let length = fs::read(&name).unwrap().len();
        for position in (0..length).step_by((length / 40).max(1)) {
            let damaged = tempdir().unwrap();
            copy_folder(whole.path(), damaged.path());
            let path = damaged.path().join(name.strip_prefix(whole.path()).unwrap());
            let mut bytes = fs::read(&path).unwrap();
            bytes[position] ^= 0x11;
            fs::write(&path, bytes).unwrap();
            match rows_of(damaged.path()) {
                Ok(rows) => assert_eq!(rows, model, "{name:?} position={position}"),
                Err(error) => {
                    // In the format file it may be the version that has changed.
                    let kinds = [ErrorKind::Corrupt, ErrorKind::Unsupported];
                    assert!(kinds.contains(&error.kind()), "{error:?}");
                    found += 1;
                }
            }
        }
    }
    assert!(found > 0);
}

fn rows_of(folder: &Path) -> Result<Model, Error> {
    let store = try_open(folder)?;
    let rows: Vec<_> = store.scan(KeyRange::all())?.collect::<Result<_, _>>()?;
    Ok(rows.into_iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect())
}

#[test]
fn a_store_of_a_newer_version_is_refused_and_both_versions_are_named() {
    let folder = tempdir().unwrap();
    let model = fill(folder.path());
    fs::write(folder.path().join("format"), b"lc-rows\x02").unwrap();
    let error = try_open(&folder).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(error.to_string(), "the row store was written by a newer version: found=2 supported=1");

    fs::write(folder.path().join("format"), b"lc-rows\x01").unwrap();
    assert_eq!(rows_of(folder.path()).unwrap(), model);
}

#[test]
fn a_folder_of_something_else_is_corrupt_and_left_as_it_is() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    let error = try_open(&folder).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().ends_with("found=notes.txt"), "{error}");
    assert_eq!(files_in(folder.path()).len(), 1);
}

/// A crash while a store is made leaves a tree without tables, and maybe half a format file.
#[test]
fn a_store_whose_making_was_cut_short_is_made_anew() {
    let folder = tempdir().unwrap();
    drop(open(folder.path()));
    fs::rename(folder.path().join("format"), folder.path().join("format.new")).unwrap();
    fs::write(folder.path().join("tree/current"), "half").unwrap();

    let store = open(folder.path());
    flush_one(&store, 1, "a", Some("1"));
    assert_eq!(collect(store.scan(KeyRange::all()).unwrap()).len(), 1);
    drop(store);
    assert_eq!(open(folder.path()).persisted(), Number(1));
}

/// Whoever looks without opening is told no more than is there, and nothing where nothing is told.
#[test]
fn a_folder_is_looked_at_without_opening_it() {
    let folder = tempdir().unwrap();
    assert_eq!(linecook_rows::inspect(folder.path()).unwrap(), None);
    let store = open(folder.path());
    assert_eq!(linecook_rows::inspect(folder.path()).unwrap(), None);
    store.apply(Number(7), [("a", Some("1"))]).unwrap();
    store.flush_now().unwrap();
    store.apply(Number(8), [("a", Some("2"))]).unwrap();
    assert_eq!(linecook_rows::inspect(folder.path()).unwrap(), Some(Number(7)));
    store.close().unwrap();
    assert_eq!(linecook_rows::inspect(folder.path()).unwrap(), Some(Number(8)));
    let format = folder.path().join("format");
    fs::write(&format, b"lc-rows\x02").unwrap();
    assert_eq!(linecook_rows::inspect(folder.path()).unwrap_err().kind(), ErrorKind::Unsupported);
    fs::remove_file(format).unwrap();
    assert_eq!(linecook_rows::inspect(folder.path()).unwrap_err().kind(), ErrorKind::Corrupt);
}
