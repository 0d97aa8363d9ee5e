use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Instant,
};

use axum::{Router, routing::get};

use super::*;
use crate::http::{Server, listen};

const PATIENCE: Duration = Duration::from_secs(20);
/// For what a server gives up: short enough to wait for.
const SHORT: Duration = Duration::from_millis(300);
const LONG_ANSWER_BYTES: usize = 64 << 20;

fn start(change: impl Fn(&mut ConnectionLimits)) -> (Server, SocketAddr) {
    let mut limits = ConnectionLimits::of_count(4);
    change(&mut limits);
    let routes = Router::new()
        .route("/", get(async || "here"))
        .route("/late", get(async || time::sleep(SHORT / 3).await))
        .route("/never", get(async || std::future::pending::<()>().await))
        .route("/long", get(async || "x".repeat(LONG_ANSWER_BYTES)));
    let listener = listen(&"127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let front = Front { gate: Gate::closed(routes), guard: Guard::new("127.0.0.1", true), limits };
    (Server::start(listener, front).unwrap(), address)
}

#[expect(clippy::disallowed_methods, reason = "how long real clients are kept waiting")]
fn now() -> Instant {
    Instant::now()
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn send(stream: &mut TcpStream, path: &str) {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).unwrap();
}

/// What comes until the server closes.
fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("it is not closed: {error}"),
        _ => String::from_utf8_lossy(&bytes).into_owned(),
    }
}

fn ask(address: SocketAddr, path: &str) -> String {
    let mut stream = connect(address);
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes())
        .unwrap();
    rest(&mut stream)
}

fn until_served(address: SocketAddr) {
    let began = now();
    while !ask(address, "/").starts_with("HTTP/1.1 200") {
        assert!(began.elapsed() < PATIENCE, "nobody is served");
    }
}

/// Clients that did nothing took all descriptors of the process. Then the log could open no file any more, and orders
/// failed until they left.
#[test]
fn who_finds_no_room_hears_so_at_once_and_is_served_when_there_is_some() {
    let (_server, address) = start(|_| {});
    let idle: Vec<_> = (0..4)
        .map(|_| {
            let mut stream = connect(address);
            send(&mut stream, "/"); // it is taken by now
            stream.read_exact(&mut [0; 12]).unwrap();
            stream
        })
        .collect();
    for _ in 0..3 {
        let answer = ask(address, "/");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
        assert!(head.contains("\r\nretry-after: 1") && head.contains("application/problem+json"), "{head}");
        assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!((problem["status"].as_u64(), &problem["type"]), (Some(503), &json!("about:blank")));
    }
    drop(idle);
    until_served(address);
}

#[test]
fn half_a_request_is_given_up_and_so_is_a_connection_on_which_nothing_comes() {
    let (_server, address) = start(|limits| limits.head_within = SHORT);
    let mut half = connect(address);
    half.write_all(b"POST / HTTP/1.1\r\nHost: loc").unwrap();
    let mut nothing = connect(address);
    let mut kept = connect(address);
    send(&mut kept, "/");
    assert!(rest(&mut kept).ends_with("here"), "it was answered before it was closed");
    assert_eq!(rest(&mut nothing), "");
    assert!(!rest(&mut half).contains("200"));
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let (_server, address) = start(|_| {});
    let mut stream = connect(address);
    let head = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(20 << 10));
    stream.write_all(head.as_bytes()).unwrap();
    assert!(rest(&mut stream).starts_with("HTTP/1.1 431 "));
}

#[test]
fn a_handler_that_does_not_answer_is_no_longer_waited_for() {
    let (_server, address) = start(|limits| limits.answer_within = SHORT);
    let answer = ask(address, "/never");
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("may have happened"), "{answer}");
}

/// The end of what it says was taken for its own: what it had asked for was done, and it was not told.
#[test]
fn a_client_that_has_said_all_and_listens_gets_its_answer() {
    let (_server, address) = start(|_| {});
    let mut stream = connect(address);
    send(&mut stream, "/late");
    stream.shutdown(Shutdown::Write).unwrap();
    assert!(rest(&mut stream).starts_with("HTTP/1.1 200 "));
}

#[test]
fn a_client_that_does_not_take_its_answer_is_given_up() {
    let (_server, address) = start(|limits| {
        limits.count = 1;
        limits.stalled_for = SHORT;
    });
    let mut stalled = connect(address);
    send(&mut stalled, "/long");
    stalled.read_exact(&mut [0; 12]).unwrap();
    until_served(address);
    drop(stalled);
}

/// As long as something of it is taken now and then.
#[test]
fn a_client_that_takes_its_answer_slowly_gets_all_of_it() {
    let (_server, address) = start(|limits| limits.stalled_for = SHORT * 3);
    let mut slow = connect(address);
    send(&mut slow, "/long");
    let (mut taken, mut part) = (0, vec![0; 8 << 20]);
    while taken < LONG_ANSWER_BYTES {
        std::thread::sleep(SHORT / 6);
        let length = slow.read(&mut part).unwrap();
        assert!(length > 0, "it was given up after {taken} bytes");
        taken += length;
    }
}

#[test]
fn what_is_in_hand_when_it_ends_is_finished_and_nothing_else_is_taken() {
    let (server, address) = start(|_| {});
    let mut kept = connect(address);
    send(&mut kept, "/");
    kept.read_exact(&mut [0; 12]).unwrap();
    let began = now();
    server.stop(PATIENCE, || ());
    assert!(began.elapsed() < Duration::from_secs(2), "a connection without a request does not hold it up");
    assert!(rest(&mut kept).ends_with("here"));
    assert!(TcpStream::connect(address).is_err());
}
