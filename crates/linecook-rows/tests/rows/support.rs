//! What the tests share: a folder, waiting without sleeping, randomness that can be run again.

use linecook_rows::{Installed, KeyRange, Number, Options, Rows, Store};
use parking_lot::{Condvar, Mutex};
use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

/// What a store holds, or should.
pub(crate) type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// Nothing here takes nearly as long; a test that waits for it has failed.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// No commit has rows.
pub(crate) const NO_ROWS: [(&str, Option<&str>); 0] = [];

/// A value that is watched by waiting threads.
#[derive(Default)]
pub(crate) struct Watched<T> {
    value: Mutex<T>,
    changed: Condvar,
}

impl<T: Clone> Watched<T> {
    pub(crate) fn update(&self, change: impl FnOnce(&mut T)) {
        change(&mut self.value.lock());
        self.changed.notify_all();
    }

    pub(crate) fn wait_until(&self, what: &str, is_reached: impl Fn(&T) -> bool) -> T {
        let mut value = self.value.lock();
        let timed_out = self.changed.wait_while_for(&mut value, |value| !is_reached(value), DEADLINE).timed_out();
        assert!(!timed_out, "not in time: {what}");
        value.clone()
    }
}

/// Counts the versions that a store installs.
pub(crate) type Installs = Arc<Watched<u64>>;

pub(crate) fn counted(installs: &Installs) -> Installed {
    let installs = Arc::clone(installs);
    Arc::new(move |_| installs.update(|count| *count += 1))
}

/// As many flushes of overlapping rows as make a merge due, which then takes all of them.
pub(crate) const FLUSHES_TO_MERGE: u64 = 8;

/// The first table is moved to the last level, once; waiting for that makes what follows countable.
pub(crate) fn wait_for_first_move(installs: &Installs) {
    installs.wait_until("the first table is moved", |count| *count >= 2);
}

/// Waits for a merge after the first move and so many more flushes.
pub(crate) fn wait_for_merge(installs: &Installs) {
    installs.wait_until("a merge", |count| *count > 2 + FLUSHES_TO_MERGE);
}

pub(crate) fn open(folder: impl AsRef<Path>) -> Store {
    Store::open(folder, Options::default()).unwrap()
}

pub(crate) fn open_watched(folder: impl AsRef<Path>, installed: Installed) -> Store {
    let options = Options { installed: Some(installed), ..Options::default() };
    Store::open(folder, options).unwrap()
}

/// Applies one row and persists it.
pub(crate) fn flush_one(store: &Store, number: u64, key: &str, value: Option<&str>) {
    store.apply(Number(number), [(key, value)]).unwrap();
    store.flush_now().unwrap();
}

pub(crate) fn value_of(store: &Store, key: &str) -> Option<String> {
    let value = store.get(key).unwrap()?;
    Some(String::from_utf8(value.to_vec()).unwrap())
}

pub(crate) fn collect(rows: Rows) -> Model {
    rows.map(|row| row.map(|(key, value)| (key.to_vec(), value.to_vec()))).collect::<Result<_, _>>().unwrap()
}

pub(crate) fn all_of(store: &Store) -> Model {
    collect(store.scan(KeyRange::all()).unwrap())
}

/// Does what must not hang.
pub(crate) fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = std::sync::mpsc::channel();
    std::thread::spawn(move || done.send(work()));
    result.recv_timeout(DEADLINE).unwrap()
}

/// Copies a folder while other threads may remove files that nothing refers to.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (from, to) = {
            let name = entry.unwrap().file_name();
            (from.join(&name), to.join(&name))
        };
        if from.is_dir() {
            copy_folder(&from, &to);
            continue;
        }
        match std::fs::copy(&from, &to) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            copied => drop(copied.unwrap()),
        }
    }
}

/// Random numbers from a seed (splitmix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// An index into something of that length.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }
}
