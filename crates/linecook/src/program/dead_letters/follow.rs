//! Waiting for what comes of a redrive.

use std::{
    collections::HashMap,
    io::{IsTerminal, Write, stderr},
    thread,
    time::{Duration, Instant},
};

use serde::Serialize;

use super::{Stop, backend::Backend};
use crate::dead_letters::{Letter, RecordId, State, shown};

/// What has come of it.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    /// So many records wait no longer.
    pub(super) redriven: usize,
    /// These have failed once more.
    pub(super) failed: Vec<Letter>,
    /// Of these keys a later record has failed.
    pub(super) parked_later: Vec<Letter>,
    /// Of so many nothing is known yet.
    pub(super) pending: usize,
}

impl Outcome {
    /// # Errors
    /// When not all is well.
    pub(super) fn check(&self) -> Result<(), Stop> {
        let Self { redriven: _, failed, parked_later, pending } = self;
        let parked = failed.len() + parked_later.len();
        match (parked, pending) {
            (0, 0) => Ok(()),
            (0, pending) => Err(Stop::failed(format!(
                "no service has taken {pending} of them up yet; it was stored, and is done when one runs"
            ))),
            (parked, _) => Err(Stop::failed(format!("not all is well: keys that are parked: {parked}"))),
        }
    }
}

const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Who has no service at work need not wait for it. Handlers may take long, one after the other.
const STILL_FOR: Duration = Duration::from_secs(30);

/// Looks until each of these has gone or has failed again, and tells how far it is where somebody looks on.
///
/// # Errors
/// What the backend says.
#[expect(clippy::disallowed_methods, reason = "an operator waits by the clock on the wall")]
pub(super) fn follow(backend: &dyn Backend, meant: &[Letter]) -> Result<Outcome, Stop> {
    let mut changed_at = Instant::now();
    let mut pending_before = usize::MAX;
    loop {
        let outcome = outcome_of(meant, &backend.list(true)?);
        if outcome.pending < pending_before {
            (pending_before, changed_at) = (outcome.pending, Instant::now());
        }
        let is_over = outcome.pending == 0 || changed_at.elapsed() >= STILL_FOR;
        tell(&outcome, meant.len(), is_over);
        if is_over {
            return Ok(outcome);
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// How long an edit may take to be seen.
const EDITED_WITHIN: Duration = Duration::from_secs(10);

/// Looks until a record has that value, or waits no longer.
///
/// # Errors
/// It does not get it: the service does not run, or has left the edit out.
#[expect(clippy::disallowed_methods, reason = "an operator waits by the clock on the wall")]
pub(super) fn until_edited(backend: &dyn Backend, id: &RecordId, value: Option<&[u8]>) -> Result<(), Stop> {
    let (began, wanted) = (Instant::now(), shown(value));
    while backend.show(id)?.value != wanted {
        if began.elapsed() >= EDITED_WITHIN {
            return Err(Stop::failed(format!(
                "the edit was stored, and is not seen yet: is the service running, or is the value too large to be kept with \
                 what is known of the record? The service tells if it was left out: id={id}"
            )));
        }
        thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// By what waits now.
fn outcome_of(meant: &[Letter], waiting: &[Letter]) -> Outcome {
    let by_id: HashMap<&RecordId, &Letter> = waiting.iter().map(|letter| (&letter.id, letter)).collect();
    let mut outcome = Outcome { redriven: 0, failed: Vec::new(), parked_later: Vec::new(), pending: 0 };
    for before in meant {
        match by_id.get(&before.id) {
            None => outcome.redriven += 1,
            Some(now) if now.state == State::Parked && now.attempts > before.attempts => {
                outcome.failed.push(Letter::clone(now));
            }
            Some(_) => outcome.pending += 1,
        }
    }
    let is_gone = |letter: &&Letter| !by_id.contains_key(&letter.id);
    let gone: Vec<_> = meant.iter().filter(is_gone).map(place).collect();
    let later = waiting.iter().filter(|letter| letter.state == State::Parked && gone.contains(&place(letter)));
    outcome.parked_later = later.filter(|letter| meant.iter().all(|before| before.id != letter.id)).cloned().collect();
    outcome
}

/// Whose key it is.
fn place(letter: &Letter) -> (&str, &str, &serde_json::Value) {
    (letter.id.service.as_str(), &letter.id.stage, &letter.key)
}

fn tell(outcome: &Outcome, of: usize, is_over: bool) {
    let mut out = stderr();
    if out.is_terminal() {
        let end = if is_over { "\r\x1b[K" } else { "" };
        let text = format!("\r\x1b[K{} of {of} redriven, {} failed again{end}", outcome.redriven, outcome.failed.len());
        // Who looks on may have gone.
        drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn letter(id: &str, key: &str, state: State, attempts: u16) -> Letter {
        let (id, key, reason) = (id.parse().unwrap(), json!(key), String::new());
        Letter { id, state, key, reason, attempts, first_failed_at: None, last_failed_at: None, behind: 0 }
    }

    #[test]
    fn what_has_gone_is_redriven_and_what_is_parked_with_more_attempts_has_failed() {
        let parked = |offset: u32, key: &str, attempts| {
            letter(&format!("oven/baked/pizza/0/{offset}"), key, State::Parked, attempts)
        };
        let meant = [parked(0, "a", 1), parked(1, "b", 1), parked(2, "c", 1), parked(3, "d", 4), parked(4, "e", 1)];
        let now = [
            parked(1, "b", 2),
            letter("oven/baked/pizza/0/2", "c", State::Retrying, 1),
            parked(3, "d", 4),
            parked(9, "a", 1),
            parked(8, "z", 1),
            letter("oven/baked/pizza/0/7", "e", State::Retrying, 1),
        ];
        let Outcome { redriven, failed, parked_later, pending } = outcome_of(&meant, &now);
        assert_eq!((redriven, pending), (2, 2));
        let offsets = |letters: &[Letter]| letters.iter().map(|letter| letter.id.offset.0).collect::<Vec<_>>();
        assert_eq!((offsets(&failed), offsets(&parked_later)), (vec![1], vec![9]));
    }
}
