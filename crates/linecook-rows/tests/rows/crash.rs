//! Random work with crashes, against a model that is a map for each commit.

use crate::support::{Model, Random, collect, copy_folder};
use linecook_rows::{Installed, KeyRange, Number, Options, Rows, Snapshot, Store};
use parking_lot::Mutex;
use std::{
    collections::{VecDeque, btree_map::IntoIter},
    path::{Path, PathBuf},
    sync::Arc,
};
use tempfile::{TempDir, tempdir};

const ROUNDS: u64 = 500;
const KEYS: u64 = 60;
const COPIES_MAX: usize = 4;

type Changes = Vec<(Vec<u8>, Option<Vec<u8>>)>;
type Expected = IntoIter<Vec<u8>, Vec<u8>>;

/// `LINECOOK_ROWS_SEED=7 cargo test -p linecook-rows crash` runs one seed, which a failure has printed.
#[test]
fn a_store_that_crashes_at_any_time_is_rebuilt_exactly_by_replay() {
    let seeds = match std::env::var("LINECOOK_ROWS_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (1..=6).collect(),
    };
    for seed in seeds {
        println!("seed={seed}");
        let mut world = World::new(seed);
        for _ in 0..ROUNDS {
            world.step();
        }
        world.crash();
        world.check_all();
    }
}

/// What would be on disk after a crash: a copy made after each installed version. Older ones stand for a disk on which
/// the last ones did not arrive.
type Copies = Arc<Mutex<VecDeque<TempDir>>>;

struct World {
    random: Random,
    /// The log. The commit at index n has number n + 1; `None` is one that the store is only told of.
    log: Vec<Option<Changes>>,
    /// What the log adds up to.
    model: Model,
    /// Snapshots, with what they have to show.
    readers: Vec<(Snapshot, Model)>,
    /// Scans under way, with what they have yet to yield.
    scans: Vec<(Rows, Expected)>,
    copies: Copies,
    folder: TempDir,
    /// `None` only between two stores.
    store: Option<Store>,
}

