//! Files that are given back to the system while they are not used.

use std::{
    io::{self, IoSlice},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use linecook_embedded::{
    EmbeddedLog,
    fault::{FaultyFiles, Syncs},
    files::{Files, SegmentFile},
};
use linecook_log::{Commit, Log, Output};

use crate::support::{Place, at, create, group, join, padded, poll_records, store, tiny, wait};

/// A disk that counts the files that rest although what was written to them was not synced.
#[derive(Clone)]
struct Watched {
    disk: FaultyFiles,
    too_early: Arc<AtomicU32>,
}

struct WatchedFile {
    file: Arc<dyn SegmentFile>,
    is_unsynced: AtomicBool,
    too_early: Arc<AtomicU32>,
}

impl Watched {
    fn watch(&self, file: Arc<dyn SegmentFile>) -> Arc<dyn SegmentFile> {
        Arc::new(WatchedFile { file, is_unsynced: AtomicBool::new(false), too_early: Arc::clone(&self.too_early) })
    }
}

impl Files for Watched {
    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn SegmentFile>> {
        self.disk.open(name).map(|file| self.watch(file))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn SegmentFile>> {
        self.disk.create(name).map(|file| self.watch(file))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn sync_folder(&self) -> io::Result<()> {
        self.disk.sync_folder()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.disk.free_bytes()
    }
}

impl SegmentFile for WatchedFile {
    fn write(&self, position: u64, parts: &mut [IoSlice<'_>]) -> io::Result<()> {
        self.is_unsynced.store(true, Ordering::SeqCst);
        self.file.write(position, parts)
    }

    fn read(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(position, buffer)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()?;
        self.is_unsynced.store(false, Ordering::SeqCst);
        Ok(())
    }

    fn cut(&self, length_bytes: u64, allocated_bytes: u64) -> io::Result<()> {
        self.file.cut(length_bytes, allocated_bytes)
    }

    fn length_bytes(&self) -> io::Result<u64> {
        self.file.length_bytes()
    }

    fn rest(&self) {
        let is_too_early = self.is_unsynced.load(Ordering::SeqCst);
        self.too_early.fetch_add(u32::from(is_too_early), Ordering::SeqCst);
    }
}

/// When many segments were filled during one sync, the oldest were closed before they were synced. A write that the
/// system could not bring to the disk is told to who had the file open then; who opened it later was told that all is
/// well.
#[test]
fn a_file_that_is_not_synced_stays_open() {
    let mut options = tiny();
    options.segment_bytes = 4096;
    let place = Place::new(options);
    let files = Watched { disk: place.files.clone(), too_early: Arc::default() };
    let (options, clock) = (place.options.clone(), Arc::clone(&place.clock));
    let log = EmbeddedLog::open_with_files(Arc::new(files.clone()), &place.rows_folder(), options, clock, None);
    let log: Arc<dyn Log> = Arc::new(log.unwrap());
    create(&*log, &["a", "b"], 1);
    store(&*log, &at("a", 0), [1]);
    let mut member = join(&*log, &group("g"), "a");
    let end = poll_records(&mut *member, 1)[0].next;
    place.files.set_syncs(Syncs::Hanging);
    let commit = |number| {
        let outputs = vec![Output { to: at("b", 0), batch: padded([number], 3000) }];
        member.commit(Commit { outputs, rows: Vec::new(), offsets: vec![(at("a", 0), end)] }).unwrap()
    };
    let tickets: Vec<_> = (0..100).map(commit).collect();
    place.files.set_syncs(Syncs::Honest);
    tickets.iter().for_each(|ticket| wait(ticket).unwrap());
    assert!(place.files.list().unwrap().len() > 80);
    assert_eq!(files.too_early.load(Ordering::SeqCst), 0);
}
