//! Whether a member that was fenced was fenced by somebody else.
//!
//! Of two that join under one name brokers fence the older. When connections break, both may be this process: a request
//! whose answer was lost on the way, and the one that came after it; or a member that is on its way out, and the one that
//! has joined in its place. So within some time of such trouble being fenced once is no reason to end, and twice is.

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;

#[derive(Debug, Default)]
pub(crate) struct Fencing(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    troubled_at: Option<Duration>,
    /// By name: each member of a process may have been its own successor.
    excused_at: HashMap<String, Duration>,
}

impl Fencing {
    /// Brokers were silent, or a member had to be given up.
    pub(crate) fn trouble(&self, now: Duration) {
        self.0.lock().troubled_at = Some(now);
    }

    /// Whether who has that name may have been fenced by its own process; it is so once in that time.
    pub(crate) fn is_excused(&self, name: &str, now: Duration, within: Duration) -> bool {
        let mut state = self.0.lock();
        let is_recent = |at: Option<Duration>| at.is_some_and(|at| now.saturating_sub(at) <= within);
        if !is_recent(state.troubled_at) || is_recent(state.excused_at.get(name).copied()) {
            return false;
        }
        state.excused_at.insert(name.to_owned(), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_fenced_after_trouble_is_excused_once() {
        let (fencing, within) = (Fencing::default(), Duration::from_secs(30));
        let at = Duration::from_secs;
        assert!(!fencing.is_excused("cook", at(1), within), "without trouble it is somebody else");
        fencing.trouble(at(2));
        assert!(fencing.is_excused("cook", at(20), within));
        fencing.trouble(at(21));
        assert!(!fencing.is_excused("cook", at(22), within), "twice is somebody else");
        assert!(!fencing.is_excused("cook", at(52), within), "it was long ago");
        fencing.trouble(at(60));
        assert!(fencing.is_excused("cook", at(61), within));
        assert!(fencing.is_excused("chef", at(61), within), "each name once");
        assert!(!fencing.is_excused("chef", at(62), within));
    }
}
