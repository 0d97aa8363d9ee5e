//! What the proxy does to who speaks through it.

use std::{sync::mpsc, thread, time::Duration};

use kafka_broker::{ApiKey, Proxy};

use crate::{
    PATIENCE,
    echo::{Client, Echo},
    now, until,
};

#[test]
fn requests_and_replies_go_through_in_order() {
    let (echo, proxy) = before_echo();
    let mut client = Client::connect(proxy.address()).unwrap();
    for correlation_id in 0..100 {
        client.send(ApiKey::FETCH, correlation_id).unwrap();
    }
    for correlation_id in 0..100 {
        assert_eq!(client.receive().unwrap(), correlation_id);
    }
    assert_eq!(echo.seen(), [ApiKey::FETCH.0; 100]);
}

#[test]
fn a_request_that_is_cut_never_reaches_the_broker() {
    let (echo, proxy) = before_echo();
    let cut = proxy.cut_requests(ApiKey::END_TXN, 1);
    let mut client = Client::connect(proxy.address()).unwrap();
    assert_eq!(client.ask(ApiKey::PRODUCE, 1).unwrap(), 1);
    assert!(client.ask(ApiKey::END_TXN, 2).is_err());
    assert_eq!(cut.count(), 1);
    // It was for one request; the next goes through.
    let mut client = Client::connect(proxy.address()).unwrap();
    assert_eq!(client.ask(ApiKey::END_TXN, 3).unwrap(), 3);
    assert_eq!(echo.seen(), [ApiKey::PRODUCE.0, ApiKey::END_TXN.0]);
    assert_eq!(cut.count(), 1);
}

#[test]
fn a_reply_that_is_cut_was_made_and_is_never_heard() {
    let (echo, proxy) = before_echo();
    let cut = proxy.cut_replies(ApiKey::END_TXN, 2);
    for correlation_id in [1, 2] {
        let mut client = Client::connect(proxy.address()).unwrap();
        assert_eq!(client.ask(ApiKey::PRODUCE, 0).unwrap(), 0);
        assert!(client.ask(ApiKey::END_TXN, correlation_id).is_err());
    }
    assert!(cut.reach(2, PATIENCE));
    assert_eq!(echo.seen(), [ApiKey::PRODUCE.0, ApiKey::END_TXN.0].repeat(2));
    let mut client = Client::connect(proxy.address()).unwrap();
    assert_eq!(client.ask(ApiKey::END_TXN, 3).unwrap(), 3);
}

#[test]
fn replies_before_the_one_that_is_cut_are_heard() {
    let (_echo, proxy) = before_echo();
    proxy.cut_replies(ApiKey::END_TXN, 1);
    let mut client = Client::connect(proxy.address()).unwrap();
    client.send(ApiKey::FETCH, 1).unwrap();
    client.send(ApiKey::END_TXN, 2).unwrap();
    assert_eq!(client.receive().unwrap(), 1);
    assert!(client.receive().is_err());
}

#[test]
fn rules_can_be_forgotten() {
    let (_echo, proxy) = before_echo();
    let cut = proxy.cut_requests(ApiKey::END_TXN, 1);
    proxy.forget_rules();
    let mut client = Client::connect(proxy.address()).unwrap();
    assert_eq!(client.ask(ApiKey::END_TXN, 1).unwrap(), 1);
    assert_eq!(cut.count(), 0);
}

#[test]
fn requests_are_counted_by_kind_those_that_are_cut_included() {
    let (_echo, proxy) = before_echo();
    let commits = proxy.count_requests(ApiKey::END_TXN);
    proxy.cut_requests(ApiKey::END_TXN, 1);
    assert!(Client::connect(proxy.address()).unwrap().ask(ApiKey::END_TXN, 1).is_err());
    let mut client = Client::connect(proxy.address()).unwrap();
    client.ask(ApiKey::END_TXN, 2).unwrap();
    client.ask(ApiKey::FETCH, 3).unwrap();
    assert_eq!(commits.count(), 2);
    assert!(!commits.reach(3, Duration::ZERO));
}

#[test]
fn connections_that_are_cut_can_come_again() {
    let (_echo, proxy) = before_echo();
    let mut clients = [(); 3].map(|()| Client::connect(proxy.address()).unwrap());
    for client in &mut clients {
        client.ask(ApiKey::FETCH, 1).unwrap();
    }
    assert_eq!(proxy.connection_count(), 3);
    proxy.cut_connections();
    assert_eq!(proxy.connection_count(), 0);
    for client in &mut clients {
        assert!(client.receive().is_err());
    }
    assert_eq!(Client::connect(proxy.address()).unwrap().ask(ApiKey::FETCH, 2).unwrap(), 2);
}

#[test]
fn while_it_is_shut_nobody_gets_through() {
    let (echo, proxy) = before_echo();
    let mut client = Client::connect(proxy.address()).unwrap();
    client.ask(ApiKey::FETCH, 1).unwrap();
    proxy.shut();
    assert!(client.receive().is_err());
    let asked = Client::connect(proxy.address()).and_then(|mut client| client.ask(ApiKey::FETCH, 2));
    assert!(asked.is_err());
    proxy.let_in();
    assert_eq!(Client::connect(proxy.address()).unwrap().ask(ApiKey::FETCH, 3).unwrap(), 3);
    assert_eq!(echo.seen().len(), 2);
}

#[test]
fn what_is_held_comes_later_on_the_same_connection() {
    let (echo, proxy) = before_echo();
    let mut client = Client::connect(proxy.address()).unwrap();
    client.ask(ApiKey::FETCH, 1).unwrap();
    proxy.hold();
    client.send(ApiKey::FETCH, 2).unwrap();
    let (told, replies) = mpsc::channel();
    thread::spawn(move || told.send(client.receive()));
    assert_eq!(replies.recv_timeout(Duration::from_millis(50)).unwrap_err(), mpsc::RecvTimeoutError::Timeout);
    assert_eq!(echo.seen().len(), 1);
    proxy.release();
    assert_eq!(replies.recv_timeout(PATIENCE).unwrap().unwrap(), 2);
}

#[test]
fn what_is_held_can_be_cut() {
    let (_echo, proxy) = before_echo();
    let mut client = Client::connect(proxy.address()).unwrap();
    client.ask(ApiKey::FETCH, 1).unwrap();
    proxy.hold();
    client.send(ApiKey::FETCH, 2).unwrap();
    proxy.cut_connections();
    assert!(client.receive().is_err());
}

#[test]
fn a_delay_is_there_in_both_directions() {
    let (_echo, proxy) = before_echo();
    let mut client = Client::connect(proxy.address()).unwrap();
    proxy.delay(Duration::from_millis(40));
    let start = now();
    client.ask(ApiKey::FETCH, 1).unwrap();
    assert!(start.elapsed() >= Duration::from_millis(80));
}

#[test]
fn who_comes_while_the_broker_is_down_is_closed() {
    let proxy = Proxy::start().unwrap();
    let mut client = Client::connect(proxy.address()).unwrap();
    assert!(client.ask(ApiKey::FETCH, 1).is_err());
}

#[test]
fn its_port_is_closed_with_it() {
    let (_echo, proxy) = before_echo();
    let address = proxy.address();
    let mut client = Client::connect(address).unwrap();
    client.ask(ApiKey::FETCH, 1).unwrap();
    drop(proxy);
    assert!(client.receive().is_err());
    until("nobody listens", || Client::connect(address).is_err());
}

fn before_echo() -> (Echo, Proxy) {
    let echo = Echo::start();
    let proxy = Proxy::to(echo.address).unwrap();
    (echo, proxy)
}
