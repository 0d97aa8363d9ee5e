//! How many pizzas have come to the table.

use parking_lot::{Condvar, Mutex};

use crate::log::CommitNumber;

#[derive(Default)]
pub(crate) struct Finished {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    pizzas: u64,
    newest: CommitNumber,
    has_ended: bool,
}

impl Finished {
    pub(crate) fn add(&self, pizzas: u32, number: CommitNumber) {
        let mut state = self.state.lock();
        state.pizzas += u64::from(pizzas);
        state.newest = state.newest.max(number);
        self.changed.notify_all();
    }

    /// Waits until so many pizzas are in commits, and says which is the newest of these; `None` when the loop has ended
    /// before.
    pub(crate) fn wait_for(&self, pizzas: u64) -> Option<CommitNumber> {
        let mut state = self.state.lock();
        while state.pizzas < pizzas && !state.has_ended {
            self.changed.wait(&mut state);
        }
        (state.pizzas >= pizzas).then_some(state.newest)
    }

    pub(crate) fn end(&self) {
        self.state.lock().has_ended = true;
        self.changed.notify_all();
    }
}
