//! A file layer in memory that decides what survives: for tests of this crate and of what is built on it.
//!
//! Its fault model, a page being 4 KiB and a sector 512 bytes:
//! * A **kill** loses nothing that was written; the log that was killed can do nothing any more.
//! * A **power cut** keeps what was synced. Each page written since is, by a seeded draw, kept, lost (as it was before),
//!   torn (each of its sectors kept or lost), or, unless a sync had made something of it durable, zeroed: a file system
//!   may have noted that it is there and not have written it, but it does not unwrite what was there. A change of a
//!   file's length since its last sync may be lost with all that lies behind the old length. A file created since the
//!   last sync of the folder may be gone, and one removed since may be back.
//! * Syncs can be slow, hang, fail, lie (never make anything durable), or come late (make durable what the sync before
//!   should have); writes can find the disk full, and then leave a part of their bytes; a write can be held; reads can
//!   fail.

mod pages;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io::{self, IoSlice},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use parking_lot::{Condvar, Mutex, RwLock, RwLockReadGuard};

use self::pages::{Content, Draw, PAGE};
use crate::files::{Files, SegmentFile};

/// How syncs behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Syncs {
    /// They make durable what was written before them.
    #[default]
    Honest,
    /// They fail, and what they should have made durable counts as clean: a later sync does not make up for it.
    Failing,
    /// They wait until they are to behave in another way, and then do.
    Hanging,
    /// They say that they did, and never do.
    Lying,
    /// They make durable what had been written before the sync before: who publishes by them publishes too early.
    Late,
}

/// How reads behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reads {
    /// They read what is there.
    #[default]
    Honest,
    /// They fail.
    Failing,
}

/// One write that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum HeldWrite {
    #[default]
    None,
    /// The next one will be.
    Next,
    /// It waits, and the writes behind it do not.
    Waiting,
}

/// See the [module](self). Cloning gives another handle of the same disk.
#[derive(Clone, Default)]
pub struct FaultyFiles {
    disk: Arc<Disk>,
}

#[derive(Default)]
struct Disk {
    folder: Mutex<Folder>,
    /// No handle of this disk does anything any more. Whoever does something holds it for reading: what is told to have
    /// been done before the end is part of what survives.
    is_dead: RwLock<bool>,
    syncs: Mutex<Syncs>,
    syncs_changed: Condvar,
    reads: Mutex<Reads>,
    held_write: Mutex<HeldWrite>,
    held_write_changed: Condvar,
    sync_micros: AtomicU64,
    sync_count: AtomicU64,
    read_bytes: AtomicU64,
    /// `u64::MAX - free`, so that the default is a huge disk.
    used_bytes: AtomicU64,
}

#[derive(Default)]
struct Folder {
    files: BTreeMap<String, Arc<FaultyFile>>,
    /// The files as of the last sync of the folder.
    durable: BTreeMap<String, Arc<FaultyFile>>,
}

struct FaultyFile {
    disk: std::sync::Weak<Disk>,
    content: Mutex<Content>,
}

impl FaultyFiles {
    /// From now on syncs behave like that.
    pub fn set_syncs(&self, syncs: Syncs) {
        *self.disk.syncs.lock() = syncs;
        self.disk.syncs_changed.notify_all();
    }

    /// From now on reads of files behave like that.
    pub fn set_reads(&self, reads: Reads) {
        *self.disk.reads.lock() = reads;
    }

    /// The next write to a file waits before its first byte, until it is [let go](Self::let_write_go). Writes that come
    /// after it do not wait.
    pub fn hold_next_write(&self) {
        *self.disk.held_write.lock() = HeldWrite::Next;
    }

    /// Whether a write is being held.
    pub fn is_write_held(&self) -> bool {
        *self.disk.held_write.lock() == HeldWrite::Waiting
    }

    /// The write that is held goes on.
    pub fn let_write_go(&self) {
        *self.disk.held_write.lock() = HeldWrite::None;
        self.disk.held_write_changed.notify_all();
    }

