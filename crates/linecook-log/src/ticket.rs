//! The receipt of a write: it is done when the write is durable.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

use crate::{Clock, Error, ErrorKind, Result};

/// What a log does to answer a [`Ticket`].
pub trait Acknowledgement: Send + Sync {
    /// Whether it is durable by now; if not, `waker` is woken when that may have changed.
    ///
    /// # Errors
    /// As [`Ticket`].
    fn poll(&self, waker: &Waker) -> Poll<Result<()>>;
}

/// The receipt of an append or a commit. It is done when what it stands for is durable: await it, or
/// [`wait`](Self::wait) for it. Dropping it changes nothing about the write.
///
/// # Errors
/// Of a write, `Full`, `Unavailable`, `Closed`: nothing was stored. `Unknown`: it may have been. Of one that only waits
/// for something to be seen, any of them: it is not known whether it would have been.
#[must_use = "a write is durable when its ticket is done"]
pub struct Ticket(Arc<dyn Acknowledgement>);

impl Ticket {
    /// A ticket that `acknowledgement` answers.
    pub fn new(acknowledgement: Arc<dyn Acknowledgement>) -> Self {
        Self(acknowledgement)
    }

    /// A ticket that is done.
    pub fn done() -> Self {
        struct Done;
        impl Acknowledgement for Done {
            fn poll(&self, _waker: &Waker) -> Poll<Result<()>> {
                Poll::Ready(Ok(()))
            }
        }
        Self(Arc::new(Done))
    }

    /// Blocks until it is done.
    ///
    /// # Errors
    /// Those of the ticket; `Unknown` when `timeout` is over, as it may still become durable.
    pub fn wait(&self, timeout: Duration, clock: &dyn Clock) -> Result<()> {
        let deadline = clock.monotonic().saturating_add(timeout);
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        loop {
            if let Poll::Ready(outcome) = self.0.poll(&waker) {
                return outcome;
            }
            let Some(left) = deadline.checked_sub(clock.monotonic()).filter(|left| !left.is_zero()) else {
                let text = format!("not known to be durable yet: waited_ms={}", timeout.as_millis());
                return Err(Error::new(ErrorKind::Unknown, text));
            };
            thread::park_timeout(left);
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl Future for Ticket {
    type Output = Result<()>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.0.poll(context.waker())
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket")
    }
}
