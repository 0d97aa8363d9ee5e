//! From a prepared program to a running one, and to its end.

use std::{collections::HashMap, net::SocketAddr, process, sync::Arc, thread, time::Duration};

use axum::Router;
use linecook_embedded::EmbeddedLog;
use linecook_log::{Clock, GroupName, Log, SystemClock};
use tokio::signal::unix::{SignalKind, signal};

use super::{
    Prepared, Program, Stop, logging, print, process_settings::ProcessSettings, screen::Screen, workers::Workers,
};
use crate::{
    http::{self, Edge, Health, MetricsPage, Server},
    settings::Sources,
};

/// How long requests in hand may take when the program ends.
const FINISH_REQUESTS_WITHIN: Duration = Duration::from_secs(3);
/// How long the whole end may take. What is not finished then was not acknowledged, and is done again after a restart.
const END_WITHIN: Duration = Duration::from_secs(9);

/// Runs the prepared program until a signal ends it.
pub(crate) fn run(prepared: Prepared) -> Result<(), Stop> {
    logging::start(prepared.common.log_format);
    refuse_alone(&prepared)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let log = open_log(&prepared.common, &clock)?;
    let running = Running::start_prepared(&prepared, log, clock)?;
    print(&Screen { prepared: &prepared, address: running.address })?;
    running.server.runtime().block_on(told_to_stop()).map_err(|error| Stop::failed(error.to_string()))?;
    tracing::info!("stopping");
    thread::spawn(|| {
        thread::sleep(END_WITHIN);
        tracing::warn!("not finished in time; what is left is done after the next start");
        process::exit(0);
    });
    running.stop()
}

/// A program that runs within this process, on a log that the caller has opened: for tests, and for programs that have
/// more to do than [`main`](super::main).
pub struct Running {
    server: Server,
    workers: Workers,
    log: Arc<dyn Log>,
    address: SocketAddr,
}

impl Running {
    /// Creates the topics, starts the workers, and answers HTTP from here on. Of the settings, those about the log and
    /// its data are not looked at.
    ///
    /// # Errors
    /// Faults in the settings, a taken port, what the log refuses.
    pub fn start(program: &Program, settings: Sources, log: Arc<dyn Log>, clock: Arc<dyn Clock>) -> Result<Self, Stop> {
        Self::start_prepared(&Prepared::all_of(program, settings)?, log, clock)
    }

    fn start_prepared(prepared: &Prepared, log: Arc<dyn Log>, clock: Arc<dyn Clock>) -> Result<Self, Stop> {
        let common = &prepared.common;
        let listener = http::listen(&common.http_address).map_err(|error| port_taken(common, &error))?;
        let address = listener.local_addr().map_err(|error| Stop::failed(error.to_string()))?;
        log.create_topics(&prepared.topology.topic_specs(common.partitions))?;
        log.declare_groups(&prepared.topology.group_specs())?;
        let page = MetricsPage::new(Arc::clone(&log));
        let workers = Workers::start(prepared, &log, &clock, page.metrics())?;
        let health = Arc::new(Health::new(Arc::clone(&log), Arc::clone(&clock), workers.watched()));
        let routes = http::routes(routes_of(prepared, &log, &clock)?, health, Arc::new(page));
        let server = Server::start(listener, routes).map_err(|error| Stop::failed(error.to_string()))?;
        Ok(Self { server, workers, log, address })
    }

    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more in, finishes what is in hand, closes the log.
    ///
    /// # Errors
    /// What went wrong with closing the log.
    pub fn stop(self) -> Result<(), Stop> {
        let Self { server, workers, log, .. } = self;
        // A second signal is watched for on the server's runtime, so that ends last.
        server.stop(FINISH_REQUESTS_WITHIN, || {
            workers.stop();
            log.close().map_err(Stop::from)
        })
    }
}

/// A single service whose input nobody in the process writes would wait for ever: no other process can write to an
/// embedded log.
fn refuse_alone(prepared: &Prepared) -> Result<(), Stop> {
    if prepared.definitions.len() > 1 {
        return Ok(());
    }
    let is_dry = |uses: &crate::topology::Uses| !uses.readers.is_empty() && uses.writers.is_empty();
    let dry = prepared.topology.topics().filter(|(_, uses)| is_dry(uses)).map(|(name, _)| name.to_string());
    let dry: Vec<_> = dry.collect();
    if dry.is_empty() {
        return Ok(());
    }
    let text = format!(
        "{} cannot run alone on the embedded log: nothing in this process writes what it reads, and no other process \
         can write there; run it within a program that has the other services, too: topics={}",
        prepared.name,
        dry.join(",")
    );
    Err(Stop::usage(text))
}

fn open_log(common: &ProcessSettings, clock: &Arc<dyn Clock>) -> Result<Arc<dyn Log>, Stop> {
    let mut options = linecook_embedded::Options::default();
    options.retention = Some(common.retention);
    options.retention_bytes = common.retention_bytes.map(|size| size.bytes());
    options.reserve_bytes = common.reserve_bytes.bytes();
    options.max_record_bytes = usize::try_from(common.max_record_bytes.bytes()).unwrap_or(usize::MAX);
    Ok(Arc::new(EmbeddedLog::open(&common.data_dir, options, Arc::clone(clock))?))
}

fn port_taken(common: &ProcessSettings, error: &std::io::Error) -> Stop {
    let address = &common.http_address;
    Stop::usage(format!(
        "cannot listen at {address}: {error}; port {} may be taken by another process: choose one with --http-address",
        address.port()
    ))
}

/// The routes of the services that run.
fn routes_of(prepared: &Prepared, log: &Arc<dyn Log>, clock: &Arc<dyn Clock>) -> Result<Router, Stop> {
    let described = log.describe()?;
    let counts =
        described.into_iter().map(|topic| (topic.name, u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX)));
    let partition_counts: Arc<HashMap<_, _>> = Arc::new(counts.collect());
    let mut routes = Router::new();
    for service in prepared.services.iter().filter(|service| prepared.runs(service.name().as_str())) {
        let edge = Edge {
            service: GroupName::clone(service.name()),
            log: Arc::clone(log),
            clock: Arc::clone(clock),
            partition_counts: Arc::clone(&partition_counts),
            inputs_of_tables: service.inputs_of_tables(),
        };
        if let Some(of_service) = service.routes() {
            routes = routes.merge(of_service(&edge));
        }
    }
    Ok(routes)
}

/// Waits for the first of SIGINT and SIGTERM. A second one ends the process at once: nothing is lost by it.
async fn told_to_stop() -> std::io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut told = async move || {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    told().await;
    tokio::spawn(async move {
        told().await;
        process::exit(130);
    });
    Ok(())
}
