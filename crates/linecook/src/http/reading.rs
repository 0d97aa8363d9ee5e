//! Short reads, which the threads that answer requests do themselves.
//!
//! A disk that stands still holds up whoever reads from it. Two things keep that from the others:
//!
//! * One of the threads that answer is left: when all others read, a further read goes the way of [`blocking`].
//! * The thread that is held up may be the one that watched the sockets and the timers. With Tokio the worker that finds
//!   them ready does what there is to do itself, and the others sleep on until there is more than one task (its builder can
//!   hand them over first, `enable_eager_driver_handoff`, which is not stable). So a *lookout*, a thread of its own, looks
//!   now and then, and while somebody reads gives the runtime an empty task: that wakes another worker, which watches next.
//!
//! What remains: a task that the same worker has woken last and would do next (its LIFO slot) is held up with it. And a read that
//! was begun is not given up by a time-out, a client that goes, or an end, as one by [`blocking`] is.

use std::{
    cell::OnceCell,
    io,
    num::NonZero,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread::{self, JoinHandle, Thread},
    time::Duration,
};

use tokio::runtime::{Builder, Handle, Runtime};

use super::{Problem, blocking};

/// Does `read`, which takes some microseconds as a rule, as the read of a row does: it is mostly in memory, and handing it
/// to another thread and waking up again, as [`blocking`] does, would take longer. What takes long in any case, as the
/// reading of thousands of rows, belongs there.
///
/// ```
/// use linecook::{Json, TableReader, http::{Problem, reading}};
///
/// async fn slices_of(guest: u64, guests: TableReader<u64, Json<u32>>) -> Result<String, Problem> {
///     let slices = reading(move || guests.get(&guest)).await?;
///     Ok(slices.map_or(0, |slices| slices.0).to_string())
/// }
/// ```
///
/// # Errors
/// Those of [`blocking`].
///
/// # Panics
/// When `read` does.
pub async fn reading<T, E>(read: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, Problem>
where
    T: Send + 'static,
    E: Into<Problem> + Send + 'static,
{
    match Permit::take() {
        Some(_permit) => read().map_err(Into::into),
        None => blocking(read).await,
    }
}

/// How often the lookout looks while somebody reads: so long others may be held up by a disk that stands still.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Looks after those who read, until it is dropped.
pub(super) struct Lookout {
    readers: Arc<Readers>,
    thread: Option<JoinHandle<()>>,
}

impl Lookout {
    /// A runtime with so many threads that answer, and its lookout.
    pub(super) fn over(builder: &mut Builder, threads: NonZero<usize>) -> io::Result<(Runtime, Self)> {
        let readers = Arc::new(Readers { spare: threads.get() - 1, ..Readers::default() });
        let of_thread = Arc::clone(&readers);
        let runtime = builder
            .worker_threads(threads.get())
            .on_thread_start(move || READERS.with(|readers| drop(readers.set(Arc::clone(&of_thread)))))
            .build()?;
        let (watched, handle) = (Arc::clone(&readers), runtime.handle().clone());
        let thread = thread::Builder::new().name("http-lookout".to_owned()).spawn(move || watched.look(&handle))?;
        Ok((runtime, Self { readers, thread: Some(thread) }))
    }
}

impl Drop for Lookout {
    fn drop(&mut self) {
        self.readers.is_over.store(true, SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

/// Those of a runtime's threads that read.
#[derive(Default)]
struct Readers {
    /// How many may, at most.
    spare: usize,
    /// How many do.
    count: AtomicUsize,
    lookout: OnceLock<Thread>,
    /// Whether the lookout sleeps until it is woken. Who reads writes its count first and then asks; the lookout says so
    /// first and then looks at the count: one of the two sees the other.
    is_asleep: AtomicBool,
    is_over: AtomicBool,
}

impl Readers {
    fn look(&self, runtime: &Handle) {
        self.lookout.get_or_init(thread::current);
        while !self.is_over.load(SeqCst) {
            if self.count.load(SeqCst) > 0 {
                drop(runtime.spawn(async {}));
            } else {
                self.sleep();
            }
            thread::park_timeout(LOOK_EVERY);
        }
    }

    /// Until somebody reads. Who has to do nothing does nothing: no process wakes up because it might be asked.
    fn sleep(&self) {
        self.is_asleep.store(true, SeqCst);
        while self.is_asleep.load(SeqCst) && self.count.load(SeqCst) == 0 && !self.is_over.load(SeqCst) {
            thread::park();
        }
        self.is_asleep.store(false, SeqCst);
    }

    fn wake(&self) {
        if self.is_asleep.load(SeqCst) && self.is_asleep.swap(false, SeqCst) {
            self.lookout.get().inspect(|lookout| lookout.unpark());
        }
    }
}

thread_local! {
    /// Of the runtime that this thread answers for. Elsewhere nobody looks out, and there is none.
    static READERS: OnceCell<Arc<Readers>> = const { OnceCell::new() };
}

/// That this thread may read: others can do without it for a while.
struct Permit(Arc<Readers>);

impl Permit {
    fn take() -> Option<Self> {
        let readers = READERS.with(|readers| readers.get().cloned())?;
        let one_more = |count| (count < readers.spare).then_some(count + 1);
        readers.count.fetch_update(SeqCst, SeqCst, one_more).ok()?;
        readers.wake();
        Some(Self(readers))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::{SocketAddr, TcpStream},
        sync::mpsc,
    };

    use parking_lot::{Mutex, MutexGuard};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);
    /// Until the threads of a runtime have nothing more to do and sleep.
    const SETTLED: Duration = Duration::from_millis(50);

    fn two_threads() -> (Runtime, Lookout) {
        Lookout::over(Builder::new_multi_thread().enable_all(), NonZero::new(2).unwrap()).unwrap()
    }

    /// A disk that can be made to stand still.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<()>>);

    impl Disk {
        fn stop(&self) -> MutexGuard<'_, ()> {
            self.0.lock()
        }

        async fn read(self) -> Result<(), Problem> {
            reading(move || {
                drop(self.0.lock());
                Ok::<_, Problem>(())
            })
            .await
        }
    }

    /// Answers each connection's first byte with itself; when that is `r`, after a read.
    fn serve(runtime: &Runtime, disk: &Disk) -> SocketAddr {
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let disk = disk.clone();
        runtime.spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let disk = disk.clone();
                tokio::spawn(async move {
                    let byte = stream.read_u8().await.unwrap();
                    if byte == b'r' {
                        disk.read().await.unwrap();
                    }
                    stream.write_u8(byte).await.unwrap();
                });
            }
        });
        address
    }

    /// Sends a byte, and waits for the answer elsewhere.
    fn ask(address: SocketAddr, byte: u8) -> JoinHandle<()> {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&[byte]).unwrap();
        thread::spawn(move || {
            let mut answer = [0];
            stream.read_exact(&mut answer).expect("an answer in time");
            assert_eq!(answer, [byte]);
        })
    }

    /// The thread that watched the sockets had found a request, began to read for it, and stood still with the disk. Nobody
    /// woke the other one, which slept: whoever asked next, and be it for health, got no answer.
    #[test]
    fn who_comes_while_the_thread_that_watches_the_sockets_reads_is_answered() {
        let (runtime, _lookout) = two_threads();
        let disk = Disk::default();
        let address = serve(&runtime, &disk);
        for _ in 0..10 {
            thread::sleep(SETTLED);
            let stands_still = disk.stop();
            let read = ask(address, b'r');
            thread::sleep(SETTLED);
            ask(address, b'h').join().unwrap();
            assert!(!read.is_finished());
            drop(stands_still);
            read.join().unwrap();
        }
    }

    /// With more than two threads the one that was woken reads as well and stands still as well.
    #[test]
    fn whoever_watches_next_may_be_held_up_too() {
        let (runtime, _lookout) =
            Lookout::over(Builder::new_multi_thread().enable_all(), NonZero::new(4).unwrap()).unwrap();
        let disk = Disk::default();
        let address = serve(&runtime, &disk);
        thread::sleep(SETTLED);
        let stands_still = disk.stop();
        let mut reads = Vec::new();
        for _ in 0..8 {
            reads.push(ask(address, b'r'));
            thread::sleep(SETTLED);
            ask(address, b'h').join().unwrap();
        }
        assert!(reads.iter().all(|read| !read.is_finished()));
        drop(stands_still);
        reads.into_iter().for_each(|read| read.join().unwrap());
    }

    /// A disk that stands still must not take health, or whoever needs no disk, with it.
    #[test]
    fn reads_that_wait_for_the_disk_leave_a_thread_to_others() {
        let (runtime, lookout) = two_threads();
        let disk = Disk::default();
        let stands_still = disk.stop();
        let reads: Vec<_> = (0..8).map(|_| runtime.spawn(disk.clone().read())).collect();
        let (answer, answers) = mpsc::channel();
        for _ in 0..8 {
            let answer = answer.clone();
            runtime.spawn(async move { answer.send(()).unwrap() });
        }
        (0..8).for_each(|_| answers.recv_timeout(PATIENCE).unwrap());
        assert!(reads.iter().all(|read| !read.is_finished()));
        assert_eq!(lookout.readers.count.load(SeqCst), 1);
        drop(stands_still);
        reads.into_iter().for_each(|read| runtime.block_on(read).unwrap().unwrap());
        assert_eq!(lookout.readers.count.load(SeqCst), 0);
    }

    #[test]
    fn who_has_one_thread_or_nobody_who_looks_out_does_not_read_on_it() {
        let one = NonZero::new(1).unwrap();
        let (alone, _lookout) = Lookout::over(&mut Builder::new_multi_thread(), one).unwrap();
        let another = Builder::new_multi_thread().build().unwrap();
        for runtime in [alone, another] {
            let read = async {
                let here = thread::current().id();
                reading(move || Ok::<_, Problem>(thread::current().id() == here)).await
            };
            assert!(!runtime.block_on(runtime.spawn(read)).unwrap().unwrap());
        }
    }

    #[test]
    fn the_lookout_sleeps_while_nobody_reads() {
        let (runtime, lookout) = two_threads();
        let is_asleep = || lookout.readers.is_asleep.load(SeqCst);
        let until = |what: bool| {
            let tries = (0..1000).find(|_| {
                thread::sleep(LOOK_EVERY / 10);
                is_asleep() == what
            });
            assert!(tries.is_some(), "asleep: {}", !what);
        };
        until(true);
        let disk = Disk::default();
        let stands_still = disk.stop();
        let read = runtime.spawn(disk.clone().read());
        until(false);
        drop(stands_still);
        runtime.block_on(read).unwrap().unwrap();
        until(true);
    }
}
