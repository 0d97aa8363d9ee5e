//! What is found on damaged directories, and that opening does what the report says.

use linecook_embedded::{
    CommitNumber,
    inspect::{DamageKind, Opening, Report, SegmentReport},
};
use linecook_log::{ErrorKind, Offset};

use super::written::{self, Directory, Expected, name};

/// A directory as a kill leaves it, and what was written to `orders`.
fn killed() -> (Directory, Vec<Expected>, Report) {
    let directory = Directory::new();
    let log = directory.open();
    let expected = written::write(&log, 200);
    let killed = directory.copy();
    let report = killed.inspect().report();
    assert!(report.is_sound() && report.damage.is_empty() && report.segments.len() > 4, "{report}");
    (killed, expected, report)
}

/// The one finding of a report.
fn finding(report: &Report) -> (DamageKind, Opening, Option<CommitNumber>) {
    assert_eq!(report.damage.len(), 1, "{report}");
    (report.damage[0].kind.clone(), report.damage[0].opening, report.damage[0].commit)
}

/// The records of `orders` that can be read, and how often it was said that something cannot.
fn readable(directory: &Directory) -> (Vec<Expected>, usize) {
    let inspection = directory.inspect();
    let (mut records, mut errors) = (Vec::new(), 0);
    for record in inspection.records(&name("orders"), None, Offset(0)).unwrap() {
        match record {
            Ok(record) => records.push(Expected::of(&record)),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
                errors += 1;
            }
        }
    }
    (records, errors)
}

/// Whether all of `found` is in `expected`, in that order; how much of it is missing.
fn missing(expected: &[Expected], found: &[Expected]) -> usize {
    let mut rest = expected.iter();
    assert!(found.iter().all(|record| rest.any(|it| it == record)), "a record that was never written, or out of order");
    expected.len() - found.len()
}

fn assert_refused(directory: &Directory) {
    let before = directory.copy().bytes();
    let error = directory.try_open().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    let mut after = directory.copy().bytes();
    after.insert("lock".into(), before[std::path::Path::new("lock")].clone());
    assert!(after == before, "opening refused but changed something");
}

fn middle(report: &Report) -> &SegmentReport {
    &report.segments[report.segments.len() / 2]
}

#[test]
fn a_torn_tail_is_what_a_crash_leaves_and_opening_cuts_it() {
    let (directory, _, whole) = killed();
    let end = whole.end.unwrap();
    directory.flip(&end.file, end.position - 1);

    let report = directory.inspect().report();
    let (kind, opening, commit) = finding(&report);
    assert!(matches!(kind, DamageKind::TornTail { bytes } if bytes > 0), "{report}");
    assert_eq!((opening, commit, report.is_sound()), (Opening::Cuts, Some(end.last_commit), true));
    assert_eq!(report.end.as_ref().unwrap().last_commit.next(), end.last_commit);
    assert!(report.to_string().contains("a commit that is not whole"), "{report}");

    directory.try_open().unwrap().close_and_drop();
    let report = directory.inspect().report();
    assert!(report.damage.is_empty(), "{report}");
    assert_eq!(report.end.unwrap().last_commit.next(), end.last_commit);
}

#[test]
fn a_damaged_commit_that_had_been_on_disk_is_named_and_what_lies_behind_it_is_still_read() {
    let (directory, expected, whole) = killed();
    let last = whole.segments.last().unwrap();
    let position = directory.frames(&last.file)[2];
    directory.flip(&last.file, position + 20);

    let report = directory.inspect().report();
    let commit = CommitNumber(last.first.0 + 2);
    assert_eq!(finding(&report), (DamageKind::CommitsDamaged { last: commit }, Opening::Refuses, Some(commit)));
    assert_eq!((report.damage[0].position, report.is_sound()), (position, false));
    assert_eq!(report.end, whole.end, "the walk goes on to the end");
    let (records, errors) = readable(&directory);
    assert_eq!(errors, 1);
    missing(&expected, &records);
    assert_refused(&directory);
}

