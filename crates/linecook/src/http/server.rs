//! Listening, answering, and ending in good order.

use std::{fmt, io, net::TcpListener, num::NonZero, panic, sync::Arc, thread, time::Duration};

use axum::{
    Router,
    extract::Request,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::{
    runtime::{self, Runtime},
    sync::watch,
    task::JoinHandle,
};

use super::{Front, Health, MetricsPage, Problem, blocking, problem::shown, reading::Lookout};
use crate::settings::HostPort;

/// Binds the address; the port may be 0 for a free one.
pub(crate) fn listen(address: &HostPort) -> io::Result<TcpListener> {
    let listener = TcpListener::bind((address.host(), address.port()))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// A service's routes with those that every process has around them.
pub(crate) fn routes(of_services: Router, health: &Arc<Health>, metrics: &Arc<MetricsPage>) -> Router {
    with_our_own(of_services, health, metrics).fallback(unknown_path)
}

/// Those that every process has, before its services are there.
pub(crate) fn early_routes(health: &Arc<Health>, metrics: &Arc<MetricsPage>) -> Router {
    let starting = Arc::clone(health);
    let not_yet = async move |request: Request| {
        let why = starting.why_starting().unwrap_or_else(|| "the services have just started".to_owned());
        let is_read = request.method().is_safe();
        Problem::unavailable(if is_read { why } else { format!("nothing was stored: {why}") })
    };
    with_our_own(Router::new(), health, metrics).fallback(not_yet)
}

fn with_our_own(routes: Router, health: &Arc<Health>, metrics: &Arc<MetricsPage>) -> Router {
    let (alive, ready, metrics) = (Arc::clone(health), Arc::clone(health), Arc::clone(metrics));
    routes
        .route("/healthz", get(async move || alive.alive()))
        .route("/readyz", get(async move || ready.ready()))
        .route("/metrics", get(async move || blocking(move || page(&metrics)).await))
        .method_not_allowed_fallback(wrong_method)
}

/// Whether it is asked how the process is: that is answered when nothing else is.
pub(super) fn is_health(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz")
}

async fn unknown_path(request: Request) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("there is nothing here: path={}", shown(request.uri().path())))
}

/// The router adds `Allow` with what the path takes.
async fn wrong_method(request: Request) -> Problem {
    let detail =
        format!("the path does not take this method: method={} path={}", request.method(), shown(request.uri().path()));
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}

fn page(metrics: &MetricsPage) -> Result<Response, Problem> {
    let failed = |error: fmt::Error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    let text = metrics.text().map_err(failed)?;
    let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, media_type)], text).into_response())
}

/// How many tables are read at once, at most. More would wait for the same disk, each with a thread of its own.
const BLOCKING_THREADS: usize = 32;

/// How long reads of tables may go on when the server is over.
const LET_GO_WITHIN: Duration = Duration::from_millis(100);

/// A running server, with a runtime of its own. It can be stopped and dropped from within another one.
pub(crate) struct Server {
    /// `None` when it is being dropped.
    runtime: Option<Runtime>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    /// Until the runtime is over.
    _lookout: Lookout,
}

impl Server {
    /// Answers on `listener` until it is stopped.
    pub(crate) fn start(listener: TcpListener, front: Front) -> io::Result<Self> {
        let mut builder = runtime::Builder::new_multi_thread();
        builder.thread_name("http").max_blocking_threads(BLOCKING_THREADS).enable_all();
        // One more than there are processors: as many may read at a time, and one is left.
        let threads = thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN).saturating_add(1);
        let (runtime, lookout) = Lookout::over(&mut builder, threads)?;
        let (stop, mut stopped) = watch::channel(false);
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let task = runtime.spawn(async move {
            front.serve(listener, async move { drop(stopped.wait_for(|is_stopped| *is_stopped).await) }).await;
        });
        Ok(Self { runtime: Some(runtime), stop, task, _lookout: lookout })
    }

    /// Takes no more requests, finishes those in hand for at most `max_wait`, and does `then` before its runtime ends.
    pub(crate) fn stop<T>(mut self, max_wait: Duration, then: impl FnOnce() -> T) -> T {
        self.stop.send_replace(true);
        let Self { runtime, task, .. } = &mut self;
        wait_on(runtime.as_ref(), async { drop(tokio::time::timeout(max_wait, task).await) });
        then()
    }

    /// Waits for that.
    pub(crate) fn wait_for<T: Send>(&self, future: impl Future<Output = T> + Send) -> T {
        wait_on(self.runtime.as_ref(), future)
    }

    /// For tasks beside the server, as waiting for signals.
    pub(crate) fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("it is not being dropped")
    }
}

/// Waits on a thread of its own: that of the caller may be another runtime's, and must not wait in here.
fn wait_on<T: Send>(runtime: Option<&Runtime>, future: impl Future<Output = T> + Send) -> T {
    let runtime = runtime.expect("it is not being dropped");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| runtime.block_on(future)).join();
        waiting.unwrap_or_else(|payload| panic::resume_unwind(payload))
    })
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        let Some(runtime) = self.runtime.take() else { return };
        // When this is over the port is free, and what the routes have is let go. On a thread of its own, as above.
        thread::scope(|scope| {
            scope.spawn(|| runtime.shutdown_timeout(LET_GO_WITHIN));
        });
    }
}
