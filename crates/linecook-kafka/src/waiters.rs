//! Who waits for what, without a thread each.

use std::{collections::HashMap, task::Waker};

/// Tickets that are not done yet. Each is known by its address, so that polling again replaces and dropping removes:
/// a client that gave up leaves nothing behind.
pub(crate) struct Waiters<T> {
    by_ticket: HashMap<usize, (T, Waker)>,
}

impl<T> Default for Waiters<T> {
    fn default() -> Self {
        Self { by_ticket: HashMap::new() }
    }
}

impl<T: Copy> Waiters<T> {
    pub(crate) fn wait(&mut self, ticket: usize, awaited: T, waker: &Waker) {
        self.by_ticket.insert(ticket, (awaited, waker.clone()));
    }

    pub(crate) fn forget(&mut self, ticket: usize) {
        self.by_ticket.remove(&ticket);
    }

    /// Those for whom it has come true; to be woken outside of any lock.
    pub(crate) fn take_if(&mut self, is_true: impl Fn(T) -> bool) -> Vec<Waker> {
        if self.by_ticket.is_empty() {
            return Vec::new();
        }
        self.by_ticket.extract_if(|_, (awaited, _)| is_true(*awaited)).map(|(_, (_, waker))| waker).collect()
    }
}

/// What a ticket is known by while it lives.
pub(crate) fn address_of<T>(ticket: &T) -> usize {
    std::ptr::from_ref(ticket).addr()
}
