//! Damage that no crash does, and what a crash does: refused in one case, cut in the other; formats of newer versions.

use std::{collections::BTreeMap, fs, io::IoSlice, path::Path};

use linecook_embedded::{
    fault::{FaultyFiles, Syncs},
    files::Files,
};
use linecook_log::{ErrorKind, Log, Offset, Scan};

use crate::support::{
    Draw, Place, TOTAL, append, at, bounds, commit_copy, copy_folder, create, group, join, number_in, padded,
    poll_records, read_all, refusal, store, table, tiny, until, wait,
};

/// All bytes of all files.
fn bytes_of(files: &FaultyFiles) -> BTreeMap<String, Vec<u8>> {
    let names = files.list().unwrap();
    names.into_iter().map(|name| (name.clone(), file_bytes(files, &name))).collect()
}

fn file_bytes(files: &FaultyFiles, name: &str) -> Vec<u8> {
    let file = files.open(name).unwrap();
    let mut bytes = vec![0; usize::try_from(file.length_bytes().unwrap()).unwrap()];
    file.read(0, &mut bytes).unwrap();
    bytes
}

fn overwrite(files: &FaultyFiles, name: &str, position: usize, bytes: &[u8]) {
    files.open(name).unwrap().write(position as u64, &mut [IoSlice::new(bytes)]).unwrap();
}

/// Where frames begin in a file.
fn frames_in(bytes: &[u8]) -> Vec<usize> {
    (0..bytes.len().saturating_sub(4)).filter(|at| bytes[*at..].starts_with(b"LCFR")).collect()
}

fn newest(files: &FaultyFiles) -> String {
    files.list().unwrap().into_iter().max().unwrap()
}

/// A log of some segments, each commit synced before the next one is written; then killed.
fn written(count: u64) -> Place {
    let mut place = Place::new(tiny());
    let log = place.open();
    create(&*log, &["a", "b"], 1);
    for number in 0..count {
        wait(&log.append(&at("a", 0), padded([number], 300)).unwrap()).unwrap();
    }
    place.kill(log);
    place
}

#[test]
fn a_damaged_frame_that_had_been_synced_is_refused_and_nothing_is_changed() {
    let place = written(20);
    let name = newest(&place.files);
    let good = file_bytes(&place.files, &name);
    let frames = frames_in(&good);
    let mut draw = Draw(1);
    // Any but the last: a later one says that it had been synced.
    for (index, frame) in frames[..frames.len() - 1].iter().enumerate() {
        let length = frames[index + 1] - frame;
        let position = frame + draw.below(length as u64) as usize;
        overwrite(&place.files, &name, position, &[good[position] ^ 0x55]);
        let before = bytes_of(&place.files);
        let told = refusal(place.try_open(), ErrorKind::Corrupt);
        assert!(told.contains(&format!("file={name} position={frame}")), "{told}");
        assert!(bytes_of(&place.files) == before, "frame {index}: opening changed a file");
        overwrite(&place.files, &name, position, &[good[position]]);
    }
    assert_eq!(read_all(&*place.open(), &at("a", 0)).len(), 20);
}

#[test]
fn a_damaged_header_is_refused_and_nothing_is_changed() {
    let place = written(150);
    let names = place.files.list().unwrap();
    assert!(names.len() > 2);
    overwrite(&place.files, &names[1], 30, b"?");
    let before = bytes_of(&place.files);
    refusal(place.try_open(), ErrorKind::Corrupt);
    assert!(bytes_of(&place.files) == before);
}

/// Opening reads the last segments, so it did not see that an older one was missing. Its records were passed over, and
/// later they were found missing by whoever read to there.
#[test]
fn a_missing_segment_is_refused_and_named() {
    for has_index in [true, false] {
        let place = written(150);
        let names = place.files.list().unwrap();
        assert!(names.len() > 3);
        if !has_index {
            let file = place.files.open(&names[0]).unwrap();
            let end = file_bytes(&place.files, &names[0]).windows(4).position(|bytes| bytes == b"LCIX").unwrap() as u64;
            file.cut(end, end + 4096).unwrap();
        }
        place.files.remove(&names[1]).unwrap();
        let before = bytes_of(&place.files);
        let told = refusal(place.try_open(), ErrorKind::Corrupt);
        assert!(told.contains(&names[0]) && told.contains(&names[2]), "{told}");
        assert!(bytes_of(&place.files) == before);
    }
}

