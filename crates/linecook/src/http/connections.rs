//! Connections: how many there are, and what each may take its time for.
//!
//! A client that does nothing costs it little and us a descriptor, and the log needs descriptors, too: a file that it
//! cannot open is a commit that it cannot make. So there is room for so many connections and no more, and a connection
//! that does not get anywhere is closed. Who finds no room hears so at once, and when to come again.

use std::{convert::Infallible, io, pin::pin, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use serde_json::json;
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time,
};
use tower_service::Service as _;

use super::{Gate, Guard, Problem, patient::Patient};

/// What clients may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConnectionLimits {
    /// How many connections there are at once.
    pub(crate) count: usize,
    /// How long a request's head may take to come, also the first byte of the next one on a connection that is kept.
    pub(crate) head_within: Duration,
    /// How large it may be.
    pub(crate) head_bytes: usize,
    /// How long a handler may take to begin its answer.
    pub(crate) answer_within: Duration,
    /// How long a client may take none of an answer.
    pub(crate) stalled_for: Duration,
}

impl ConnectionLimits {
    /// Those of a server with room for so many connections.
    pub(crate) fn of_count(count: u32) -> Self {
        Self {
            count: count as usize,
            head_within: Duration::from_secs(30),
            head_bytes: 16 << 10,
            answer_within: Duration::from_secs(30),
            stalled_for: Duration::from_secs(30),
        }
    }
}

/// How many of those who find no room are waited for, each for at most [`LINGER`], so that they get what was written: a
/// connection that is closed with a request unread may take the answer with it. Few, since they have descriptors, too.
const LINGERING: usize = 8;
const LINGER: Duration = Duration::from_millis(250);

/// After what was no fault of a client: descriptors may be there again.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// What answers, and whom.
pub(crate) struct Front {
    pub(crate) gate: Gate,
    pub(crate) guard: Guard,
    pub(crate) limits: ConnectionLimits,
}

impl Front {
    /// Answers until `over`, then finishes what is in hand.
    pub(crate) async fn serve(self, listener: TcpListener, over: impl Future<Output = ()>) {
        let front = Arc::new(self);
        let room = Arc::new(Semaphore::new(front.limits.count));
        let lingering = Arc::new(Semaphore::new(LINGERING));
        let graceful = GracefulShutdown::new();
        let mut over = pin!(over);
        let mut is_told = false;
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = &mut over => break,
            };
            match accepted {
                Ok((stream, _)) => {
                    is_told = false;
                    match Arc::clone(&room).try_acquire_owned() {
                        Ok(place) => front.begin(stream, place, &graceful),
                        Err(_) => refuse(stream, &lingering),
                    }
                }
                Err(error) if is_of_client(&error) => {}
                Err(error) => {
                    if !is_told {
                        tracing::warn!(%error, "no connection can be accepted for now");
                    }
                    is_told = true;
                    time::sleep(ACCEPT_AGAIN_AFTER).await;
                }
            }
        }
        drop(listener);
        graceful.shutdown().await;
    }

    fn begin(self: &Arc<Self>, stream: TcpStream, place: OwnedSemaphorePermit, graceful: &GracefulShutdown) {
        // An answer is one small write: waiting for more to send with it only delays it.
        drop(stream.set_nodelay(true));
        let front = Arc::clone(self);
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let front = Arc::clone(&front);
            async move { Ok::<_, Infallible>(front.answer(request.map(Body::new)).await) }
        });
        let ConnectionLimits { head_within, head_bytes, stalled_for, .. } = self.limits;
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .half_close(true) // who has nothing more to say may still listen
            .header_read_timeout(head_within)
            .max_header_size(head_bytes)
            .serve_connection(TokioIo::new(Patient::new(stream, stalled_for)), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection has ended");
            }
            drop(place);
        });
    }

    async fn answer(&self, request: Request) -> Response {
        if let Err(problem) = self.guard.check(&request) {
            return problem.into_response();
        }
        let within = self.limits.answer_within;
        match time::timeout(within, self.gate.clone().call(request)).await {
            Ok(Ok(response)) => response,
            Err(_) => {
                let seconds = within.as_secs();
                let detail = format!("no answer within {seconds} seconds; what was asked for may have happened");
                Problem::unavailable(detail).into_response()
            }
        }
    }
}

/// Tells a client that there is no room, as every other problem, but by hand: it has not asked for anything yet.
fn refuse(mut stream: TcpStream, lingering: &Arc<Semaphore>) {
    let answer = no_room();
    if !matches!(stream.try_write(&answer), Ok(length) if length == answer.len()) {
        return;
    }
    let Ok(place) = Arc::clone(lingering).try_acquire_owned() else { return };
    tokio::spawn(async move {
        let until_closed = async {
            let mut unread = [0; 1024];
            while stream.read(&mut unread).await.is_ok_and(|length| length > 0) {}
        };
        drop(time::timeout(LINGER, until_closed).await);
        drop(place);
    });
}

fn no_room() -> Vec<u8> {
    let body = json!({
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "nothing was stored: there is no room for another connection",
    })
    .to_string();
    let length = body.len();
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 1\r\n\
         connection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    [head, body].concat().into_bytes()
}

/// A client that has gone before it was accepted.
fn is_of_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

#[cfg(test)]
mod tests;
