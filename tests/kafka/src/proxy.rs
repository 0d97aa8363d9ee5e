//! A proxy between clients and a broker, for what goes wrong on the way.

mod connection;
mod rule;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

pub use self::rule::Hits;
use self::{
    connection::Connection,
    rule::{Fate, Rule},
};
use crate::{ApiKey, Error, Result, ports};

/// Forwards what clients and a broker say to each other, frame by frame, until it is told not to.
///
/// A client goes on at the address that the broker tells it. So the broker has to know of the proxy:
///
/// ```no_run
/// use kafka_broker::{ApiKey, Broker, Options, Proxy};
///
/// let proxy = Proxy::start()?;
/// let broker = Broker::start(Options::default().behind(&proxy))?;
/// // … a client at proxy.bootstrap_servers() begins a transaction …
/// let cut = proxy.cut_replies(ApiKey::END_TXN, 1);
/// // … it commits, the broker does so, and the client never hears of it …
/// assert_eq!(cut.count(), 1);
/// # Ok::<(), kafka_broker::Error>(())
/// ```
///
/// Dropping it closes its port and all connections.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    target: SocketAddr,
    inside: Arc<Inside>,
    acceptor: Option<JoinHandle<()>>,
}

/// What the threads of a proxy share.
#[derive(Debug, Default)]
struct Inside {
    state: Mutex<State>,
    /// Something in the state that one may wait for has changed.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    door: Door,
    flow: Flow,
    rules: Vec<Rule>,
    connections: Vec<Arc<Connection>>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Door {
    #[default]
    Open,
    /// Who comes is sent away.
    Shut,
    /// The proxy is being dropped.
    Gone,
}

/// What happens to a frame that nothing else is to happen to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Flow {
    #[default]
    Free,
    Delayed(Duration),
    Held,
}

impl Proxy {
    /// One for a broker that is yet to be started [behind](crate::Options::behind) it.
    ///
    /// # Errors
    /// `Setup` when there is no free port.
    pub fn start() -> Result<Self> {
        Self::to(SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()?)))
    }

    /// One for whoever listens there now or later.
    ///
    /// # Errors
    /// `Setup` when there is no free port.
    pub fn to(target: SocketAddr) -> Result<Self> {
        let cannot = || Error::cannot("listen");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, ports::free()?)).map_err(cannot())?;
        let address = listener.local_addr().map_err(cannot())?;
        let inside = Arc::new(Inside::default());
        let acceptor = thread::spawn({
            let inside = Arc::clone(&inside);
            move || inside.accept_all(&listener, target)
        });
        Ok(Self { address, target, inside, acceptor: Some(acceptor) })
    }

    /// Where clients find it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same, as clients of Kafka want to have it.
    pub fn bootstrap_servers(&self) -> String {
        self.address.to_string()
    }

    /// Where it leads to.
    pub fn target(&self) -> SocketAddr {
        self.target
    }

    /// Loses the next requests of that kind: the broker never sees them, and their connections are closed.
    pub fn cut_requests(&self, api_key: ApiKey, times: usize) -> Hits {
        self.follow(Rule::new(api_key, Fate::CutRequest, times))
    }

    /// Loses the replies to the next requests of that kind: the broker has done what was asked, and the connections are
    /// closed before the client hears of it.
    pub fn cut_replies(&self, api_key: ApiKey, times: usize) -> Hits {
        self.follow(Rule::new(api_key, Fate::CutReply, times))
    }

    /// Counts requests of that kind from now on, those that other rules lose included.
    pub fn count_requests(&self, api_key: ApiKey) -> Hits {
        self.follow(Rule::new(api_key, Fate::Pass, usize::MAX))
    }

    /// Loses and counts nothing any more.
    pub fn forget_rules(&self) {
        self.inside.state().rules.clear();
    }

    fn follow(&self, rule: Rule) -> Hits {
        let hits = rule.hits();
        self.inside.state().rules.push(rule);
        hits
    }

    /// Closes all connections. Clients come again at once.
    pub fn cut_connections(&self) {
        self.inside.cut(None);
    }

    /// Closes all connections and sends away who comes, until [`Proxy::let_in`].
    pub fn shut(&self) {
        self.inside.cut(Some(Door::Shut));
    }

    /// Takes connections again.
    pub fn let_in(&self) {
        self.inside.state().door = Door::Open;
    }

    /// Lets nothing through in either direction and keeps the connections open, as a network that drops packets does,
    /// until [`Proxy::release`].
    pub fn hold(&self) {
        self.inside.state().flow = Flow::Held;
    }

    /// Lets every frame wait for so long, in both directions, until [`Proxy::release`].
    pub fn delay(&self, delay: Duration) {
        self.inside.state().flow = Flow::Delayed(delay);
    }

    /// Lets all through at once again, what was held included.
    pub fn release(&self) {
        self.inside.state().flow = Flow::Free;
        self.inside.changed.notify_all();
    }

    /// How many connections there are.
    pub fn connection_count(&self) -> usize {
        self.inside.state().connections.len()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.inside.cut(Some(Door::Gone));
        TcpStream::connect(self.address).ok(); // so that the acceptor sees it
        if let Some(acceptor) = self.acceptor.take() {
            acceptor.join().ok();
        }
    }
}