#[test]
fn a_torn_last_frame_is_cut_and_never_comes_back() {
    for torn in 1..60 {
        let mut place = written(5);
        // Two more that are never synced, then the first of them is torn: the second one must not come back behind a
        // new, shorter one.
        let log = place.open();
        let name = newest(&place.files);
        let end = frames_in(&file_bytes(&place.files, &name)).len();
        place.files.set_syncs(Syncs::Hanging);
        let mut member = log.join(crate::support::spec(&group("g"), &["a"], 0)).unwrap();
        drop(log.append(&at("a", 0), padded([100], 200)).unwrap());
        until("it is assigned or waits", || member.poll(std::time::Duration::ZERO, 1).is_ok());
        drop(member);
        place.kill(log);
        let bytes = file_bytes(&place.files, &name);
        let frames = frames_in(&bytes);
        assert!(frames.len() > end);
        let position = frames[end] + torn;
        overwrite(&place.files, &name, position, &[bytes[position] ^ 1]);
        let log = place.open();
        assert_eq!(read_all(&*log, &at("a", 0)), [0, 1, 2, 3, 4]);
        store(&*log, &at("a", 0), [5]);
        place.kill(log);
        let log = place.open();
        assert_eq!(read_all(&*log, &at("a", 0)), [0, 1, 2, 3, 4, 5]);
        assert_eq!(log.groups().unwrap(), [], "what lay behind the cut");
    }
}

/// A log that failed and then found its files damaged was opened again and again, five times a second, each time read to
/// the damage and synced; and it said that it could not be opened *yet*.
#[test]
fn a_log_that_is_damaged_when_it_is_opened_again_says_so_and_stays_as_it_is() {
    let place = written(20);
    let log = place.open();
    let name = newest(&place.files);
    let frames = frames_in(&file_bytes(&place.files, &name));
    place.files.set_syncs(Syncs::Hanging);
    let ticket = append(&*log, &at("a", 0), 20).unwrap();
    overwrite(&place.files, &name, frames[10] + 50, b"?");
    place.files.set_syncs(Syncs::Failing);
    refusal(wait(&ticket), ErrorKind::Unknown);
    place.files.set_syncs(Syncs::Honest);
    let told = || log.status().refuses_writes.map(|error| (error.kind(), error.chain()));
    until("it says what it found", || told().is_some_and(|(kind, _)| kind == ErrorKind::Corrupt));
    let (_, text) = told().unwrap();
    assert!(text.contains("cannot be opened again: ") && text.contains(&name), "{text}");
    refusal(append(&*log, &at("a", 0), 21), ErrorKind::Corrupt);
    let (read, synced) = (place.files.read_bytes(), place.files.sync_count());
    std::thread::park_timeout(std::time::Duration::from_secs(1));
    assert_eq!((place.files.read_bytes(), place.files.sync_count()), (read, synced), "it is left alone");
    refusal(log.close(), ErrorKind::Corrupt);
    refusal(log.describe(), ErrorKind::Closed);
}

/// A first start that a crash ended before the header was whole left a log that was `Corrupt` for ever.
#[test]
fn a_start_that_a_crash_interrupted_is_begun_again() {
    let place = Place::new(tiny());
    let file = place.files.create("00000000000000000001.log").unwrap();
    file.cut(0, 4096).unwrap();
    let log = place.open();
    create(&*log, &["a"], 1);
    store(&*log, &at("a", 0), [1]);
    log.close().unwrap();
    drop(log);
    // But a log that had begun and lost its header is not begun again.
    overwrite(&place.files, "00000000000000000001.log", 0, &[0; 40]);
    let before = bytes_of(&place.files);
    refusal(place.try_open(), ErrorKind::Corrupt);
    assert!(bytes_of(&place.files) == before);
}