impl World {
    fn new(seed: u64) -> Self {
        let (folder, copies) = (tempdir().unwrap(), Copies::default());
        Self {
            random: Random::seeded(seed),
            log: Vec::new(),
            model: Model::new(),
            readers: Vec::new(),
            scans: Vec::new(),
            store: Some(open(folder.path(), &copies)),
            copies,
            folder,
        }
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..60 => self.commit(),
            60..66 => self.pass_over(),
            66..72 => self.store().persist_soon(),
            72..74 => self.store().flush_now().unwrap(),
            74..79 => self.add_reader(),
            79..82 => self.add_scan(),
            82..88 => self.check_reader(),
            88..92 => self.advance_scan(),
            92..95 => self.check_page(),
            95..97 => self.drop_readers(),
            97..98 => self.reopen(),
            98..99 => self.check_all(),
            _ => self.crash(),
        }
        assert_eq!(self.store().applied(), Number(self.log.len() as u64));
        assert!(self.store().persisted() <= self.store().applied());
    }

    fn commit(&mut self) {
        let changes: Changes = (0..self.random.below(8)).map(|_| self.change()).collect();
        for (key, value) in &changes {
            match value {
                Some(value) => drop(self.model.insert(key.clone(), value.clone())),
                None => drop(self.model.remove(key)),
            }
        }
        self.log.push(Some(changes));
        self.replay_last();
    }

    fn change(&mut self) -> (Vec<u8>, Option<Vec<u8>>) {
        let key = format!("{}/{}", self.random.below(3), self.random.below(KEYS));
        let is_deleted = self.random.below(4) == 0;
        let bytes = (0..self.random.below(60)).map(|_| self.random.byte());
        let value = bytes.collect();
        (key.into_bytes(), (!is_deleted).then_some(value))
    }

    fn pass_over(&mut self) {
        self.log.push(None);
        self.replay_last();
    }

    fn replay_last(&self) {
        replay(self.store(), &self.log, self.log.len() - 1);
    }

    fn add_reader(&mut self) {
        let reader = (self.store().snapshot().unwrap(), self.model.clone());
        self.readers.push(reader);
    }

    fn check_reader(&mut self) {
        if self.readers.is_empty() {
            return;
        }
        let index = self.random.index(self.readers.len());
        let (snapshot, model) = &self.readers[index];
        let key = self.random.below(KEYS);
        for key in (0..3).map(|prefix| format!("{prefix}/{key}").into_bytes()) {
            let value = snapshot.get(&key).unwrap();
            assert_eq!(value.as_deref(), model.get(&key).map(Vec::as_slice));
        }
        assert_eq!(&collect(snapshot.scan(KeyRange::all())), model);
    }

    fn add_scan(&mut self) {
        let rows = self.store().scan(KeyRange::all()).unwrap();
        self.scans.push((rows, self.model.clone().into_iter()));
    }

    fn advance_scan(&mut self) {
        let count = self.random.index(30);
        for (rows, expected) in &mut self.scans {
            for _ in 0..count {
                let row = rows.next().map(Result::unwrap);
                let row = row.map(|(key, value)| (key.to_vec(), value.to_vec()));
                assert_eq!(row, expected.next());
            }
        }
    }

    fn check_page(&mut self) {
        let prefix = format!("{}/", self.random.below(3)).into_bytes();
        let after = format!("{}/{}", self.random.below(3), self.random.below(KEYS)).into_bytes();
        let range = KeyRange::prefix(&prefix).after(&after);
        let rows = collect(self.store().scan(range).unwrap());
        let mut expected = self.model.clone();
        expected.retain(|key, _| key.starts_with(&prefix) && *key > after);
        assert_eq!(rows, expected);
    }

    fn drop_readers(&mut self) {
        self.readers.clear();
        self.scans.clear();
    }

    fn reopen(&mut self) {
        self.drop_readers();
        self.store().close().unwrap();
        assert_eq!(self.store().persisted(), Number(self.log.len() as u64));
        self.open_in(self.folder.path().to_owned());
    }

    /// Ends the store without closing it and goes on from its folder or from a copy. The log has everything.
    fn crash(&mut self) {
        self.drop_readers();
        self.store = None;
        let copies = std::mem::take(&mut *self.copies.lock());
        let choice = self.random.index(copies.len() + 1);
        if let Some(copy) = copies.into_iter().nth(choice) {
            self.folder = copy;
        }
        self.open_in(self.folder.path().to_owned());
    }

    fn open_in(&mut self, folder: PathBuf) {
        self.store = None;
        self.copies.lock().clear();
        let store = open(&folder, &self.copies);
        let persisted = usize::try_from(store.persisted().0).unwrap();
        // A log may well begin earlier than it has to.
        let overlap = self.random.index(3).min(persisted);
        for index in persisted - overlap..self.log.len() {
            replay(&store, &self.log, index);
        }
        self.store = Some(store);
    }

    fn check_all(&self) {
        assert_eq!(collect(self.store().scan(KeyRange::all()).unwrap()), self.model);
    }
}

fn replay(store: &Store, log: &[Option<Changes>], index: usize) {
    let number = Number(index as u64 + 1);
    match &log[index] {
        Some(changes) => {
            let rows = changes.iter().map(|(key, value)| (key, value.as_deref()));
            store.apply(number, rows).unwrap();
        }
        None => store.advance(number).unwrap(),
    }
}

fn open(folder: &Path, copies: &Copies) -> Store {
    let copies = Arc::clone(copies);
    let installed: Installed = Arc::new(move |folder| {
        let copy = tempdir().unwrap();
        copy_folder(folder, copy.path());
        let mut copies = copies.lock();
        copies.push_back(copy);
        if copies.len() > COPIES_MAX {
            copies.pop_front();
        }
    });
    let options = Options { memtable_bytes: 2048, installed: Some(installed), ..Options::default() };
    Store::open(folder, options).unwrap()
}