    /// From now on each sync of a file takes that long.
    pub fn set_sync_time(&self, time: Duration) {
        self.disk.sync_micros.store(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    /// From now on so many bytes are free; writes beyond a file's length and allocations fail when they need more. A
    /// write that fails leaves as much as there was room for.
    pub fn set_free_bytes(&self, bytes: u64) {
        self.disk.used_bytes.store(u64::MAX - bytes, Ordering::SeqCst);
    }

    /// How many syncs of files there were.
    pub fn sync_count(&self) -> u64 {
        self.disk.sync_count.load(Ordering::SeqCst)
    }

    /// How many bytes were read.
    pub fn read_bytes(&self) -> u64 {
        self.disk.read_bytes.load(Ordering::SeqCst)
    }

    /// The disk as it is after `kill -9` of the process; this handle and all it gave are dead.
    #[must_use]
    pub fn killed(&self) -> Self {
        self.disk.die();
        let survivor = Self::default();
        let folder = self.disk.folder.lock();
        let mut copies: HashMap<*const FaultyFile, Arc<FaultyFile>> = HashMap::new();
        let mut copy = |file: &Arc<FaultyFile>| {
            let mut content = file.content.lock().clone();
            // The sync that the process waited for was not told to have failed.
            let in_flight = std::mem::take(&mut content.in_flight);
            content.dirty.extend(in_flight);
            Arc::clone(copies.entry(Arc::as_ptr(file)).or_insert_with(|| survivor.file(content)))
        };
        let files = folder.files.iter().map(|(name, file)| (name.clone(), copy(file))).collect();
        let durable = folder.durable.iter().map(|(name, file)| (name.clone(), copy(file))).collect();
        *survivor.disk.folder.lock() = Folder { files, durable };
        survivor
    }

    /// The disk as it is after a power cut, one of the many it may be; this handle and all it gave are dead.
    #[must_use]
    pub fn power_cut(&self, seed: u64) -> Self {
        self.disk.die();
        let mut draw = Draw(seed);
        let survivor = Self::default();
        let folder = self.disk.folder.lock();
        let mut files = BTreeMap::new();
        for name in folder.files.keys().chain(folder.durable.keys()).collect::<BTreeSet<_>>() {
            let (now, then) = (folder.files.get(name), folder.durable.get(name));
            let is_same = matches!((now, then), (Some(now), Some(then)) if Arc::ptr_eq(now, then));
            let kept = if is_same || draw.below(2) == 0 { now } else { then };
            if let Some(file) = kept {
                let content = file.content.lock().after_power_cut(&mut draw);
                files.insert(name.clone(), survivor.file(content));
            }
        }
        *survivor.disk.folder.lock() = Folder { durable: files.clone(), files };
        survivor
    }

    fn file(&self, content: Content) -> Arc<FaultyFile> {
        Arc::new(FaultyFile { disk: Arc::downgrade(&self.disk), content: Mutex::new(content) })
    }

    fn alive(&self) -> io::Result<RwLockReadGuard<'_, bool>> {
        self.disk.alive()
    }
}

impl Disk {
    fn alive(&self) -> io::Result<RwLockReadGuard<'_, bool>> {
        let is_dead = self.is_dead.read();
        if *is_dead { Err(io::Error::other("the process is dead")) } else { Ok(is_dead) }
    }

    fn die(&self) {
        *self.is_dead.write() = true;
        self.syncs_changed.notify_all();
    }

    /// What to do now; waits while syncs hang.
    fn behaviour(&self) -> Syncs {
        let mut syncs = self.syncs.lock();
        while *syncs == Syncs::Hanging && !*self.is_dead.read() {
            self.syncs_changed.wait_for(&mut syncs, Duration::from_millis(20));
        }
        *syncs
    }

    /// Waits if this is the write that is to be held.
    fn hold_write(&self) {
        let mut held = self.held_write.lock();
        if *held != HeldWrite::Next {
            return;
        }
        *held = HeldWrite::Waiting;
        while *held == HeldWrite::Waiting && !*self.is_dead.read() {
            self.held_write_changed.wait_for(&mut held, Duration::from_millis(20));
        }
    }

    /// Takes as many of these bytes as are free; returns how many.
    fn take_room(&self, bytes: u64) -> u64 {
        let used =
            self.used_bytes.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |used| Some(used.saturating_add(bytes)));
        bytes.min(u64::MAX - used.unwrap_or_default())
    }

    fn give_room(&self, bytes: u64) {
        let less = |used: u64| Some(used.saturating_sub(bytes));
        self.used_bytes.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).ok();
    }
}

