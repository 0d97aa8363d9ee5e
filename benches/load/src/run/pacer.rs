//! Releases orders at a given pace.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use super::turns::Turns;
use crate::clock::now;

/// A thread of its own, because the runtime's timers are a millisecond coarse, which is more than an acknowledgement
/// takes. A thread sleeps to about 60 µs, and what it is late counts against the server, so it is rather too strict.
pub(super) struct Pacer {
    has_ended: Arc<AtomicBool>,
}

/// Orders whose times are closer than this are released together, or waking up would be all that the client does.
const TICK: Duration = Duration::from_micros(100);

impl Pacer {
    /// Starts to release; in a closed loop there is nothing to do.
    pub(super) fn start(turns: &Arc<Turns>) -> Self {
        let has_ended = Arc::new(AtomicBool::new(false));
        if let Some(rate) = turns.rate() {
            let (turns, has_ended) = (turns.clone(), has_ended.clone());
            thread::spawn(move || pace(&turns, rate, &has_ended));
        }
        Self { has_ended }
    }
}

impl Drop for Pacer {
    /// Ends the thread at its next tick; it holds nothing that anybody waits for.
    fn drop(&mut self) {
        self.has_ended.store(true, Ordering::Relaxed);
    }
}

fn pace(turns: &Turns, rate: f64, has_ended: &AtomicBool) {
    let mut released = 0;
    while let Some(next) = turns.release(&mut released, rate) {
        if has_ended.load(Ordering::Relaxed) {
            return;
        }
        thread::sleep(next.saturating_duration_since(now()).clamp(TICK, LONGEST));
    }
    turns.close_when_taken();
}

/// A pacer that has nothing to do for longer still looks whether its run has ended.
const LONGEST: Duration = Duration::from_millis(100);
