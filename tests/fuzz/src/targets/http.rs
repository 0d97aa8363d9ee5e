//! Requests, as bytes on a connection.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use linecook::{Running, settings::Sources};
use linecook_embedded::{EmbeddedLog, Options};
use linecook_log::{Log, SystemClock};
use tempfile::TempDir;

use crate::Check;

const PATIENCE: Duration = Duration::from_secs(20);
/// What an answer may begin with. 500 is not among it.
const STATUSES: [&str; 12] = ["200", "201", "400", "403", "404", "405", "409", "413", "414", "421", "431", "503"];
const OK: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// A pizzeria that runs. Its folder goes last.
struct Served {
    address: SocketAddr,
    _running: Running,
    _folder: TempDir,
}

/// Whatever comes, the answer is one that a client can read, and the next one is answered as well.
pub(super) fn begin() -> Check {
    let served = Served::start();
    Box::new(move |bytes| {
        let answer = served.ask(bytes);
        if !answer.is_empty() {
            check(&answer);
        }
        let next = served.ask(OK);
        assert!(next.starts_with(b"HTTP/1.1 200 "), "the next one is not answered: {}", shown(&next));
    })
}

fn check(answer: &[u8]) {
    let is_known = |status: &&str| answer[9..].starts_with(status.as_bytes());
    let is_whole = answer.starts_with(b"HTTP/1.1 ") || answer.starts_with(b"HTTP/1.0 ");
    assert!(is_whole && STATUSES.iter().any(is_known), "no such answer: {}", shown(answer));
}

fn shown(answer: &[u8]) -> String {
    String::from_utf8_lossy(&answer[..answer.len().min(300)]).into_owned()
}

impl Served {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("there is a temporary folder");
        let clock = Arc::new(SystemClock::new());
        let log = EmbeddedLog::open(folder.path(), Options::default(), Arc::<SystemClock>::clone(&clock))
            .expect("a log can be opened");
        let log: Arc<dyn Log> = Arc::new(log);
        let flags = [("http-address", "127.0.0.1:0"), ("partitions", "1"), ("pizza-service-order-limit", "3")];
        let settings = Sources::new().with_flags(flags.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let running =
            Running::start(&pizzeria::program(), settings, log, clock).unwrap_or_else(|stop| panic!("{stop:?}"));
        Self { address: running.address(), _running: running, _folder: folder }
    }

    /// All that comes back until the connection is closed.
    fn ask(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).expect("somebody listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket has time-outs");
        // It may have been closed by then.
        drop(stream.write_all(bytes));
        drop(stream.shutdown(Shutdown::Write));
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                panic!("the connection is kept: {}", shown(&answer))
            }
            _ => answer,
        }
    }
}
