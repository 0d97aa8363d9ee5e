//! Opening a log, opening it again when a device fails, closing it.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use linecook_log::{Clock, Error, ErrorKind, Result};
use linecook_rows::{Number, Store};
use parking_lot::{Mutex, RwLock};

use crate::{
    declarations::Declarations,
    engine::Engine,
    files::Files,
    frame::CommitNumber,
    lock::DirectoryLock,
    options::Options,
    published::Ended,
    recovery::{self, Until},
    row_store::{self, RowStore, RowsInstalled},
    threads,
};

/// How long to wait before a log that failed is tried again; then twice as long, up to the most.
const REOPEN_AFTER: Duration = Duration::from_millis(200);
const REOPEN_AFTER_MAX: Duration = Duration::from_secs(5);

pub(crate) struct Shared {
    place: Place,
    state: RwLock<State>,
    is_closing: AtomicBool,
}

/// Where a log lies, and what stays when it is opened again.
pub(crate) struct Place {
    options: Options,
    files: Arc<dyn Files>,
    rows_folder: PathBuf,
    rows_installed: Option<RowsInstalled>,
    /// It outlives a failure of the log, unless it has failed itself.
    store: Mutex<Arc<RowStore>>,
    declarations: Arc<Declarations>,
    clock: Arc<dyn Clock>,
    /// Given back when the log is closed, though readers of rows may keep this.
    lock: Mutex<Option<DirectoryLock>>,
}

enum State {
    Open(Opened),
    /// Why it is not open, for the time being or for good.
    Ended(Ended),
}

struct Opened {
    engine: Arc<Engine>,
    threads: Vec<JoinHandle<()>>,
}

/// The tree is primary once segments were dropped: only a log that reaches back to its beginning can make it again.
fn open_rows(folder: &Path, options: &Options, files: &dyn Files, installed: Option<RowsInstalled>) -> Result<Store> {
    let open = || {
        let options = linecook_rows::Options {
            memtable_bytes: options.memtable_bytes,
            cache_bytes: options.row_cache_bytes,
            installed: installed.clone(),
            ..Default::default()
        };
        Store::open(folder, options)
    };
    let damaged = match open() {
        Err(error) if error.kind() == linecook_rows::ErrorKind::Corrupt => row_store::as_log_error(error),
        outcome => return outcome.map_err(row_store::as_log_error),
    };
    let names = files.list().map_err(|error| crate::segment::unreadable(error, "the folder of the segments"))?;
    let reaches_back = names.iter().filter_map(|name| crate::segment::first_of(name)).min() == Some(CommitNumber(1));
    if !reaches_back {
        return Err(damaged);
    }
    let aside = name_aside(folder);
    tracing::warn!(error = damaged.chain(), moved_to = %aside.display(), "the rows are damaged and made again from the log");
    fs::rename(folder, &aside).map_err(|error| crate::segment::unreadable(error, "the folder of the rows"))?;
    open().map_err(row_store::as_log_error)
}

/// A name beside `folder` that is free. What was put aside before stays: it may be what a person has to look at.
fn name_aside(folder: &Path) -> PathBuf {
    let mut names = (1_u32..).map(|number| match number {
        1 => PathBuf::from(format!("{}.damaged", folder.display())),
        _ => PathBuf::from(format!("{}.damaged-{number}", folder.display())),
    });
    names.find(|name| !name.exists()).expect("there are more numbers than folders")
}

impl Place {
    pub(crate) fn new(
        (files, lock): (Arc<dyn Files>, Option<DirectoryLock>),
        (rows_folder, rows_installed): (&Path, Option<RowsInstalled>),
        options: Options,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let store = open_rows(rows_folder, &options, &*files, rows_installed.clone())?;
        let (rows_folder, store) = (rows_folder.to_owned(), Mutex::new(Arc::new(RowStore::new(store))));
        let (declarations, lock) = (Arc::default(), Mutex::new(lock));
        Ok(Self { options, files, rows_folder, rows_installed, store, declarations, clock, lock })
    }

    fn open(&self, until: Until) -> Result<Opened> {
        let store = self.store()?;
        let persisted = CommitNumber(store.applied().max(store.persisted()).0);
        let mut replay = |number: CommitNumber, rows: Vec<crate::payload::FullRow>| {
            // They are slices of a whole frame of the log, which they would keep in memory: as slices they are copied.
            let rows = rows.iter().map(|(key, value)| (key.as_ref(), value.as_deref()));
            store.apply(Number(number.0), rows).map_err(Error::from)
        };
        let recovered = recovery::recover(&*self.files, &self.options, (persisted, until), &mut replay)?;
        let parts = (self.options.clone(), Arc::clone(&self.files), Arc::clone(&self.clock));
        let engine = Arc::new(Engine::new(parts, (Arc::clone(&store), Arc::clone(&self.declarations)), recovered));
        let threads = threads::start(&engine).map_err(no_thread)?;
        Ok(Opened { engine, threads })
    }

