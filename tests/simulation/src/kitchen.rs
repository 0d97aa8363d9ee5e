//! A process that runs all services.

use std::{sync::Arc, time::Duration};

use linecook::{Limits, Metrics, Seat, Service, Step, Worker};
use linecook_log::{Clock, Error, InstanceName, Log};

use crate::log::{Disk, Process};

/// How long a member may be silent.
pub(crate) const MAX_SILENCE: Duration = Duration::from_secs(30);

pub(crate) struct Kitchen {
    pub(crate) name: InstanceName,
    pub(crate) process: Arc<Process>,
    pub(crate) workers: Vec<Cook>,
    /// It stands still until then.
    pub(crate) still_until: Duration,
    /// Another of its name has run beside it: either may be put out by the other.
    pub(crate) has_rival: bool,
}

/// A worker, and when it wants to be called again.
pub(crate) struct Cook {
    pub(crate) service: Arc<Service>,
    worker: Worker,
    pub(crate) wake_at: Duration,
}

impl Kitchen {
    pub(crate) fn start(
        name: &InstanceName,
        disk: &Disk,
        services: &[Arc<Service>],
        clock: &Arc<dyn Clock>,
        (limits, metrics): (Limits, &Metrics),
    ) -> Self {
        let (log, process) = disk.open();
        let cook = |service: &Arc<Service>| {
            let seat = Seat { instance: name.clone(), worker: 0, max_silence: MAX_SILENCE };
            let (log, clock): (Arc<dyn Log>, Arc<dyn Clock>) = (Arc::clone(&log), Arc::clone(clock));
            let worker = Worker::new(Arc::clone(service), log, clock, seat, metrics).with_limits(limits);
            Cook { service: Arc::clone(service), worker, wake_at: Duration::ZERO }
        };
        let mut workers: Vec<_> = services.iter().map(cook).collect();
        let (first, others) = workers.split_first_mut().expect("there are services");
        others.iter_mut().for_each(|cook| cook.worker.be_beside(&first.worker));
        Self { name: name.clone(), process, workers, still_until: Duration::ZERO, has_rival: false }
    }

    /// As `kill -9`: nobody hears of it.
    pub(crate) fn die(self) {
        self.process.die();
    }

    /// Its workers give back what they have.
    pub(crate) fn leave(self) {
        // What the log says to that changes nothing for who is gone.
        self.workers.into_iter().for_each(|cook| drop(cook.worker.leave()));
    }
}

impl Cook {
    pub(crate) fn step(&mut self, now: Duration) -> Result<Step, Error> {
        let step = self.worker.step()?;
        if let Step::Blocked { wait } = step {
            self.wake_at = now + wait;
        }
        Ok(step)
    }
}
