//! A client of the pizza-service: places orders, looks at them, waits where the server asks it to.

mod answer;
mod patience;

use std::{io, time::Duration};

use bytes::Bytes;

pub use self::{
    answer::{Acknowledgement, Look},
    patience::{Outages, Patience, Setbacks},
};
use crate::{
    Error, ErrorKind, OrderId, OrderKey, PizzaCount, Result, Target,
    clock::now,
    wire::{After, Connection, Repeat, Request, Response},
};

/// A server that takes longer for one answer is taken for dead. It may hold a look for 2 s.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// One client on one kept connection. It is slow to give up and never hides a setback: [`setbacks`](Self::setbacks)
/// counts them.
///
/// ```no_run
/// # async fn example() -> load::Result<()> {
/// use load::{Client, Patience, PizzaCount};
///
/// let target = "http://127.0.0.1:5000".parse().expect("a URL");
/// let mut client = Client::new(target, Patience::default());
/// let acknowledged = client.place(PizzaCount(3), None).await?;
/// println!("{:?}", client.look(&acknowledged.order.id).await?);
/// # Ok(()) }
/// ```
pub struct Client {
    target: Target,
    patience: Patience,
    /// `None` before the first request and after a connection has failed.
    connection: Option<Connection>,
    setbacks: Setbacks,
}

impl Client {
    /// A client that connects with its first request.
    pub fn new(target: Target, patience: Patience) -> Self {
        Self { target, patience, connection: None, setbacks: Setbacks::default() }
    }

    /// Places an order and waits until it is acknowledged. With a key it can be repeated without ordering twice.
    ///
    /// # Errors
    /// [`ErrorKind::Unreachable`] when no answer came within the patience; [`ErrorKind::Unexpected`] for an answer
    /// other than 201.
    pub async fn place(&mut self, count: PizzaCount, key: Option<&OrderKey>) -> Result<Acknowledgement> {
        let response = self.ask(&Request::Place { count, key }).await?;
        match response.head.status {
            201 => Acknowledgement::read(response, count, key),
            _ => Err(unexpected("placing an order", &response)),
        }
    }

    /// Looks at an order once.
    ///
    /// # Errors
    /// As for [`place`](Self::place); a 404 is not an error but [`Look::Missing`].
    pub async fn look(&mut self, id: &OrderId) -> Result<Look> {
        let response = self.ask(&Request::Look { id }).await?;
        match response.head.status {
            200 => Ok(Look::Found(response.body)),
            404 => Ok(Look::Missing),
            _ => Err(unexpected("looking at an order", &response)),
        }
    }

    /// Waits until the server says that it is ready.
    ///
    /// # Errors
    /// [`ErrorKind::Unreachable`] when it has not said so within the patience.
    pub async fn wait_until_ready(&mut self) -> Result<()> {
        let response = self.ask(&Request::Ready).await?;
        match response.head.status {
            200 => Ok(()),
            _ => Err(unexpected("asking whether it is ready", &response)),
        }
    }

    /// How often this client had to wait or to connect again.
    pub fn setbacks(&self) -> Setbacks {
        self.setbacks
    }

    /// Sends a request until it is answered with something else than 503, or the patience is over.
    async fn ask(&mut self, request: &Request<'_>) -> Result<Response> {
        let deadline = now() + self.patience.limit;
        loop {
            let (pause, setback) = match self.attempt(request).await {
                Ok(response) if response.head.status == 503 => {
                    self.setbacks.refusals += 1;
                    (Patience::after_refusal(response.head.retry_after), refused(&response))
                }
                Ok(response) => return Ok(response),
                Err(error) => {
                    self.setbacks.outages += 1;
                    let setback = self.unreachable(error);
                    if self.patience.outages == Outages::GiveUp || request.repeat() == Repeat::Risky {
                        return Err(setback);
                    }
                    (Patience::AFTER_OUTAGE, setback)
                }
            };
            if now() + pause > deadline {
                return Err(setback);
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Sends a request once; twice if it is harmless and the kept connection turns out to have been closed meanwhile,
    /// which every server may do with an idle one.
    async fn attempt(&mut self, request: &Request<'_>) -> io::Result<Response> {
        let kept = self.connection.is_some();
        match self.exchange(request).await {
            Err(error) if kept && request.repeat() == Repeat::Harmless && error.kind() != io::ErrorKind::TimedOut => {
                self.exchange(request).await
            }
            outcome => outcome,
        }
    }

    async fn exchange(&mut self, request: &Request<'_>) -> io::Result<Response> {
        let exchange = async {
            let mut connection = match self.connection.take() {
                Some(connection) => connection,
                None => Connection::open(&self.target).await?,
            };
            let response = connection.exchange(request).await?;
            io::Result::Ok((connection, response))
        };
        let timed_out = |_| io::Error::new(io::ErrorKind::TimedOut, "no answer in time");
        let (connection, response) = tokio::time::timeout(ANSWER_WITHIN, exchange).await.map_err(timed_out)??;
        self.connection = (response.after() == After::Keep).then_some(connection);
        Ok(response)
    }

    fn unreachable(&self, error: io::Error) -> Error {
        Error::new(ErrorKind::Unreachable, format!("the server cannot be reached: url={}", self.target))
            .caused_by(error)
    }
}

fn refused(response: &Response) -> Error {
    Error::new(ErrorKind::Unreachable, format!("the server kept refusing: body={}", text(&response.body)))
}

fn unexpected(doing: &str, response: &Response) -> Error {
    let Response { head, body } = response;
    let message = format!("an unexpected answer when {doing}: status={} body={}", head.status, text(body));
    Error::new(ErrorKind::Unexpected, message)
}

/// The beginning of a body, for an error.
fn text(body: &Bytes) -> String {
    String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned()
}
