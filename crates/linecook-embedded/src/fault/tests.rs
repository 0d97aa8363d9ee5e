use super::*;

fn write(file: &dyn SegmentFile, position: u64, bytes: &[u8]) {
    file.write(position, &mut [IoSlice::new(bytes)]).unwrap();
}

fn read(files: &FaultyFiles, position: u64, count: usize) -> Vec<u8> {
    let mut buffer = vec![0; count];
    let read = files.open("f").unwrap().read(position, &mut buffer).unwrap();
    buffer.truncate(read);
    buffer
}

#[test]
fn a_kill_keeps_what_was_written_and_a_power_cut_only_what_was_synced() {
    let files = FaultyFiles::default();
    let file = files.create("f").unwrap();
    write(&*file, 0, &[1; 5000]);
    file.sync().unwrap();
    files.sync_folder().unwrap();
    write(&*file, 4096, &[2; 9000]);
    let files = files.killed();
    assert!(file.sync().is_err(), "the handle of a dead process");
    assert_eq!(read(&files, 4096, 3), [2, 2, 2]);

    let mut seen = BTreeSet::new();
    for seed in 0..64 {
        let after = files.killed().power_cut(seed);
        assert_eq!(read(&after, 0, 4096), vec![1; 4096], "synced: it is there, seed {seed}");
        let (rewritten, new) = (read(&after, 4096, 1), read(&after, 8192, 1));
        assert!(rewritten == [1] || rewritten == [2], "kept or as it was before, seed {seed}: {rewritten:?}");
        seen.insert((rewritten, new));
    }
    assert_eq!(seen.len(), 6, "and what is new is kept, zeroed or behind the end: {seen:?}");
}

#[test]
fn a_file_whose_folder_was_not_synced_may_be_gone() {
    let mut survived = BTreeSet::new();
    for seed in 0..32 {
        let files = FaultyFiles::default();
        let file = files.create("f").unwrap();
        write(&*file, 0, &[1]);
        file.sync().unwrap();
        survived.insert(files.power_cut(seed).list().unwrap().len());
    }
    assert_eq!(survived.len(), 2);
}

#[test]
fn a_lying_sync_makes_nothing_durable_and_a_late_one_what_the_one_before_should_have() {
    for (syncs, expected) in [(Syncs::Honest, true), (Syncs::Lying, false), (Syncs::Late, false)] {
        let mut is_always_there = true;
        for seed in 0..32 {
            let files = FaultyFiles::default();
            let file = files.create("f").unwrap();
            files.sync_folder().unwrap();
            files.set_syncs(syncs);
            write(&*file, 0, &[1]);
            file.sync().unwrap();
            is_always_there &= read(&files.power_cut(seed), 0, 1) == [1];
        }
        assert_eq!(is_always_there, expected, "{syncs:?}");
    }
}

#[test]
fn a_full_disk_refuses_to_allocate() {
    let files = FaultyFiles::default();
    files.set_free_bytes(1000);
    let file = files.create("f").unwrap();
    assert_eq!(file.cut(0, 2000).unwrap_err().kind(), io::ErrorKind::StorageFull);
    file.cut(0, 1000).unwrap();
    write(&*file, 0, &[1; 1000]);
    assert_eq!(file.write(1000, &mut [IoSlice::new(&[1])]).unwrap_err().kind(), io::ErrorKind::StorageFull);
    file.cut(990, 990).unwrap();
    assert_eq!(file.write(990, &mut [IoSlice::new(&[2; 20])]).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(read(&files, 985, 100), [[1; 5].as_slice(), &[2; 10]].concat(), "a part of it is there");
}