/// After a kill, what was written but not synced was found in the page cache, shown, and only the last segment of it
/// synced. A power cut then left a hole in what had been shown.
#[test]
fn what_is_found_after_a_kill_is_durable_before_it_is_shown() {
    for seed in crate::support::seeds(0..20) {
        let _seed = crate::support::Seed(seed);
        let mut place = Place::new(tiny());
        let log = place.open();
        create(&*log, &["a", "b"], 1);
        let mut member = join(&*log, &group("g"), "a");
        place.files.set_syncs(Syncs::Hanging);
        for number in 0..100 {
            drop(log.append(&at("a", 0), padded([number], 500)).unwrap());
            let fetches = poll_written(&mut *member, number);
            drop(commit_copy(&mut *member, &fetches, Some("b")).unwrap());
        }
        drop(member);
        place.kill(log);
        let log = place.open();
        let shown = read_all(&*log, &at("b", 0));
        assert!(shown.len() > 50);
        place.cut_power(log, seed);
        assert_eq!(read_all(&*place.open(), &at("b", 0)), shown);
    }
}

/// While syncs hang only commits write what is appended: one of nothing but an offset does.
fn poll_written(member: &mut dyn linecook_log::Member, number: u64) -> Vec<linecook_log::Fetch> {
    let mut commit = linecook_log::Commit::default();
    commit.offsets.push((at("a", 0), Offset(number)));
    drop(member.commit(commit).unwrap());
    poll_records(member, 1)
}

#[test]
fn a_closed_segment_that_is_damaged_is_found_when_it_is_read() {
    let place = written(150);
    let first = place.files.list().unwrap().into_iter().min().unwrap();
    let bytes = file_bytes(&place.files, &first);
    let frame = frames_in(&bytes)[10];
    for inside in [20, 200] {
        overwrite(&place.files, &first, frame + inside, &[bytes[frame + inside] ^ 1]);
        // Rows are whole up to the end, so that opening has no reason to read the first segment.
        let log = match place.try_open() {
            Ok(log) => log,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{}", error.chain());
                overwrite(&place.files, &first, frame + inside, &[bytes[frame + inside]]);
                let log = place.open();
                until("the first segment need not be read again", || {
                    let figures = log.status().figures;
                    figures.iter().any(|it| it.name == "log_rows_persisted_number" && it.value > 140.0)
                });
                overwrite(&place.files, &first, frame + inside, &[bytes[frame + inside] ^ 1]);
                log
            }
        };
        let mut told = String::new();
        let mut offset = Offset(0);
        while told.is_empty() {
            match log.read(&at("a", 0), offset, 1) {
                Ok(batches) => offset = batches.last().expect("the end is not reached").end(),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Corrupt);
                    told = error.chain();
                }
            }
        }
        assert!(told.contains(&format!("file={first} position={frame}")), "{told}");
        assert!(offset < Offset(20));
        overwrite(&place.files, &first, frame + inside, &[bytes[frame + inside]]);
        assert_eq!(read_all(&*log, &at("a", 0)).len(), 150, "the others can be read");
    }
}

/// A log with rows, and what its rows count.
fn with_rows(options: linecook_embedded::Options) -> (Place, u64) {
    let mut place = Place::new(options);
    let log = place.open();
    create(&*log, &["a", "b"], 1);
    let mut member = join(&*log, &group("g"), "a");
    for number in 0..200 {
        wait(&log.append(&at("a", 0), padded([number], 300)).unwrap()).unwrap();
        let fetches = poll_records(&mut *member, 1000);
        wait(&commit_copy(&mut *member, &fetches, None).unwrap()).unwrap();
    }
    drop(member);
    if place.options.retention_bytes.is_some() {
        until("segments are dropped", || bounds(&*log, &at("a", 0)).unwrap().0 > Offset(0));
    }
    place.kill(log);
    (place, 200)
}

pub(crate) fn total(log: &dyn Log) -> u64 {
    let rows = log.rows(&group("g"), &table()).unwrap();
    let all = rows.scan(at("a", 0).partition, Scan::prefix(b"")).unwrap();
    let total = rows.get(at("a", 0).partition, TOTAL).unwrap().map_or(0, |total| number_in(&total));
    assert_eq!(all.len() as u64, total + u64::from(total > 0));
    total
}

fn damage_rows(rows: &Path) {
    let mut folders = vec![rows.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { fs::write(path, b"damaged").unwrap() }
        }
    }
}

#[test]
fn rows_that_are_damaged_or_missing_are_made_again_from_a_log_that_reaches_back() {
    let (place, count) = with_rows(tiny());
    damage_rows(&place.rows_folder());
    assert_eq!(total(&*place.open()), count);
    fs::remove_dir_all(place.rows_folder()).unwrap();
    assert_eq!(total(&*place.open()), count);
}