impl Inside {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept_all(self: &Arc<Self>, listener: &TcpListener, target: SocketAddr) {
        for client in listener.incoming() {
            let door = self.state().door;
            match (client, door) {
                (_, Door::Gone) => return,
                (Ok(client), Door::Open) => self.connect(client, target).unwrap_or_default(),
                (Ok(_), Door::Shut) | (Err(_), _) => {} // closed
            }
        }
    }

    /// Who cannot be led on is closed, as the broker itself would do it.
    fn connect(self: &Arc<Self>, client: TcpStream, target: SocketAddr) -> io::Result<()> {
        let connection = Arc::new(Connection::new(client, TcpStream::connect(target)?)?);
        let mut state = self.state();
        if state.door != Door::Open {
            return Ok(()); // shut since
        }
        state.connections.push(Arc::clone(&connection));
        drop(state);
        for direction in [Connection::forward_requests, Connection::forward_replies] {
            let (inside, connection) = (Arc::clone(self), Arc::clone(&connection));
            thread::spawn(move || {
                direction(&connection, &inside).ok(); // however it ends, it is over
                inside.close(&connection);
            });
        }
        Ok(())
    }

    fn close(&self, connection: &Arc<Connection>) {
        connection.close();
        self.state().connections.retain(|other| !Arc::ptr_eq(other, connection));
    }

    fn cut(&self, door: Option<Door>) {
        let mut state = self.state();
        state.door = door.unwrap_or(state.door);
        state.connections.drain(..).for_each(|connection| connection.close());
        self.changed.notify_all();
    }

    /// What is to become of a request, and who counts it. The first rule decides; those that only count see all.
    fn judge(&self, api_key: ApiKey) -> (Fate, Hits) {
        let mut decided = (Fate::Pass, Hits::default());
        for rule in self.state().rules.iter_mut().filter(|rule| rule.api_key == api_key) {
            if rule.fate == Fate::Pass {
                rule.hits().add();
            } else if decided.0 == Fate::Pass && rule.take() {
                decided = (rule.fate, rule.hits());
            }
        }
        decided
    }

    /// Waits until a frame may go on.
    fn wait_for_turn(&self, connection: &Connection) {
        let state = self.state();
        let is_held = |state: &mut State| state.flow == Flow::Held && connection.is_open();
        let state = self.changed.wait_while(state, is_held).unwrap_or_else(PoisonError::into_inner);
        if let Flow::Delayed(delay) = state.flow {
            drop(state);
            thread::sleep(delay);
        }
    }
}
