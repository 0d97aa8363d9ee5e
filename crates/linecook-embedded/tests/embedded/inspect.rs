//! The offline reader on directories that a real log wrote: closed, killed, cut off, damaged.

#![expect(clippy::unwrap_used, reason = "what the helpers of a test cannot do fails the test")]

mod damaged;
mod written;

use std::{path::Path, sync::Arc};

use linecook_embedded::{
    EmbeddedLog,
    fault::{FaultyFiles, Syncs},
    inspect::{DamageKind, Inspection, Report},
};
use linecook_log::{ErrorKind, Log, Offset, Partition, SystemClock};

use written::{Directory, Expected, name, options};

#[test]
fn a_closed_log_is_sound_and_the_report_says_what_the_log_said() {
    let directory = Directory::new();
    let log = directory.open();
    written::write(&log, 200);
    let (topics, groups) = (log.describe().unwrap(), log.groups().unwrap());
    log.close().unwrap();
    drop(log);

    let report = directory.inspect().report();
    assert!(report.is_sound() && report.damage.is_empty(), "{report}");
    assert_eq!(report.topics.len(), topics.len());
    for (found, said) in report.topics.iter().zip(&topics) {
        let ends: Vec<_> = found.partitions.iter().map(|it| (it.start, it.end, it.record_count)).collect();
        let expected: Vec<_> = said.partitions.iter().map(|it| (it.start, it.end, it.end.0 - it.start.0)).collect();
        assert_eq!((&found.name, ends), (&said.name, expected));
    }
    assert_eq!(report.groups.len(), groups.len());
    for (found, said) in report.groups.iter().zip(&groups) {
        let offsets: Vec<_> = found.partitions.iter().map(|it| (it.partition.clone(), it.offset)).collect();
        assert_eq!((&found.name, &offsets), (&said.name, &said.offsets));
        assert!(found.partitions.iter().all(|it| it.lag == 0 && it.epoch > 0), "{report}");
    }
    assert_eq!(report.tables.len(), 1);

    let (last, closed) = report.segments.split_last().unwrap();
    assert!(closed.len() >= 3 && closed.iter().all(|segment| segment.is_closed) && !last.is_closed, "{report}");
    let mut next = 1;
    for segment in &report.segments {
        assert_eq!(segment.first.0, next);
        next = segment.last.unwrap().0 + 1;
        assert!(segment.first_commit_at <= segment.last_commit_at && segment.bytes <= segment.file_bytes);
    }
    let end = report.end.as_ref().unwrap();
    assert_eq!((end.last_commit.0, end.position), (next - 1, last.bytes));
    assert!(report.synced > closed.last().unwrap().first, "{report}");
}

#[test]
fn records_come_back_as_they_were_written_after_a_kill_and_across_segments() {
    let files = FaultyFiles::default();
    let folder = tempfile::tempdir().unwrap();
    let log: Arc<dyn Log> = Arc::new(written::open_on(&files, folder.path()));
    let expected = written::write(&log, 200);
    let survivor = files.killed();
    log.close().ok();

    let inspection = written::inspect(&survivor);
    let report = inspection.report();
    assert!(report.is_sound() && report.segments.len() > 3, "{report}");
    let all = inspection.records(&name("orders"), None, Offset(0)).unwrap();
    let all: Vec<_> = all.map(|record| Expected::of(&record.unwrap())).collect();
    assert_eq!(all, expected);

    for partition in [Partition(0), Partition(1)] {
        for from in [0, 1, 57, 10_000].map(Offset) {
            let wanted = |it: &&Expected| it.partition == partition && it.offset >= from;
            let expected: Vec<_> = expected.iter().filter(wanted).cloned().collect();
            let found = inspection.records(&name("orders"), Some(partition), from).unwrap();
            let found: Vec<_> = found.map(|record| Expected::of(&record.unwrap())).collect();
            assert_eq!(found, expected, "partition={partition} from={from}");
        }
    }
}

#[test]
fn a_record_names_its_commit_and_what_it_was_made_from() {
    let directory = Directory::new();
    written::write(&directory.open(), 20);
    let inspection = directory.inspect();
    let last = inspection.report().end.unwrap().last_commit;
    let records = inspection.records(&name("pizza"), None, Offset(0)).unwrap();
    let records = records.collect::<Result<Vec<_>, _>>().unwrap();
    assert!(!records.is_empty() && records.is_sorted_by_key(|record| record.commit));
    for record in &records {
        assert!(record.commit <= last && record.committed_at.0 > 0);
        assert_eq!(record.origin.service.as_str(), "kitchen");
        assert_eq!(record.origin.source.as_ref().unwrap().from.topic, name("orders"));
    }
}

#[test]
fn what_does_not_exist_is_refused_by_name() {
    let directory = Directory::new();
    written::write(&directory.open(), 3);
    let inspection = directory.inspect();
    let unknown = inspection.records(&name("order"), None, Offset(0)).err().unwrap();
    assert_eq!((unknown.kind(), unknown.to_string().contains("topic=order")), (ErrorKind::Invalid, true));
    let beyond = inspection.records(&name("orders"), Some(Partition(2)), Offset(0)).err().unwrap();
    assert_eq!((beyond.kind(), beyond.to_string().contains("partition=2")), (ErrorKind::Invalid, true));

    let empty = tempfile::tempdir().unwrap();
    let none = Inspection::open(empty.path()).unwrap_err();
    assert_eq!((none.kind(), none.to_string().contains("no log in this directory")), (ErrorKind::Invalid, true));
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0, "nothing was created");
}