#[test]
fn damaged_records_are_named_and_all_others_are_read() {
    let (directory, expected, whole) = killed();
    let file = &whole.segments[1].file;
    let next_frame = directory.frames(file)[5];
    directory.flip(file, next_frame - 1);

    let report = directory.inspect().report();
    let (kind, opening, commit) = finding(&report);
    let DamageKind::PartDamaged { partition: Some(partition) } = kind else { panic!("{report}") };
    assert_eq!(partition.topic, name("orders"));
    assert_eq!((opening, commit), (Opening::MayOverlook, Some(CommitNumber(whole.segments[1].first.0 + 4))));
    assert!(!report.is_sound());
    let (records, errors) = readable(&directory);
    assert_eq!(errors, 1);
    assert!((1..=3).contains(&missing(&expected, &records)), "one batch is missing");
}

#[test]
fn a_damaged_or_missing_index_loses_nothing() {
    for is_missing in [true, false] {
        let (directory, expected, whole) = killed();
        let segment = middle(&whole);
        if is_missing {
            directory.cut(&segment.file, segment.bytes);
        } else {
            directory.flip(&segment.file, segment.bytes + 20);
        }
        let report = directory.inspect().report();
        let kind = if is_missing { DamageKind::IndexMissing } else { DamageKind::IndexDamaged };
        assert_eq!(finding(&report), (kind, Opening::MakesAgain, None));
        assert!(report.is_sound());
        assert_eq!(readable(&directory), (expected, 0));
        directory.try_open().unwrap().close_and_drop();
    }
}

#[test]
fn a_missing_segment_is_named_and_those_around_it_are_read() {
    let (directory, expected, whole) = killed();
    let index = whole.segments.len() - 2;
    let gone = &whole.segments[index];
    std::fs::remove_file(directory.segment(&gone.file)).unwrap();

    let report = directory.inspect().report();
    let (kind, _, commit) = finding(&report);
    assert_eq!((kind, commit), (DamageKind::SegmentMissing { last: gone.last.unwrap() }, Some(gone.first)));
    assert_eq!((&report.damage[0].file, report.is_sound()), (&whole.segments[index - 1].file, false));
    assert_eq!(report.end, whole.end);
    let (records, errors) = readable(&directory);
    assert_eq!(errors, 1);
    missing(&expected, &records);
    assert_refused(&directory);
}

#[test]
fn behind_a_damaged_header_the_frames_are_still_read() {
    let (directory, expected, whole) = killed();
    directory.flip(&middle(&whole).file, 25);

    let report = directory.inspect().report();
    assert_eq!(finding(&report), (DamageKind::HeaderDamaged, Opening::Refuses, None));
    assert_eq!((&report.topics, &report.groups), (&whole.topics, &whole.groups));
    assert_eq!(readable(&directory), (expected, 0));
    assert_refused(&directory);
}

#[test]
fn a_segment_cut_within_its_header_is_damage_unless_nothing_says_that_it_had_been_on_disk() {
    let (directory, _, whole) = killed();
    let segment = middle(&whole);
    directory.cut(&segment.file, 10);
    let report = directory.inspect().report();
    let kinds: Vec<_> = report.damage.iter().map(|damage| damage.kind.clone()).collect();
    let lost = DamageKind::CommitsDamaged { last: segment.last.unwrap() };
    assert_eq!(kinds, [DamageKind::HeaderDamaged, lost], "{report}");
    assert_refused(&directory);

    // The last one says itself that its first commit had been on disk. When it is gone nobody says so.
    let (directory, _, whole) = killed();
    let last = whole.segments.last().unwrap();
    directory.cut(&last.file, 10);
    let report = directory.inspect().report();
    assert_eq!(finding(&report), (DamageKind::BehindTheEnd, Opening::Cuts, None));
    assert_eq!(report.end.as_ref().unwrap().last_commit.next(), last.first);
    directory.try_open().unwrap().close_and_drop();
    assert_eq!(directory.inspect().report().topics, report.topics);
}

#[test]
fn a_start_that_a_crash_left_unfinished_is_begun_anew() {
    let directory = Directory::new();
    drop(directory.open());
    let copy = directory.copy();
    let file = copy.inspect().report().segments[0].file.clone();
    copy.change(&file, |bytes| bytes.fill(0));
    let report = copy.inspect().report();
    assert_eq!(finding(&report), (DamageKind::HeaderDamaged, Opening::Cuts, None));
    copy.try_open().unwrap().close_and_drop();
}

