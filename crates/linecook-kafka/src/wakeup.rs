//! How one thread tells another that there is something to do.

use std::{sync::Arc, task::Wake, time::Duration};

use parking_lot::{Condvar, Mutex};

/// A flag to sleep on. Raising it while nobody sleeps is remembered, so no wake-up is lost between looking for work and
/// going to sleep.
#[derive(Default)]
pub(crate) struct Wakeup {
    is_raised: Mutex<bool>,
    raised: Condvar,
}

impl Wakeup {
    pub(crate) fn raise(&self) {
        let mut is_raised = self.is_raised.lock();
        if !*is_raised {
            *is_raised = true;
            self.raised.notify_one();
        }
    }

    /// Sleeps until it is raised, at most `max_wait`, and lowers it.
    pub(crate) fn wait(&self, max_wait: Duration) {
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
