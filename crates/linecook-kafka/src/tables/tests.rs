//! Which local rows are gone on with.

use std::fs;

use super::*;

const HOUR_MILLIS: i64 = 3_600_000;

fn key() -> TableKey {
    let (service, table) = (GroupName::new("chef").unwrap(), TableName::new("seen").unwrap());
    TableKey { service, table, partition: Partition(0) }
}

/// The rows as a process finds them that starts so many hours after noon.
fn claim(folder: &Path, id: &str, (start, end): (u64, u64), hours: i64) -> Result<(Tables, Arc<LocalTable>)> {
    let tables = Tables::new(folder);
    let seat = Seat { instance: InstanceName::new("cook").unwrap(), worker: 0 };
    let bounds = Bounds { start: Offset(start), end: Offset(end) };
    let table = tables.claim(&key(), (1, seat), (id, bounds), Timestamp(hours * HOUR_MILLIS))?;
    Ok((tables, table))
}

/// A folder with a row that was written at noon, as number 10, and persisted.
fn with_a_row() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (tables, table) = claim(folder.path(), "one", (0, 10), 0).unwrap();
    table.apply(Offset(10), [(&b"key"[..], Some(&b"value"[..]))], Timestamp(0)).unwrap();
    tables.close(&Error::closed());
    folder
}

fn next_of(folder: &Path, id: &str, bounds: (u64, u64), hours: i64) -> Offset {
    let (tables, table) = claim(folder, id, bounds, hours).unwrap();
    let next = table.next().unwrap();
    let row = table.get(b"key").unwrap();
    assert_eq!(row.is_some(), next > Offset(0), "all is there, or nothing");
    tables.close(&Error::closed());
    next
}

#[test]
fn rows_are_gone_on_with_as_long_as_their_changelog_knows_what_they_have_missed() {
    let folder = with_a_row();
    assert_eq!(next_of(folder.path(), "one", (10, 20), 11), Offset(10));
    // A deletion that they have missed may be forgotten by then.
    assert_eq!(next_of(folder.path(), "one", (10, 20), 13), Offset(0));
}

#[test]
fn rows_from_before_the_start_of_their_changelog_are_restored_from_nothing() {
    assert_eq!(next_of(with_a_row().path(), "one", (11, 20), 1), Offset(0));
}

/// What came next in the changelog had numbers that the rows had already, and was passed over.
#[test]
fn rows_from_behind_the_end_of_their_changelog_are_restored_from_nothing() {
    assert_eq!(next_of(with_a_row().path(), "one", (0, 9), 1), Offset(0));
}

#[test]
fn rows_of_a_changelog_that_was_created_anew_are_restored_from_nothing() {
    assert_eq!(next_of(with_a_row().path(), "other", (0, 20), 1), Offset(0));
}

#[test]
fn rows_that_are_damaged_are_restored_from_nothing() {
    let folder = with_a_row();
    let mut damaged_count = 0;
    let mut folders = vec![folder.path().to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = fs::read(&path).unwrap();
                fs::write(&path, vec![b'?'; bytes.len()]).unwrap();
                damaged_count += 1;
            }
        }
    }
    assert!(damaged_count > 0, "there were files");
    assert_eq!(next_of(folder.path(), "one", (0, 20), 1), Offset(0));
}

/// A process that had lost a partition kept its rows open, and went on with them however long others had had it since.
#[test]
fn rows_that_were_kept_open_are_not_trusted_any_longer_than_others() {
    let folder = tempfile::tempdir().unwrap();
    let (tables, table) = claim(folder.path(), "one", (0, 10), 0).unwrap();
    table.apply(Offset(10), [(&b"key"[..], Some(&b"value"[..]))], Timestamp(0)).unwrap();
    let claim_at = |hours: i64| {
        let seat = Seat { instance: InstanceName::new("cook").unwrap(), worker: 0 };
        let bounds = Bounds { start: Offset(0), end: Offset(10) };
        tables.claim(&key(), (2, seat), ("one", bounds), Timestamp(hours * HOUR_MILLIS)).unwrap()
    };
    assert_eq!(claim_at(11).next().unwrap(), Offset(10));
    assert_eq!(claim_at(13).next().unwrap(), Offset(0));
}
