//! From a prepared program to a running one, and to its end.

use std::{collections::HashMap, net::SocketAddr, process, sync::Arc, thread, time::Duration};

use axum::Router;
use linecook_embedded::EmbeddedLog;
use linecook_log::{Clock, GroupName, Log, SystemClock, TopicDescription, TopicName, TopicSpec};
use tokio::{
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
};

use super::{
    Prepared, Program, Stop, logging, print, process_settings::ProcessSettings, screen::Screen, workers::Workers,
};
use crate::{
    failure::keep_panics_of_handlers_quiet,
    http::{self, Edge, Health, MetricsPage, Server},
    settings::Sources,
};

/// How long requests in hand may take when the program ends.
const FINISH_REQUESTS_WITHIN: Duration = Duration::from_secs(3);
/// How long the whole end may take. What is not finished then was not acknowledged, and is done again after a restart.
const END_WITHIN: Duration = Duration::from_secs(9);

/// Runs the prepared program until a signal ends it.
pub(crate) fn run(prepared: Prepared) -> Result<(), Stop> {
    logging::start(prepared.process.log_format);
    keep_panics_of_handlers_quiet();
    refuse_dry(&prepared)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let log = open_log(&prepared.process, &clock)?;
    let running = Running::start_prepared(&prepared, log, clock)?;
    let Running { address, partition_count, .. } = running;
    let runtime = running.server.runtime();
    // Before the screen says that ctrl-c stops it.
    let mut signals = Signals::listen(runtime).map_err(|error| Stop::failed(error.to_string()))?;
    print(&Screen { prepared: &prepared, address, partition_count })?;
    let mut replaced = running.workers.replaced();
    let why_over = runtime.block_on(async {
        tokio::select! {
            () = signals.next() => None,
            Ok(why) = replaced.wait_for(Option::is_some) => why.clone(),
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
    running.stop()?;
    why_over.map_or(Ok(()), |why| Err(Stop::replaced(&why)))
}

/// A program that runs within this process, on a log that the caller has opened: for tests, and for programs that have
/// more to do than [`main`](super::main). Dropping it stops it, too, and says nothing of what went wrong.
pub struct Running {
    server: Server,
    workers: Workers,
    log: Arc<dyn Log>,
    address: SocketAddr,
    partition_count: u32,
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
        let process = &prepared.process;
        let listener = http::listen(&process.http_address).map_err(|error| cannot_listen(process, &error))?;
        let address = listener.local_addr().map_err(|error| Stop::failed(error.to_string()))?;
        let topics = topics_to_create(prepared, &*log)?;
        let partition_count = topics.first().map_or(0, |topic| topic.partition_count);
        log.create_topics(&topics)?;
        log.declare_groups(&prepared.topology.group_specs())?;
        let routes = routes_of(prepared, &log, &clock)?;
        let page = MetricsPage::new(Arc::clone(&log));
        let workers = Workers::start(prepared, &log, &clock, page.metrics())?;
        let health = Arc::new(Health::new(Arc::clone(&log), Arc::clone(&clock), workers.watched()));
        let server = Server::start(listener, http::routes(routes, health, Arc::new(page)));
        let server = server.map_err(|error| Stop::failed(error.to_string()))?;
        Ok(Self { server, workers, log, address, partition_count })
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
            drop(workers);
            log.close().map_err(Stop::from)
        })
    }
}

/// All topics of the program. Those that are there keep their partitions; a new one gets as many as these have, so that
/// what is read together fits together, and only the first start asks the setting.
fn topics_to_create(prepared: &Prepared, log: &dyn Log) -> Result<Vec<TopicSpec>, Stop> {
    let existing: HashMap<_, _> = partition_counts(log)?;
    let mut topics = prepared.topology.topic_specs(prepared.process.partitions);
    let known = topics.iter().filter_map(|topic| existing.get(&topic.name)).copied().max();
    if let Some(count) = known.filter(|count| *count != prepared.process.partitions) {
        tracing::warn!(
            partitions = prepared.process.partitions,
            existing = count,
            "topics that exist keep their partitions"
        );
    }
    for topic in &mut topics {
        let own = existing.get(&topic.name).copied();
        topic.partition_count = own.or(known).unwrap_or(topic.partition_count);
    }
    Ok(topics)
}

