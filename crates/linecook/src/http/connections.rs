//! Connections: how many there are, and what each may take its time for.
//!
//! A client that does nothing costs it little and us a descriptor, and the log needs descriptors, too: a file that it
//! cannot open is a commit that it cannot make. So there is room for so many connections, and one that does not get
//! anywhere is closed. Who finds no room is heard at the door: health is answered there, and all else is told to come again.
//! Who comes while the door is crowded as well finds the connection closed.

use std::{convert::Infallible, io, pin::pin, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::Request,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::{
    body::{Body as _, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use prometheus_client::metrics::gauge::Gauge;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{self, Instant},
};
use tower_service::Service as _;

use super::{Gate, Guard, HttpMetrics, Problem, patient::Patient, server::is_health};

/// What clients may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConnectionLimits {
    /// How many connections there are at once.
    pub(crate) count: usize,
    /// How long a request's head may take to come, also the first byte of the next one on a connection that is kept: longer
    /// than proxies keep one that is idle, or they would send requests into its end.
    pub(crate) head_within: Duration,
    /// How large it may be.
    pub(crate) head_bytes: usize,
    /// How long its body may take to come.
    pub(crate) body_within: Duration,
    /// How large that may be.
    pub(crate) body_bytes: usize,
    /// How long a handler may take to begin its answer.
    pub(crate) answer_within: Duration,
    /// How long nothing of an answer may fit into the buffers on the way to a client that leaves them full.
    pub(crate) stalled_for: Duration,
}

impl ConnectionLimits {
    /// Those of a server with room for so many connections, and bodies of that size.
    pub(crate) fn new(count: usize, body_bytes: usize) -> Self {
        Self {
            count,
            head_within: Duration::from_secs(75),
            head_bytes: 16 << 10,
            body_within: Duration::from_secs(30),
            body_bytes,
            answer_within: Duration::from_secs(30),
            stalled_for: Duration::from_secs(30),
        }
    }

    /// How many connections there may be at most, for a process that may have so many descriptors: those at the door, the
    /// log, and everything else have theirs as well.
    pub(crate) fn room(descriptors: usize) -> usize {
        let of_rows = ROWS_DESCRIPTORS.min(descriptors / 4);
        descriptors.saturating_sub(AT_THE_DOOR + OTHER_DESCRIPTORS + of_rows).max(1)
    }
}

/// What answers, and whom.
pub(crate) struct Front {
    pub(crate) gate: Gate,
    pub(crate) guard: Guard,
    pub(crate) limits: ConnectionLimits,
    pub(crate) metrics: HttpMetrics,
}

/// Where a client has got to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Room,
    Door,
}

/// How many clients are at the door at once, and how long each may stand there without a word.
const AT_THE_DOOR: usize = 32;
const AT_THE_DOOR_FOR: Duration = Duration::from_secs(1);
/// Those of the log, but for those of its rows, and of everything else.
const OTHER_DESCRIPTORS: usize = 32;
/// Those of the log's rows, of a quarter of all at most: with so few there are few rows.
const ROWS_DESCRIPTORS: usize = 128;
/// How often it is told that there is no room.
const TOLD_EVERY: Duration = Duration::from_secs(60);
/// After what was no fault of a client: descriptors may be there again.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);