impl Files for FaultyFiles {
    fn list(&self) -> io::Result<Vec<String>> {
        let _alive = self.alive()?;
        Ok(self.disk.folder.lock().files.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn SegmentFile>> {
        let _alive = self.alive()?;
        let file = self.disk.folder.lock().files.get(name).cloned().ok_or(io::ErrorKind::NotFound)?;
        Ok(file)
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn SegmentFile>> {
        let _alive = self.alive()?;
        let mut folder = self.disk.folder.lock();
        let file = folder.files.entry(name.to_owned()).or_insert_with(|| self.file(Content::default()));
        // Who has it open sees that it is empty now.
        let mut content = file.content.lock();
        self.disk.give_room(content.length);
        content.cut(0);
        drop(content);
        Ok(Arc::clone(file) as _)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let _alive = self.alive()?;
        let removed = self.disk.folder.lock().files.remove(name).ok_or(io::ErrorKind::NotFound)?;
        self.disk.give_room(removed.content.lock().length);
        Ok(())
    }

    fn sync_folder(&self) -> io::Result<()> {
        let syncs = self.disk.behaviour();
        let _alive = self.alive()?;
        let mut folder = self.disk.folder.lock();
        match syncs {
            Syncs::Failing => return Err(io::Error::other("the device failed")),
            Syncs::Lying => {}
            Syncs::Honest | Syncs::Late | Syncs::Hanging => folder.durable = folder.files.clone(),
        }
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let _alive = self.alive()?;
        Ok(u64::MAX - self.disk.used_bytes.load(Ordering::SeqCst))
    }
}

impl FaultyFile {
    fn disk(&self) -> io::Result<Arc<Disk>> {
        self.disk.upgrade().ok_or_else(|| io::Error::other("the process is dead"))
    }
}

impl SegmentFile for FaultyFile {
    fn write(&self, mut position: u64, parts: &mut [IoSlice<'_>]) -> io::Result<()> {
        let disk = self.disk()?;
        disk.hold_write();
        let _alive = disk.alive()?;
        let mut content = self.content.lock();
        let end = position + parts.iter().map(|part| part.len() as u64).sum::<u64>();
        let needed = end.saturating_sub(content.length);
        let missing = needed - disk.take_room(needed);
        let end = end - missing;
        for part in parts {
            let fitting = usize::try_from(end.saturating_sub(position)).unwrap_or(usize::MAX).min(part.len());
            content.write(position, &part[..fitting]);
            position += fitting as u64;
        }
        content.length = content.length.max(end);
        if missing > 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn read(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let disk = self.disk()?;
        let _alive = disk.alive()?;
        if *disk.reads.lock() == Reads::Failing {
            return Err(io::Error::other("the device cannot be read"));
        }
        disk.read_bytes.fetch_add(buffer.len() as u64, Ordering::SeqCst);
        let content = self.content.lock();
        let count = content.length.saturating_sub(position).min(buffer.len() as u64);
        let count = usize::try_from(count).unwrap_or(buffer.len());
        for (offset, byte) in buffer[..count].chunks_mut(PAGE).enumerate() {
            content.read(position + (offset * PAGE) as u64, byte);
        }
        Ok(count)
    }

    fn sync(&self) -> io::Result<()> {
        let disk = self.disk()?;
        drop(disk.alive()?);
        // What is written while the sync is under way need not be durable after it.
        let taken = { self.content.lock().snapshot() };
        let micros = disk.sync_micros.load(Ordering::SeqCst);
        if micros > 0 {
            thread::sleep(Duration::from_micros(micros));
        }
        let syncs = disk.behaviour();
        let _alive = disk.alive()?;
        disk.sync_count.fetch_add(1, Ordering::SeqCst);
        let mut content = self.content.lock();
        content.in_flight.clear();
        match syncs {
            Syncs::Honest | Syncs::Hanging => content.persist(taken),
            Syncs::Failing => return Err(io::Error::other("the device failed")),
            Syncs::Lying => {}
            Syncs::Late => {
                if let Some(promised) = content.promised.replace(taken) {
                    content.persist(promised);
                }
            }
        }
        Ok(())
    }

    fn cut(&self, length_bytes: u64, allocated_bytes: u64) -> io::Result<()> {
        let disk = self.disk()?;
        let _alive = disk.alive()?;
        let mut content = self.content.lock();
        disk.give_room(content.length.saturating_sub(length_bytes));
        content.cut(length_bytes);
        let needed = allocated_bytes.saturating_sub(length_bytes);
        let taken = disk.take_room(needed);
        if taken < needed {
            disk.give_room(taken);
            return Err(io::ErrorKind::StorageFull.into());
        }
        content.length = allocated_bytes.max(length_bytes);
        Ok(())
    }

    fn length_bytes(&self) -> io::Result<u64> {
        let disk = self.disk()?;
        let _alive = disk.alive()?;
        Ok(self.content.lock().length)
    }
}

#[cfg(test)]
mod tests;
