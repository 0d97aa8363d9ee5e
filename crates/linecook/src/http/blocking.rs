//! Work that the threads that answer requests must not be held up by.

use std::{
    panic,
    sync::atomic::{AtomicUsize, Ordering},
};

use tokio::runtime::{Handle, RuntimeFlavor};

use super::Problem;

/// Does `work` on a thread that may wait: for reads of tables, which go to the disk, and for answers that take long to
/// put together. The few threads that answer requests go on with others meanwhile.
///
/// ```
/// use linecook::{CountsReader, http::{Problem, blocking}};
///
/// async fn pizzas_made(counts: CountsReader<String>) -> Result<String, Problem> {
///     let totals = blocking(move || counts.totals()).await?;
///     Ok(totals.values().sum::<u64>().to_string())
/// }
/// ```
///
/// # Errors
/// What `work` returns, as a [`Problem`]; 503 when the process is ending.
///
/// # Panics
/// When `work` does.
pub async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, Problem>
where
    T: Send + 'static,
    E: Into<Problem> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome.map_err(Into::into),
        Err(error) => match error.try_into_panic() {
            Ok(payload) => panic::resume_unwind(payload),
            Err(_) => Err(Problem::unavailable("the process is ending")),
        },
    }
}

/// Does `read`, which takes some microseconds as a rule, as the read of a table's row does: it is mostly in memory, and
/// handing it to another thread and waking up again would take longer. On a disk that stands still it takes as long as that
/// does, so one of the threads that answer requests never reads: when all others do, it goes the way of [`blocking`].
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
    match Spared::take() {
        Some(_spared) => read().map_err(Into::into),
        None => blocking(read).await,
    }
}

/// How many threads that answer requests read.
static READING: AtomicUsize = AtomicUsize::new(0);

/// A thread that others can do without for a while.
struct Spared;

impl Spared {
    fn take() -> Option<Self> {
        let runtime = Handle::current();
        if runtime.runtime_flavor() != RuntimeFlavor::MultiThread {
            return None;
        }
        let most = runtime.metrics().num_workers() - 1;
        let one_more = |count| (count < most).then_some(count + 1);
        READING.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok().map(|_| Self)
    }
}

impl Drop for Spared {
    fn drop(&mut self) {
        READING.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, mpsc},
        thread,
        time::Duration,
    };

    use parking_lot::Mutex;
    use tokio::runtime;

    use super::*;

    /// A disk that stands still must not take health, or whoever needs no disk, with it.
    #[test]
    fn reads_that_wait_for_the_disk_leave_a_thread_to_others() {
        let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let disk = Arc::new(Mutex::new(()));
        let stands_still = disk.lock();
        let reads: Vec<_> = (0..8)
            .map(|_| {
                let disk = Arc::clone(&disk);
                runtime.spawn(reading(move || {
                    drop(disk.lock());
                    Ok::<_, Problem>(())
                }))
            })
            .collect();
        let (answer, answers) = mpsc::channel();
        for _ in 0..8 {
            let answer = answer.clone();
            runtime.spawn(async move { answer.send(()).unwrap() });
        }
        (0..8).for_each(|_| answers.recv_timeout(Duration::from_secs(10)).unwrap());
        assert!(reads.iter().all(|read| !read.is_finished()));
        drop(stands_still);
        reads.into_iter().for_each(|read| runtime.block_on(read).unwrap().unwrap());
        assert_eq!(READING.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn who_has_one_thread_does_not_read_on_it() {
        let runtime = runtime::Builder::new_current_thread().build().unwrap();
        let here = thread::current().id();
        let read = reading(move || Ok::<_, Problem>(thread::current().id() == here));
        assert!(!runtime.block_on(read).unwrap());
    }
}
