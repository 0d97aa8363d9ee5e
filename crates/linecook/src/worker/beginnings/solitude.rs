//! That one worker of a process has a suspect in hand, and no other.

use std::sync::Arc;

use parking_lot::Mutex;

/// Taken by who has a suspect in hand. It is the process that such a record ends, so its workers share one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Solitude(Arc<Mutex<Turn>>);

#[derive(Debug, Default)]
struct Turn {
    is_taken: bool,
    /// Whose turn was the last, and whether another has waited since.
    last: u64,
    is_wanted: bool,
}

impl Solitude {
    /// Nobody has two turns in a row while another waits.
    pub(super) fn try_take(&self, worker: u64) -> Option<Alone> {
        let mut turn = self.0.lock();
        let is_others = turn.is_taken || (turn.is_wanted && turn.last == worker);
        turn.is_wanted = turn.is_taken && turn.last != worker;
        if is_others {
            return None;
        }
        (turn.is_taken, turn.last, turn.is_wanted) = (true, worker, false);
        Some(Alone(self.clone()))
    }
}

/// That nobody else of the process has a suspect in hand, for as long as it is held.
#[derive(Debug)]
pub(in crate::worker) struct Alone(Solitude);

impl Drop for Alone {
    fn drop(&mut self) {
        let Solitude(turn) = &self.0;
        turn.lock().is_taken = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who was through took it again at once, and the other never had a turn: it did not poll, and was put out.
    #[test]
    fn nobody_has_two_turns_in_a_row_while_another_waits() {
        let solitude = Solitude::default();
        let first = solitude.try_take(1).unwrap();
        assert!(solitude.try_take(2).is_none());
        drop(first);
        assert!(solitude.try_take(1).is_none());
        let second = solitude.try_take(2).unwrap();
        drop(second);
        drop(solitude.try_take(2).unwrap());
    }
}
