//! What answers while the services are not there yet, and from then on.

use std::{
    convert::Infallible,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use axum::{Router, extract::Request, response::Response, routing::future::RouteFuture};
use tower_service::Service;

/// Routes that can be changed for others once, under connections that are open.
#[derive(Clone)]
pub(crate) struct Gate {
    early: Router,
    full: Arc<OnceLock<Router>>,
}

impl Gate {
    /// One that answers with these routes until it is opened.
    pub(crate) fn closed(early: Router) -> Self {
        Self { early, full: Arc::default() }
    }

    /// From here on these routes answer. It is opened once.
    pub(crate) fn open(&self, full: Router) {
        self.full.set(full).unwrap_or_else(|_| panic!("services come up once"));
    }
}

impl Service<Request> for Gate {
    type Response = Response;
    type Error = Infallible;
    type Future = RouteFuture<Infallible>;

    /// Routers are always ready.
    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> RouteFuture<Infallible> {
        match self.full.get() {
            Some(full) => full.clone().call(request),
            None => self.early.call(request),
        }
    }
}