#[test]
fn a_directory_in_use_is_refused_and_one_being_read_cannot_be_opened() {
    let directory = Directory::new();
    let log = directory.open();
    let refused = Inspection::open(directory.path()).unwrap_err();
    let text = refused.to_string();
    assert_eq!(refused.kind(), ErrorKind::Unavailable);
    let process = format!("process={}", std::process::id());
    assert!(text.contains("in use by another process") && text.contains(&process), "{text}");
    drop(log);

    let (one, other) = (directory.inspect(), directory.inspect());
    let clock = Arc::new(SystemClock::new());
    let refused = EmbeddedLog::open(directory.path(), options(), clock).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unavailable, "{refused}");
    drop((one, other));
    directory.open();
}

#[test]
fn nothing_in_the_directory_is_changed() {
    let directory = Directory::new();
    let log = directory.open();
    written::write(&log, 100);
    // As a kill leaves it, its end torn and an index lost: there would be much to tidy up.
    let killed = directory.copy();
    drop(log);
    let report = killed.inspect().report();
    let end = report.end.unwrap();
    killed.flip(&end.file, end.position - 1);
    killed.cut(&report.segments[0].file, report.segments[0].bytes);

    let before = killed.bytes();
    let inspection = killed.inspect();
    let report = inspection.report();
    let kinds: Vec<_> = report.damage.iter().map(|damage| damage.kind.clone()).collect();
    assert!(matches!(kinds[..], [DamageKind::IndexMissing, DamageKind::TornTail { .. }]), "{report}");
    inspection.records(&name("orders"), None, Offset(0)).unwrap().for_each(drop);
    drop(inspection);
    assert!(killed.bytes() == before, "the directory changed");
}

#[cfg(target_os = "linux")]
#[test]
fn an_inspection_keeps_few_files_open_however_many_there_are() {
    let directory = Directory::new();
    written::write(&directory.open(), 100);
    let folder = directory.path().join("log");
    let open_count = || {
        let files = std::fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| entry.ok()?.path().read_link().ok());
        files.filter(|path| path.starts_with(&folder)).count()
    };
    let inspection = directory.inspect();
    assert_eq!(open_count(), 0);
    let report = inspection.report();
    assert!(report.segments.len() > 4 && open_count() <= 2, "{} files are open", open_count());
    for record in inspection.records(&name("orders"), None, Offset(0)).unwrap() {
        record.unwrap();
        assert!(open_count() <= 4, "{} files are open", open_count());
    }
}

/// What the report says of opening is held against opening: on whatever a power cut leaves it is sound, and the history
/// ends where the log then ends.
fn report_held_against_opening(survivor: &FaultyFiles, folder: &Path, seed: u64) -> Report {
    let report = written::inspect(survivor).report();
    assert!(report.is_sound(), "seed={seed}\n{report}");
    assert!(report.damage.iter().all(|damage| damage.opening.is_harmless()), "seed={seed}\n{report}");
    let log = written::open_on(survivor, &folder.join("again"));
    let said: Vec<Vec<_>> =
        log.describe().unwrap().iter().map(|topic| topic.partitions.iter().map(|it| it.end).collect()).collect();
    let found: Vec<Vec<_>> =
        report.topics.iter().map(|topic| topic.partitions.iter().map(|it| it.end).collect()).collect();
    assert_eq!(found, said, "seed={seed}\n{report}");
    report
}

#[test]
fn after_a_power_cut_the_report_ends_where_the_log_then_ends() {
    let mut torn_count = 0;
    for seed in 0..40 {
        let files = FaultyFiles::default();
        let folder = tempfile::tempdir().unwrap();
        let log: Arc<dyn Log> = Arc::new(written::open_on(&files, folder.path()));
        written::write(&log, 40);
        files.set_sync_time(std::time::Duration::from_millis(20));
        written::append_without_waiting(&log, 60);
        let survivor = files.power_cut(seed);
        log.close().ok();
        drop(log);
        torn_count += usize::from(!report_held_against_opening(&survivor, folder.path(), seed).damage.is_empty());
    }
    assert!(torn_count > 0, "no power cut tore anything: the test shows nothing");
}

/// The frames of the last segment are there, the next segment is not, and the index is torn. It was rare above, and the
/// test took it for an error, since opening need not cut anything.
#[test]
fn after_a_power_cut_while_a_segment_is_closed_the_report_ends_where_the_log_then_ends() {
    let mut torn_index_count = 0;
    for seed in 0..40 {
        let files = FaultyFiles::default();
        let folder = tempfile::tempdir().unwrap();
        let log: Arc<dyn Log> = Arc::new(written::open_on(&files, folder.path()));
        written::write(&log, 40);
        files.set_syncs(Syncs::Hanging);
        written::close_segment_without_waiting(&log);
        let survivor = files.power_cut(seed);
        files.set_syncs(Syncs::Honest);
        log.close().ok();
        drop(log);
        let report = report_held_against_opening(&survivor, folder.path(), seed);
        torn_index_count += usize::from(report.damage.iter().any(|it| it.kind == DamageKind::IndexDamaged));
    }
    assert!(torn_index_count > 0, "no power cut tore an index: the test shows nothing");
}
