//! A program that runs.

use std::{
    net::SocketAddr,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use linecook_log::{Clock, Log};
use tokio::{runtime::Runtime, sync::watch};

use super::{
    Prepared, Program, Stop,
    open_log::Opened,
    process_settings::ProcessSettings,
    slot::Slot,
    start::{Progress, Start, Starter},
};
use crate::{
    http::{self, ConnectionLimits, Front, Gate, Guard, Health, MetricsPage, Operators, Server},
    settings::Sources,
};

/// How long requests in hand may take when the program ends.
const FINISH_REQUESTS_WITHIN: Duration = Duration::from_secs(3);
/// The same with what workers have in hand. The log then ends under them: one that waits for a broker hears it from there.
const FINISH_WORK_WITHIN: Duration = Duration::from_secs(5);

/// A program that runs within this process, on a log that the caller has opened: for tests, and for programs that have
/// more to do than [`main`](super::main). Dropping it stops it, too, and says nothing of what went wrong.
pub struct Running {
    server: Server,
    start: Start,
    log: Arc<dyn Log>,
    clock: Arc<dyn Clock>,
    address: SocketAddr,
    /// Given back when nobody writes rows any more.
    _slot: Option<Slot>,
}

impl Running {
    /// Creates the topics, starts the workers, and answers HTTP from here on. While the log cannot be used it goes on
    /// trying, and HTTP says so. Of the settings, those about the log and its data are not looked at.
    ///
    /// # Errors
    /// Faults in the settings, a taken port, what the log refuses.
    pub fn start(program: &Program, settings: Sources, log: Arc<dyn Log>, clock: Arc<dyn Clock>) -> Result<Self, Stop> {
        let prepared = Arc::new(Prepared::all_of(program, settings)?);
        let opened = Opened::of(log, &prepared.process);
        let running = Self::begin(&prepared, opened, clock)?;
        let mut progress = running.progress();
        let tried = running.server.wait_for(async move {
            let tried = progress.wait_for(|progress| !matches!(progress, Progress::Trying)).await;
            tried.map(|progress| progress.clone())
        });
        match tried {
            Ok(Progress::Over(why)) => Err(why),
            _ => Ok(running),
        }
    }

    /// Answers HTTP, and starts the services when the log lets it.
    pub(super) fn begin(prepared: &Arc<Prepared>, opened: Opened, clock: Arc<dyn Clock>) -> Result<Self, Stop> {
        let Opened { log, instance, limits, slot, screen_waits: _ } = opened;
        let process = &prepared.process;
        let listener = http::listen(&process.http_address).map_err(|error| cannot_listen(process, &error))?;
        let address = listener.local_addr().map_err(|error| Stop::failed(error.to_string()))?;
        let page = Arc::new(MetricsPage::new(Arc::clone(&log), prepared.topology.group_specs()));
        let health = Arc::new(Health::new(Arc::clone(&log), Arc::clone(&clock)));
        let gate = Gate::closed(http::early_routes(&health, &page));
        let names = process.http_hosts.iter().cloned().chain([process.http_address.host().to_owned()]);
        let guard = Guard::new(address.ip(), names);
        let operators = Operators::new(&guard, process.operator_token.clone(), !process.http_hosts.is_empty());
        let front = Front {
            gate: gate.clone(),
            guard,
            metrics: page.http(),
            limits: ConnectionLimits::new(
                connections(process),
                usize::try_from(process.max_record_bytes.bytes()).unwrap_or(usize::MAX),
            ),
        };
        let server = Server::start(listener, front).map_err(|error| Stop::failed(error.to_string()))?;
        let prepared = Arc::clone(prepared);
        let starter = Starter {
            prepared,
            log: Arc::clone(&log),
            clock: Arc::clone(&clock),
            instance,
            limits,
            gate,
            operators,
            health,
            page,
        };
        let start = Start::begin(starter)?;
        Ok(Self { server, start, log, clock, address, _slot: slot })
    }

    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn progress(&self) -> watch::Receiver<Progress> {
        self.start.progress()
    }

    /// For tasks beside the server, as waiting for signals.
    pub(super) fn runtime(&self) -> &Runtime {
        self.server.runtime()
    }

    /// Takes no more in, finishes what is in hand, closes the log.
    ///
    /// # Errors
    /// What went wrong with closing the log.
    pub fn stop(self) -> Result<(), Stop> {
        let Self { server, start, log, clock, _slot, .. } = self;
        let deadline = clock.monotonic() + FINISH_WORK_WITHIN;
        // A second signal is watched for on the server's runtime, so that ends last.
        server.stop(FINISH_REQUESTS_WITHIN, || {
            let (has_stopped, stopped) = mpsc::channel::<()>();
            let stopping = thread::spawn(move || {
                drop(start);
                drop(has_stopped);
            });
            let _disconnected = stopped.recv_timeout(deadline.saturating_sub(clock.monotonic()));
            let closed = log.close().map_err(Stop::from);
            // What a worker has panicked with was told by its own thread.
            drop(stopping.join());
            closed
        })
    }
}

/// How many HTTP connections there are: as many as are wanted, where there are descriptors for them.
fn connections(process: &ProcessSettings) -> usize {
    let wanted = process.http_connections as usize;
    let Some(descriptors) = rustix::process::getrlimit(rustix::process::Resource::Nofile).current else {
        return wanted;
    };
    let room = ConnectionLimits::room(usize::try_from(descriptors).unwrap_or(usize::MAX));
    if wanted > room {
        tracing::warn!(wanted, room, descriptors, "fewer HTTP connections, or the log would have no descriptors left");
    }
    wanted.min(room)
}

fn cannot_listen(process: &ProcessSettings, error: &std::io::Error) -> Stop {
    let address = &process.http_address;
    let why = match error.kind() {
        std::io::ErrorKind::AddrInUse => format!("port {} is taken by another process: ", address.port()),
        std::io::ErrorKind::PermissionDenied => {
            format!("port {} needs rights that this process has not: ", address.port())
        }
        _ => String::new(),
    };
    Stop::usage(format!("cannot listen at {address}: {error}; {why}choose an address with --http-address"))
}

#[cfg(test)]
mod tests;