#[test]
fn a_format_of_another_version_is_told_from_damage() {
    let (directory, _, whole) = killed();
    let last = &whole.segments.last().unwrap().file;
    let position = usize::try_from(directory.frames(last)[3]).unwrap();
    directory.change(last, |bytes| {
        let length = u32::from_le_bytes(bytes[position + 12..position + 16].try_into().unwrap()) as usize;
        bytes[position + 8] = 9;
        let crc = crc32c::crc32c(&bytes[position + 8..position + length]);
        bytes[position + 4..position + 8].copy_from_slice(&crc.to_le_bytes());
    });
    let report = directory.inspect().report();
    let (kind, opening, _) = finding(&report);
    assert_eq!((kind, opening), (DamageKind::UnknownVersion { found: 9, known: 1 }, Opening::Refuses));
    assert!(report.to_string().contains("found_format=9 known_format=1"), "{report}");
    assert_refused(&directory);

    let (directory, _, whole) = killed();
    directory.change(&middle(&whole).file, |bytes| {
        let length = u32::from_le_bytes(bytes[16..20].try_into().unwrap()) as usize;
        bytes[12] = 9;
        let crc = crc32c::crc32c(&bytes[12..length]);
        bytes[8..12].copy_from_slice(&crc.to_le_bytes());
    });
    let report = directory.inspect().report();
    let (kind, opening, _) = finding(&report);
    assert_eq!((kind, opening), (DamageKind::UnknownVersion { found: 9, known: 1 }, Opening::Refuses));
    assert_refused(&directory);
}

trait CloseAndDrop {
    fn close_and_drop(self);
}

impl CloseAndDrop for linecook_embedded::EmbeddedLog {
    fn close_and_drop(self) {
        linecook_log::Log::close(&self).unwrap();
    }
}

/// What a crash leaves and what is left of a log that was cut look the same. The rows tell them apart: opening refused
/// what the report called sound.
#[test]
fn a_log_that_ends_before_its_rows_is_damaged() {
    let whole = Directory::new();
    let log = whole.open();
    written::write(&log, 200);
    log.close().unwrap();
    let report = whole.inspect().report();
    let end = report.end.as_ref().unwrap();
    assert!(report.is_sound(), "{report}");
    assert_eq!(report.rows_up_to, Some(end.last_commit), "a close leaves nothing to be replayed");

    let is_behind = |directory: &Directory| {
        let report = directory.inspect().report();
        let kinds = report.damage.iter().filter(|damage| !damage.opening.is_harmless()).map(|damage| &damage.kind);
        assert!(!report.is_sound(), "{report}");
        assert!(report.damage.iter().all(|damage| damage.opening == Opening::Refuses), "{report}");
        assert!(kinds.into_iter().any(|kind| matches!(kind, DamageKind::BehindTheRows { .. })), "{report}");
        assert_refused(directory);
    };
    let cut = whole.copy_with_rows();
    cut.cut(&end.file, end.position - 1);
    is_behind(&cut);
    let emptied = whole.copy_with_rows();
    for segment in &report.segments {
        std::fs::remove_file(emptied.segment(&segment.file)).unwrap();
    }
    is_behind(&emptied);
}

#[test]
fn rows_of_another_version_are_told_and_damaged_ones_are_made_again() {
    let directory = Directory::new();
    let log = directory.open();
    written::write(&log, 20);
    log.close().unwrap();
    let current = directory.path().join("rows/tree/current");
    let manifest = std::fs::read(&current).unwrap();
    std::fs::write(&current, &manifest[..5]).unwrap();
    let (kind, opening, _) = finding(&directory.inspect().report());
    assert!(matches!(kind, DamageKind::RowStore { .. }) && opening == Opening::MakesAgain, "{kind:?} {opening:?}");
    drop(directory.copy_with_rows().open());

    std::fs::write(&current, manifest).unwrap();
    let format = directory.path().join("rows/format");
    let mut bytes = std::fs::read(&format).unwrap();
    *bytes.last_mut().unwrap() += 1;
    std::fs::write(&format, bytes).unwrap();
    let (kind, opening, _) = finding(&directory.inspect().report());
    assert!(matches!(kind, DamageKind::RowStore { .. }) && opening == Opening::Refuses, "{kind:?} {opening:?}");
    assert_refused(&directory);
}
