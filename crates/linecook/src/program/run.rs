//! From a prepared program to a running one, and to its end.

use std::{process, sync::Arc, thread, time::Duration};

use linecook_log::{Clock, SystemClock};
use tokio::{
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
    time::timeout,
};

use super::{
    Prepared, Running, Stop, dead_letters, logging,
    open_log::{self, LogKind},
    print,
    screen::Screen,
    start::Progress,
};
use crate::failure::keep_panics_of_handlers_quiet;

/// How long the whole end may take. What is not finished then was not acknowledged, and is done again after a restart.
const END_WITHIN: Duration = Duration::from_secs(9);

/// Runs the prepared program until a signal ends it.
pub(crate) fn run(prepared: Prepared) -> Result<(), Stop> {
    logging::start(prepared.process.log_format);
    keep_panics_of_handlers_quiet();
    refuse_dry(&prepared)?;
    if let Some(remarks) = prepared.process.cluster.remarks() {
        tracing::info!("{remarks}");
    }
    if prepared.process.has_idle_servers {
        tracing::warn!(
            "bootstrap_servers is given, but records are kept in the embedded log; on Kafka with --log kafka"
        );
    }
    let prepared = Arc::new(prepared);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let opened = open_log::open(&prepared.process, &clock)?;
    if prepared.process.log == LogKind::Embedded {
        // Of one that was killed, which may be anybody's by now; not before the directory is ours.
        dead_letters::forget_address(&prepared.process.data_dir);
    }
    let screen_waits = opened.screen_waits;
    let running = Running::begin(&prepared, opened, clock)?;
    if prepared.process.log == LogKind::Embedded {
        dead_letters::note_address(&prepared.process.data_dir, running.address());
    }
    let runtime = running.runtime();
    // Before the screen says that ctrl-c stops it.
    let mut signals = Signals::listen(runtime).map_err(|error| Stop::failed(error.to_string()))?;
    let why_over = runtime.block_on(async {
        tokio::select! {
            () = signals.next() => Ok(()),
            why = until_over(&running, &prepared, screen_waits) => Err(why),
        }
    });
    // A second signal ends the process at once: nothing is lost by it.
    runtime.spawn(async move {
        signals.next().await;
        process::exit(130);
    });
    tracing::info!("stopping");
    thread::spawn(|| {
        thread::sleep(END_WITHIN);
        tracing::error!("not finished in time; what is left is done after the next start");
        process::exit(1);
    });
    let stopped = running.stop();
    // Given back, it may be another's by now.
    if prepared.process.log == LogKind::Embedded && !linecook_embedded::is_in_use(&prepared.process.data_dir) {
        dead_letters::forget_address(&prepared.process.data_dir);
    }
    why_over?;
    stopped
}

/// Shows the screen when the log has said something, or is slow to, and returns when the program has to end by itself.
async fn until_over(running: &Running, prepared: &Prepared, screen_waits: Option<Duration>) -> Stop {
    let mut progress = running.progress();
    let tried = async {
        drop(progress.wait_for(|progress| !matches!(progress, Progress::Trying)).await);
    };
    match screen_waits {
        Some(max_wait) => drop(timeout(max_wait, tried).await),
        None => tried.await,
    }
    let partition_count = match &*progress.borrow_and_update() {
        Progress::Over(why) => return why.clone(),
        Progress::Up { partition_count } => Some(*partition_count),
        Progress::Trying | Progress::Retrying => None,
    };
    if let Err(why) = print(&Screen { prepared, address: running.address(), partition_count }) {
        return why;
    }
    let over = progress.wait_for(|progress| matches!(progress, Progress::Over(_))).await;
    match over.as_deref() {
        Ok(Progress::Over(why)) => why.clone(),
        _ => Stop::failed("the start has ended without a word"),
    }
}

/// What nobody in the program writes would be waited for for ever: no other process can write to an embedded log.
fn refuse_dry(prepared: &Prepared) -> Result<(), Stop> {
    if prepared.process.log != LogKind::Embedded {
        return Ok(());
    }
    let is_dry = |uses: &crate::topology::Uses| !uses.readers.is_empty() && uses.writers.is_empty();
    let dry = prepared.topology.topics().filter(|(_, uses)| is_dry(uses)).map(|(name, _)| name.to_string());
    let dry: Vec<_> = dry.collect();
    if dry.is_empty() {
        return Ok(());
    }
    let (what, way_out) = match &prepared.definitions[..] {
        [_] => (
            "cannot run alone",
            "run it within a program that has the other services, too, or on Kafka with --log kafka",
        ),
        _ => ("cannot run like this", "are the names of topics right in the settings? `topology` prints them all"),
    };
    let text = format!(
        "{} {what} on the embedded log: nothing in this process writes what it reads, and no other process can write \
         there; {way_out}: topics={}",
        prepared.name,
        dry.join(",")
    );
    Err(Stop::usage(text))
}

/// The signals that end the process.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// From here on they do nothing by themselves.
    fn listen(runtime: &Runtime) -> std::io::Result<Self> {
        let _inside = runtime.enter();
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