fn partition_counts(log: &dyn Log) -> Result<HashMap<TopicName, u32>, Stop> {
    let count = |topic: TopicDescription| (topic.name, u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX));
    Ok(log.describe()?.into_iter().map(count).collect())
}

/// What nobody in the program writes would be waited for for ever: no other process can write to an embedded log.
fn refuse_dry(prepared: &Prepared) -> Result<(), Stop> {
    let is_dry = |uses: &crate::topology::Uses| !uses.readers.is_empty() && uses.writers.is_empty();
    let dry = prepared.topology.topics().filter(|(_, uses)| is_dry(uses)).map(|(name, _)| name.to_string());
    let dry: Vec<_> = dry.collect();
    if dry.is_empty() {
        return Ok(());
    }
    let (what, way_out) = match &prepared.definitions[..] {
        [_] => ("cannot run alone", "run it within a program that has the other services, too"),
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

/// Opens the log with the settings in force.
pub(super) fn open_log(process: &ProcessSettings, clock: &Arc<dyn Clock>) -> Result<Arc<dyn Log>, Stop> {
    let mut options = linecook_embedded::Options::default();
    options.retention = Some(process.retention);
    options.retention_bytes = process.retention_bytes.map(|size| size.bytes());
    options.reserve_bytes = process.reserve_bytes.bytes();
    options.max_record_bytes = usize::try_from(process.max_record_bytes.bytes()).unwrap_or(usize::MAX);
    Ok(Arc::new(EmbeddedLog::open(&process.data_dir, options, Arc::clone(clock))?))
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

/// The routes of the services that run.
fn routes_of(prepared: &Prepared, log: &Arc<dyn Log>, clock: &Arc<dyn Clock>) -> Result<Router, Stop> {
    let partition_counts = Arc::new(partition_counts(&**log)?);
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

#[cfg(test)]
mod tests {
    use linecook_log::{Error, ErrorKind};

    use super::*;
    use crate::{Definition, Topic, testing::ScriptedLog};

    const WORDS: Topic<String, String> = Topic::new("words");
    const SHOUTED: Topic<String, String> = Topic::new("shouted");
    const SHOUTER: Definition = Definition::new("shouter", 0, |service| {
        service.stage(WORDS, SHOUTED, |word, _| Ok(word.to_uppercase()));
    });

    fn start(log: &ScriptedLog) -> Running {
        let settings = Sources::new().with_flags([("http-address".to_owned(), "127.0.0.1:0".to_owned())]);
        Running::start(&SHOUTER.into(), settings, Arc::new(log.clone()), Arc::new(SystemClock::new())).unwrap()
    }

    fn log() -> ScriptedLog {
        ScriptedLog::with_topics(&["words", "shouted", "shouter.dead-letters"])
    }

    /// Another process has the name and the partitions; this one would have gone on without any work to do.
    #[test]
    fn a_worker_that_was_replaced_ends_the_program() {
        let log = log();
        log.0.lock().polls.push_back(Err(Error::new(ErrorKind::Fenced, "another has this name")));
        let running = start(&log);
        let mut replaced = running.workers.replaced();
        let why = running.server.runtime().block_on(async {
            let told = tokio::time::timeout(Duration::from_secs(30), replaced.wait_for(Option::is_some)).await;
            told.expect("it is told in time").expect("the workers are there").clone()
        });
        running.stop().unwrap();
        let stop = Stop::replaced(&why.unwrap());
        assert_eq!((stop.code(), stop.message().contains("another has this name")), (3, true));
        assert!(stop.message().contains("--instance"), "{}", stop.message());
    }

    /// To wait for its own runtime, or to drop it, panics on a thread of another one.
    #[test]
    fn it_is_started_and_ended_within_another_runtime() {
        let outside = tokio::runtime::Builder::new_current_thread().build().unwrap();
        outside.block_on(async {
            start(&log()).stop().unwrap();
            drop(start(&log()));
        });
    }
}