/// What had been put aside was removed when rows were damaged again: it could have shown what damages them.
#[test]
fn rows_that_are_damaged_again_are_put_aside_beside_the_ones_before() {
    let (place, count) = with_rows(tiny());
    for expected in 1..4 {
        damage_rows(&place.rows_folder());
        assert_eq!(total(&*place.open()), count);
        let parent = place.rows_folder().parent().unwrap().to_owned();
        let names = fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert_eq!(names.filter(|name| name.starts_with("rows.damaged")).count(), expected);
    }
}

#[test]
fn rows_that_are_damaged_or_missing_are_refused_when_segments_were_dropped() {
    let mut options = tiny();
    options.segment_bytes = 4096;
    options.retention_bytes = Some(32 << 10);
    let (place, count) = with_rows(options);
    let kept = place.rows_folder().with_extension("kept");
    copy_folder(&place.rows_folder(), &kept);
    damage_rows(&place.rows_folder());
    let before = bytes_of(&place.files);
    refusal(place.try_open(), ErrorKind::Corrupt);
    fs::remove_dir_all(place.rows_folder()).unwrap();
    let told = refusal(place.try_open(), ErrorKind::Corrupt);
    assert!(told.contains("rows_up_to=0"), "{told}");
    assert!(bytes_of(&place.files) == before);
    fs::remove_dir_all(place.rows_folder()).unwrap();
    copy_folder(&kept, &place.rows_folder());
    assert_eq!(total(&*place.open()), count, "rows are there, their segments gone");
}

/// Rows of commits that the log lost were kept, and the next commits of those numbers passed over as applied.
#[test]
fn rows_that_are_ahead_of_the_log_are_refused() {
    let (place, _) = with_rows(tiny());
    let (other, _) = with_rows(tiny());
    let last = newest(&place.files);
    let bytes = file_bytes(&place.files, &last);
    let frames = frames_in(&bytes);
    let end = frames[0] as u64;
    for name in place.files.list().unwrap().into_iter().filter(|name| *name == last) {
        place.files.open(&name).unwrap().cut(end, end).unwrap();
    }
    let before = bytes_of(&place.files);
    let rows = place.rows_folder();
    fs::remove_dir_all(&rows).unwrap();
    let log = other.open();
    log.close().unwrap(); // which persists its rows
    copy_folder(&other.rows_folder(), &rows);
    let told = refusal(place.try_open(), ErrorKind::Corrupt);
    assert!(told.contains("nothing was changed"), "{told}");
    assert!(bytes_of(&place.files) == before);
}

#[test]
fn data_of_a_newer_version_is_refused_naming_both_versions() {
    // A header, then a frame, of version 9 and otherwise whole.
    let place = written(3);
    let name = newest(&place.files);
    let good = file_bytes(&place.files, &name);
    let patched = |from: usize, crc_at: usize, end: usize| {
        let mut bytes = good.clone();
        bytes[from] = 9;
        let crc = crc32c::crc32c(&bytes[from..end]).to_le_bytes();
        bytes[crc_at..crc_at + 4].copy_from_slice(&crc);
        bytes
    };
    let frames = frames_in(&good);
    let length = |at: usize| u32::from_le_bytes(*good[at..].first_chunk().unwrap()) as usize;
    let header = patched(12, 8, length(16));
    let last = *frames.last().unwrap();
    let frame = patched(last + 8, last + 4, last + length(last + 12));
    for bytes in [header, frame] {
        overwrite(&place.files, &name, 0, &bytes);
        let before = bytes_of(&place.files);
        let told = refusal(place.try_open(), ErrorKind::Corrupt);
        assert!(told.contains("found_format=9 known_format=1"), "{told}");
        assert!(bytes_of(&place.files) == before);
    }
    overwrite(&place.files, &name, 0, &good);
    fs::write(place.rows_folder().join("format"), b"lc-rows\x02").unwrap();
    let told = refusal(place.try_open(), ErrorKind::Corrupt);
    assert!(told.contains("found=2 supported=1"), "{told}");
    assert!(place.rows_folder().exists(), "what a newer version wrote is not made again");
}
