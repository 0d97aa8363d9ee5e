//! Whether a member that was fenced was fenced by somebody else.
//!
//! Of two that join under one name brokers fence the older. When connections break, both may be this process: a request
//! whose answer was lost on the way, and the one that came after it; or a member that is on its way out, and the one that
//! has joined in its place. So within some time of such trouble being fenced once is no reason to end, and twice is, unless
//! brokers were silent once more in between.

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;

#[derive(Debug, Default)]
pub(crate) struct Fencing(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    troubled_at: Option<Duration>,
    silent_at: Option<Duration>,
    /// By name: each member of a process may have been its own successor.
    excused_at: HashMap<String, Duration>,
}

impl Fencing {
    /// A member had to be given up.
    pub(crate) fn trouble(&self, now: Duration) {
        self.0.lock().troubled_at = Some(now);
    }

    /// Brokers are silent.
    pub(crate) fn silence(&self, now: Duration) {
        let mut state = self.0.lock();
        (state.troubled_at, state.silent_at) = (Some(now), Some(now));
    }

    /// Whether who has that name may have been fenced by its own process; it is so once in that time, and once more after
    /// each silence.
    pub(crate) fn is_excused(&self, name: &str, now: Duration, within: Duration) -> bool {
        let mut state = self.0.lock();
        let is_recent = |at: Option<Duration>| at.is_some_and(|at| now.saturating_sub(at) <= within);
        let excused_at = state.excused_at.get(name).copied();
        let is_used_up = is_recent(excused_at) && state.silent_at <= excused_at;
        if !is_recent(state.troubled_at) || is_used_up {
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

    /// A broker that was killed three times in half a minute ended services with exit code 3: each time they had joined twice
    /// under their names, and had used up their excuse.
    #[test]
    fn after_another_silence_who_is_fenced_is_excused_once_more() {
        let (fencing, within) = (Fencing::default(), Duration::from_secs(30));
        let at = Duration::from_secs;
        for second in [0, 10, 20] {
            fencing.silence(at(second));
            fencing.silence(at(second + 1));
            assert!(fencing.is_excused("cook", at(second + 2), within));
            fencing.trouble(at(second + 2));
            assert!(!fencing.is_excused("cook", at(second + 3), within), "twice is somebody else");
        }
    }
}
