//! Clients that mean no good, or nothing at all.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use crate::{
    http::Client,
    process::{PATIENCE, Pizzeria, output, until},
};

fn connect(pizzeria: &Pizzeria) -> TcpStream {
    let stream = TcpStream::connect(pizzeria.url.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// The answer to a request with these lines as its head.
fn ask(pizzeria: &Pizzeria, head: &[&str]) -> String {
    let mut stream = connect(pizzeria);
    stream.write_all(format!("{}\r\nConnection: close\r\n\r\n", head.join("\r\n")).as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok(); // who is sent away may hear of the end before its own request is through
    String::from_utf8(answer).unwrap()
}

/// Whoever had the pizzeria running and looked at a page of a stranger ordered what that page liked, and with a name that
/// resolves to 127.0.0.1 it could read all orders.
#[test]
fn a_page_of_a_stranger_can_neither_order_nor_read() {
    let folder = tempfile::tempdir().unwrap();
    let pizzeria = Pizzeria::start(folder.path(), &[]);
    let posts = [
        ["POST /order/2 HTTP/1.1", "Host: localhost:5000", "Origin: http://evil.example"],
        ["POST /order/2 HTTP/1.1", "Host: localhost:5000", "Origin: null"],
        ["POST /order/2 HTTP/1.1", "Host: localhost:5000", "Sec-Fetch-Site: cross-site"],
    ];
    for head in posts {
        let answer = ask(&pizzeria, &head);
        assert!(
            answer.starts_with("HTTP/1.1 403 ") && answer.contains("application/problem+json"),
            "{head:?} {answer}"
        );
    }
    for request in ["POST /order/2", "GET /report", "GET /order/7", "GET /metrics", "GET /nothing"] {
        let answer = ask(&pizzeria, &[&format!("{request} HTTP/1.1"), "Host: rebound.example:5000"]);
        assert!(answer.starts_with("HTTP/1.1 421 ") && answer.contains("--http-hosts"), "{request}: {answer}");
    }
    pizzeria.stop();
    let dump = output(folder.path(), &["log", "dump", "orders"]);
    assert_eq!(String::from_utf8(dump.stdout).unwrap(), "", "nothing was ordered");
}

/// They had all descriptors that there were: who came later was not even told, and the log could open no file any more.
#[test]
fn clients_that_do_nothing_leave_room_for_the_log_and_others_hear_that_there_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let pizzeria = Pizzeria::start_with_descriptors(100, folder.path());
    let guest = Client::new(&pizzeria.url);
    assert_eq!(guest.post("/order/1").status, 201); // a connection that is kept
    let idle: Vec<_> = (0..100).map(|_| connect(&pizzeria)).collect();
    let report = || ask(&pizzeria, &["GET /report HTTP/1.1", "Host: localhost"]);
    // Some of the silent ones stand at the door for a while.
    let refused = until("one who comes later is told", || Some(report()).filter(|answer| !answer.is_empty()));
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("retry-after: 1"), "{refused}");
    assert!(ask(&pizzeria, &["GET /readyz HTTP/1.1", "Host: localhost"]).starts_with("HTTP/1.1 200 "), "it is well");
    for _ in 0..20 {
        let location = guest.post("/order/2").location.unwrap();
        until("the order is ready", || guest.get(&location).is_ready().then_some(()));
    }
    drop(idle);
    until("there is room again", || report().starts_with("HTTP/1.1 200 ").then_some(()));
    pizzeria.stop();
}
