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
const STATUSES: [&str; 12] = ["100", "200", "201", "400", "403", "404", "405", "409", "413", "421", "431", "503"];
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

/// Each of the answers, for a request may be followed by others.
fn check(answer: &[u8]) {
    let mut rest = answer;
    while !rest.is_empty() {
        let (head, after) = split_head(rest).unwrap_or_else(|| panic!("no answer: {}", shown(rest)));
        let is_answer = head.starts_with("HTTP/1.1 ") || head.starts_with("HTTP/1.0 ");
        let status = head.get(9..12).unwrap_or_default();
        assert!(is_answer && STATUSES.contains(&status), "no such answer: {}", shown(rest));
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.parse().expect("a length is a number"));
        // To HEAD the length is told, and nothing follows.
        let length = if after.is_empty() || after.starts_with(b"HTTP/1.") { 0 } else { length };
        let (body, after) = after.split_at_checked(length).expect("an answer is as long as it says");
        let is_problem = head.contains("content-type: application/problem+json");
        assert!(body.is_empty() || status.starts_with('2') || is_problem, "no problem: {}", shown(rest));
        rest = after;
    }
}

fn split_head(answer: &[u8]) -> Option<(&str, &[u8])> {
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
    Some((std::str::from_utf8(&answer[..end]).ok()?, &answer[end..]))
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
        // In two parts, and it may have been closed by then.
        let (head, tail) = bytes.split_at(bytes.len() / 2);
        drop(stream.write_all(head).and_then(|()| stream.write_all(tail)));
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