impl Front {
    /// Answers until `over`, then finishes what is in hand.
    pub(crate) async fn serve(self, listener: TcpListener, over: impl Future<Output = ()>) {
        let front = Arc::new(self);
        let room = Arc::new(Semaphore::new(front.limits.count));
        let door = Arc::new(Semaphore::new(AT_THE_DOOR));
        let graceful = GracefulShutdown::new();
        let (mut over, mut no_room, mut no_descriptors) = (pin!(over), Told::default(), Told::default());
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = &mut over => break,
            };
            match accepted {
                Ok((stream, _)) => match Arc::clone(&room).try_acquire_owned() {
                    Ok(held) => front.begin(stream, (Place::Room, held), &graceful),
                    Err(_) => {
                        no_room.tell(|| tracing::warn!(connections = front.limits.count, "HTTP clients find no room"));
                        match Arc::clone(&door).try_acquire_owned() {
                            Ok(held) => front.begin(stream, (Place::Door, held), &graceful),
                            Err(_) => front.has_refused("none"),
                        }
                    }
                },
                Err(error) if is_of_client(&error) => {}
                Err(error) => {
                    no_descriptors.tell(|| tracing::warn!(%error, "no connection can be accepted"));
                    time::sleep(ACCEPT_AGAIN_AFTER).await;
                }
            }
        }
        drop(listener);
        graceful.shutdown().await;
    }

    fn begin(
        self: &Arc<Self>,
        stream: TcpStream,
        (place, held): (Place, OwnedSemaphorePermit),
        graceful: &GracefulShutdown,
    ) {
        // An answer is one small write: waiting for more to send with it only delays it.
        drop(stream.set_nodelay(true));
        let front = Arc::clone(self);
        let service = service_fn(move |request| {
            let front = Arc::clone(&front);
            async move { Ok::<_, Infallible>(front.answer(request, place).await) }
        });
        let ConnectionLimits { head_within, head_bytes, stalled_for, .. } = self.limits;
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            // Who has nothing more to say may still listen. The price: who is gone is noticed when the answer is written.
            .half_close(true)
            .keep_alive(place == Place::Room)
            .header_read_timeout(if place == Place::Room { head_within } else { AT_THE_DOOR_FOR })
            .max_header_size(head_bytes)
            .serve_connection(TokioIo::new(Patient::new(stream, stalled_for)), service);
        let connection = graceful.watch(connection);
        let open = Open::new(self.metrics.connections.clone(), held);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection has ended");
            }
            drop(open);
        });
    }

    async fn answer(&self, request: hyper::Request<Incoming>, place: Place) -> Response {
        match self.try_answering(request, place).await {
            Ok(response) => response,
            Err(problem) => {
                self.has_refused(problem.status().as_str());
                problem.into_response()
            }
        }
    }

    fn has_refused(&self, status: &str) {
        self.metrics.refused.get_or_create(&[("status", status.to_owned())]).inc();
    }

    async fn try_answering(&self, request: hyper::Request<Incoming>, place: Place) -> Result<Response, Problem> {
        self.guard.check(&request)?;
        if place == Place::Door && !is_health(request.uri().path()) {
            return Err(Problem::unavailable("nothing was stored: there is no room for another connection"));
        }
        let request = self.with_body(request).await?;
        let within = self.limits.answer_within;
        let Ok(Ok(response)) = time::timeout(within, self.gate.clone().call(request)).await else {
            let seconds = within.as_secs();
            let detail = format!("no answer within {seconds} seconds; what was asked for may have happened");
            return Err(Problem::unavailable(detail));
        };
        Ok(response)
    }

    /// The request when all of its body is here. Of a body that nobody has read the rest would be cut off with the
    /// connection, and the answer to what was done with it.
    async fn with_body(&self, request: hyper::Request<Incoming>) -> Result<Request, Problem> {
        let ConnectionLimits { body_bytes, body_within, .. } = self.limits;
        let (parts, body) = request.into_parts();
        if body.is_end_stream() {
            return Ok(Request::from_parts(parts, Body::empty()));
        }
        let too_large = || {
            let detail = format!("nothing was stored: a body has at most {body_bytes} bytes");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
        };
        if body.size_hint().lower() > body_bytes as u64 {
            return Err(too_large());
        }
        match time::timeout(body_within, Limited::new(body, body_bytes).collect()).await {
            Ok(Ok(body)) => Ok(Request::from_parts(parts, Body::from(body.to_bytes()))),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
            Ok(Err(error)) => {
                Err(Problem::new(StatusCode::BAD_REQUEST, format!("nothing was stored: the body is broken: {error}")))
            }
            Err(_) => {
                let seconds = body_within.as_secs();
                let detail = format!("nothing was stored: the body has not come within {seconds} seconds");
                Err(Problem::new(StatusCode::REQUEST_TIMEOUT, detail))
            }
        }
    }
}

/// A connection that is counted, however it ends.
struct Open {
    count: Gauge,
    _held: OwnedSemaphorePermit,
}

impl Open {
    fn new(count: Gauge, held: OwnedSemaphorePermit) -> Self {
        count.inc();
        Self { count, _held: held }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.count.dec();
    }
}

/// When something was told last that may happen many times a second.
#[derive(Default)]
struct Told(Option<Instant>);

impl Told {
    fn tell(&mut self, tell: impl FnOnce()) {
        if self.0.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            self.0 = Some(Instant::now());
            tell();
        }
    }
}

/// A client that has gone before it was accepted.
fn is_of_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

#[cfg(test)]
mod tests;
