//! What a log needs to wait and to wake: for those who write one.

use std::{
    collections::HashMap,
    fmt,
    sync::Arc,
    task::{Wake, Waker},
    time::Duration,
};

use parking_lot::{Condvar, Mutex};

/// A flag to sleep on. Raising it while nobody sleeps is remembered, so no wake-up is lost between looking for work and
/// going to sleep.
#[derive(Debug, Default)]
pub struct Wakeup {
    is_raised: Mutex<bool>,
    raised: Condvar,
}

impl Wakeup {
    /// Wakes who sleeps, or who is about to.
    pub fn raise(&self) {
        let mut is_raised = self.is_raised.lock();
        if !*is_raised {
            *is_raised = true;
            self.raised.notify_one();
        }
    }

    /// Sleeps until it is raised, at most `max_wait`, and lowers it.
    pub fn wait(&self, max_wait: Duration) {
        let mut is_raised = self.is_raised.lock();
        if !*is_raised {
            self.raised.wait_for(&mut is_raised, max_wait);
        }
        *is_raised = false;
    }
}

/// So that a ticket can raise it.
impl Wake for Wakeup {
    fn wake(self: Arc<Self>) {
        self.raise();
    }
}

/// Tickets that are not done yet, and what each waits for, without a thread each. Each is known by its address, so that
/// polling again replaces and dropping removes: a client that gave up leaves nothing behind.
pub struct Waiters<T> {
    by_ticket: HashMap<usize, (T, Waker)>,
}

impl<T> Default for Waiters<T> {
    fn default() -> Self {
        Self { by_ticket: HashMap::new() }
    }
}

impl<T> fmt::Debug for Waiters<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiters").field("count", &self.by_ticket.len()).finish()
    }
}

impl<T: Copy> Waiters<T> {
    /// A ticket, by its [address](address_of), waits for that.
    pub fn wait(&mut self, ticket: usize, awaited: T, waker: &Waker) {
        self.by_ticket.insert(ticket, (awaited, waker.clone()));
    }

    /// A ticket waits no longer.
    pub fn forget(&mut self, ticket: usize) {
        self.by_ticket.remove(&ticket);
    }

    /// Those for whom it has come true; to be woken outside of any lock.
    pub fn take_if(&mut self, is_true: impl Fn(T) -> bool) -> Vec<Waker> {
        if self.by_ticket.is_empty() {
            return Vec::new();
        }
        self.by_ticket.extract_if(|_, (awaited, _)| is_true(*awaited)).map(|(_, (_, waker))| waker).collect()
    }
}

/// What a ticket is known by while it lives.
pub fn address_of<T>(ticket: &T) -> usize {
    std::ptr::from_ref(ticket).addr()
}
