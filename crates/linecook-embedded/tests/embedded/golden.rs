//! Data directories of the versions that users have on their disks.

use std::{
    fs,
    path::{Path, PathBuf},
};

use linecook_embedded::EmbeddedLog;
use linecook_log::{Log, Offset, SystemClock};

use crate::{
    corrupt::total,
    support::{
        at, commit_copy, consumed, copy_folder, create, folder, group, join, padded, poll_records, read_all, store,
        tiny, wait,
    },
};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/version-1")
}

fn open_folder(folder: &Path) -> EmbeddedLog {
    let mut options = tiny();
    options.segment_bytes = 4096;
    EmbeddedLog::open(folder, options, std::sync::Arc::new(SystemClock::new())).unwrap()
}

/// A data directory of version 1, as users have it on their disks: it has to stay readable. Made with
/// `LINECOOK_WRITE_GOLDEN=1`, once for each version of the format and never again.
#[test]
fn a_data_directory_of_version_1_stays_readable() {
    if std::env::var_os("LINECOOK_WRITE_GOLDEN").is_some() && !golden().exists() {
        write_golden();
    }
    let parent = folder();
    let data = parent.path().join("data");
    copy_folder(&golden(), &data);
    let log = open_folder(&data);
    assert_eq!(read_all(&log, &at("a", 0)), (0..20).collect::<Vec<_>>());
    assert_eq!(read_all(&log, &at("b", 0)), (0..15).collect::<Vec<_>>());
    assert_eq!(consumed(&log, &group("g"), &at("a", 0)).unwrap(), Offset(15));
    assert_eq!(total(&log), 15);
    store(&log, &at("a", 0), [20]);
    assert_eq!(read_all(&log, &at("a", 0)).len(), 21);
}

fn write_golden() {
    let log = open_folder(&golden());
    create(&log, &["a", "b"], 1);
    let mut member = join(&log, &group("g"), "a");
    for number in 0..20 {
        wait(&log.append(&at("a", 0), padded([number], 200)).unwrap()).unwrap();
        if number < 15 {
            let fetches = poll_records(&mut *member, 1000);
            wait(&commit_copy(&mut *member, &fetches, Some("b")).unwrap()).unwrap();
        }
    }
    drop(member);
    log.close().unwrap();
    drop(log);
    fs::remove_file(golden().join("lock")).unwrap();
}