    /// The store, opened again when it is over and nobody reads from it any more: what it lost is replayed.
    fn store(&self) -> Result<Arc<RowStore>> {
        let mut store = self.store.lock();
        if store.check().is_err() {
            store.close().ok();
            let opened = open_rows(&self.rows_folder, &self.options, &*self.files, self.rows_installed.clone())?;
            *store = Arc::new(RowStore::new(opened));
        }
        Ok(Arc::clone(&store))
    }

    fn close(&self) -> Result<()> {
        let closed = self.store.lock().close();
        self.lock.lock().take();
        closed
    }
}

pub(crate) fn no_thread(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "cannot start a thread of the log").with_source(error)
}

impl Shared {
    pub(crate) fn open(place: Place) -> Result<Self> {
        let state = RwLock::new(State::Open(place.open(Until::LastWhole)?));
        Ok(Self { place, state, is_closing: AtomicBool::new(false) })
    }

    /// Closes it for good; `join_guard` waits for the thread that may be opening it again.
    pub(crate) fn close(&self, join_guard: impl FnOnce() -> Result<()>) -> Result<()> {
        self.is_closing.store(true, Ordering::SeqCst);
        let closed = self.close_open();
        let joined = join_guard();
        self.leave(Ended { kind: ErrorKind::Closed, message: Error::closed().to_string() });
        closed.and(joined).and(self.place.close())
    }

    pub(crate) fn engine(&self) -> Result<Arc<Engine>> {
        match &*self.state.read() {
            State::Open(opened) => match opened.engine.published.ended() {
                None => Ok(Arc::clone(&opened.engine)),
                // To its members the outcome of what they did is unknown; who calls now has done nothing yet.
                Some(ended) if ended.kind == ErrorKind::Unknown => {
                    Err(Error::new(ErrorKind::Unavailable, ended.message))
                }
                Some(ended) => Err(ended.error()),
            },
            State::Ended(ended) => Err(ended.error()),
        }
    }

    /// Opens the log again when it failed, until it is closed.
    pub(crate) fn guard(&self) {
        loop {
            let engine = match &*self.state.read() {
                State::Open(opened) => Arc::clone(&opened.engine),
                State::Ended(_) => return,
            };
            let ended = engine.published.wait_for_end();
            if ended.kind == ErrorKind::Closed || self.is_closing.load(Ordering::SeqCst) {
                return;
            }
            self.leave(Ended { kind: ErrorKind::Unavailable, message: ended.message });
            let until = Until::Commit(engine.published.number());
            drop(engine);
            if !self.open_again(until) {
                return;
            }
        }
    }

    /// Ends what is open: its threads are joined, and a write under way is waited for.
    fn leave(&self, ended: Ended) {
        let before = std::mem::replace(&mut *self.state.write(), State::Ended(ended));
        if let State::Open(opened) = before {
            for thread in opened.threads {
                thread.join().ok();
            }
            // A member may be in the middle of a write, which must not land in files that the next log, or another
            // process, has written to. Who takes the commit lock after this sees under it that the log is over.
            drop(opened.engine.writer());
        }
    }

    /// Whether it is open again. When not, it is over for good: it was closed, or what lies there is damaged, which does
    /// not mend by itself.
    fn open_again(&self, until: Until) -> bool {
        let mut pause = REOPEN_AFTER;
        while !self.is_closing.load(Ordering::SeqCst) {
            match self.place.open(until) {
                Ok(opened) => {
                    tracing::info!("the log is open again");
                    *self.state.write() = State::Open(opened);
                    if self.is_closing.load(Ordering::SeqCst) {
                        // Who closes it came before there was something to close, and waits for this thread now.
                        self.close_open().ok();
                        return false;
                    }
                    return true;
                }
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    tracing::error!(error = error.chain(), "the log failed and cannot be opened again");
                    let message = format!("the log failed and cannot be opened again: {}", error.chain());
                    *self.state.write() = State::Ended(Ended { kind: ErrorKind::Corrupt, message });
                    return false;
                }
                Err(error) => {
                    let message = format!("the log failed and cannot be opened again yet: {}", error.chain());
                    *self.state.write() = State::Ended(Ended { kind: ErrorKind::Unavailable, message });
                    thread::park_timeout(pause);
                    pause = (pause * 2).min(REOPEN_AFTER_MAX);
                }
            }
        }
        false
    }

    /// Makes durable what was written to the log that is open, and ends it; nothing to do when none is.
    fn close_open(&self) -> Result<()> {
        let engine = match &*self.state.read() {
            State::Open(opened) => Arc::clone(&opened.engine),
            State::Ended(ended) if ended.kind == ErrorKind::Closed => return Ok(()),
            State::Ended(ended) => return Err(ended.error()),
        };
        engine.is_closing.store(true, Ordering::Release);
        engine.sync_wakeup.raise();
        let ended = engine.published.wait_for_end();
        if ended.kind == ErrorKind::Closed { Ok(()) } else { Err(ended.error()) }
    }
}
