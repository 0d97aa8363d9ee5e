use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Instant,
};

use axum::{
    Router,
    body::Bytes,
    routing::{get, post},
};
use serde_json::json;

use super::*;
use crate::http::{Server, listen};

const PATIENCE: Duration = Duration::from_secs(20);
/// For what a server gives up: short enough to wait for.
const SHORT: Duration = Duration::from_millis(300);
const LONG_ANSWER_BYTES: usize = 64 << 20;

fn start(change: impl Fn(&mut ConnectionLimits)) -> (Server, SocketAddr) {
    let (server, address, _) = start_measured(change);
    (server, address)
}

fn start_measured(change: impl Fn(&mut ConnectionLimits)) -> (Server, SocketAddr, HttpMetrics) {
    let mut limits = ConnectionLimits::new(4, 1 << 20);
    change(&mut limits);
    let routes = Router::new()
        .route("/", get(async || "here").post(async || "taken"))
        .route("/length", post(async |body: Bytes| body.len().to_string()))
        .route("/healthz", get(async || "well"))
        .route("/late", get(async || time::sleep(SHORT / 3).await))
        .route("/never", get(async || std::future::pending::<()>().await))
        .route("/long", get(async || "x".repeat(LONG_ANSWER_BYTES)));
    let listener = listen(&"127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let metrics = HttpMetrics::default();
    let front =
        Front { gate: Gate::closed(routes), guard: Guard::new(address.ip(), []), limits, metrics: metrics.clone() };
    (Server::start(listener, front).unwrap(), address, metrics)
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

/// Takes all the room that there is.
fn crowd(address: SocketAddr) -> Vec<TcpStream> {
    let come_in = |_| {
        let mut stream = connect(address);
        send(&mut stream, "/");
        stream.read_exact(&mut [0; 12]).unwrap(); // it is in by now
        stream
    };
    (0..4).map(come_in).collect()
}

/// Clients that did nothing took all descriptors of the process. Then the log could open no file any more, and orders
/// failed until they left.
#[test]
fn who_finds_no_room_hears_so_at_once_and_is_served_when_there_is_some() {
    let (_server, address) = start(|_| {});
    let inside = crowd(address);
    for _ in 0..3 {
        let answer = ask(address, "/");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
        assert!(head.contains("\r\nretry-after: 1") && head.contains("application/problem+json"), "{head}");
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!((problem["status"].as_u64(), &problem["type"]), (Some(503), &json!("about:blank")));
    }
    let kept = {
        let mut stream = connect(address);
        send(&mut stream, "/");
        rest(&mut stream)
    };
    assert!(kept.starts_with("HTTP/1.1 503 "), "it is closed, though nobody asked for that: {kept}");
    drop(inside);
    until_served(address);
}

#[test]
fn connections_and_those_who_were_refused_are_counted() {
    let (server, address, metrics) = start_measured(|_| {});
    let inside = crowd(address);
    assert_eq!(metrics.connections.get(), 4);
    assert!(ask(address, "/").starts_with("HTTP/1.1 503 "));
    drop(inside);
    until_served(address);
    let mut stranger = connect(address);
    stranger.write_all(b"GET / HTTP/1.1\r\nHost: rebound.example\r\nConnection: close\r\n\r\n").unwrap();
    assert!(rest(&mut stranger).starts_with("HTTP/1.1 421 "));
    let count = |status: &str| metrics.refused.get_or_create(&[("status", status.to_owned())]).get();
    assert!(count("503") >= 1);
    assert_eq!((count("421"), count("404"), count("none")), (1, 0, 0));
    server.stop(PATIENCE, || ());
    assert_eq!(metrics.connections.get(), 0);
}

/// Else who watches over the process takes one that is crowded for one that is dead.
#[test]
fn health_is_answered_though_there_is_no_room() {
    let (_server, address) = start(|_| {});
    let _inside = crowd(address);
    assert!(ask(address, "/healthz").ends_with("well"));
}

#[test]
fn who_stands_at_the_door_without_a_word_makes_way() {
    let (_server, address) = start(|_| {});
    let _inside = crowd(address);
    let silent: Vec<_> = (0..AT_THE_DOOR).map(|_| connect(address)).collect();
    let began = now();
    while !ask(address, "/").starts_with("HTTP/1.1 503 ") {
        assert!(began.elapsed() < PATIENCE, "the door stays crowded");
    }
    drop(silent);
}

/// What a handler does not read was cut off with the connection, and with it the answer: an order that came with a body of
/// some megabytes was stored, and its client heard of a broken pipe.
#[test]
fn a_body_that_no_handler_reads_is_taken_all_the_same() {
    let (_server, address) = start(|_| {});
    let mut stream = connect(address);
    for body in ["x".repeat(1 << 20), String::new(), "x".repeat(300 << 10)] {
        write!(stream, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        read_to(&mut stream, b"taken");
    }
}

fn read_to(stream: &mut TcpStream, end: &[u8]) {
    let (mut read, mut byte) = (Vec::new(), [0]);
    while !read.ends_with(end) {
        stream.read_exact(&mut byte).unwrap();
        read.push(byte[0]);
    }
}

#[test]
fn a_body_that_is_too_large_is_refused_before_anything_is_done_with_it() {
    let (_server, address) = start(|limits| limits.body_bytes = 1000);
    let post = |head: &str, body: &str| {
        let mut stream = connect(address);
        write!(stream, "POST /length HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{head}\r\n\r\n{body}")
            .unwrap();
        rest(&mut stream)
    };
    assert!(post("Content-Length: 1000", &"x".repeat(1000)).ends_with("1000"));
    for (head, body) in [
        ("Content-Length: 1001", String::new()),
        ("Content-Length: 99999999999", String::new()),
        ("Transfer-Encoding: chunked", format!("3e9\r\n{}\r\n0\r\n\r\n", "x".repeat(1001))),
    ] {
        let answer = post(head, &body);
        assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("at most 1000 bytes"), "{head}: {answer}");
    }
    let broken = post("Transfer-Encoding: chunked", "zz\r\n");
    assert!(broken.starts_with("HTTP/1.1 400 ") && broken.contains("nothing was stored"), "{broken}");
}

#[test]
fn a_body_that_does_not_come_is_given_up() {
    let (_server, address) = start(|limits| limits.body_within = SHORT);
    let mut stream = connect(address);
    write!(stream, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12345").unwrap();
    let answer = rest(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("nothing was stored"), "{answer}");
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

#[test]
fn half_a_request_does_not_hold_up_the_end_for_longer_than_it_may_take() {
    let (server, address) = start(|_| {});
    let mut half = connect(address);
    half.write_all(b"POST / HTTP/1.1\r\nHost: loc").unwrap();
    until_served(address); // it was accepted before this one
    let began = now();
    server.stop(SHORT, || ());
    assert!(began.elapsed() < Duration::from_secs(2));
}
