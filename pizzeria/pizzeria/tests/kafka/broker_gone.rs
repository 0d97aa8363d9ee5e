//! The broker is away: at the start, for a while, or behind a connection that is cut.

use std::{thread, time::Duration};

use kafka_broker::{Broker, Controller, Options, Proxy};

use crate::{
    audit::Guests,
    http::Client,
    kitchen::{Kitchen, SERVICES, broker, place, until_made},
    process::{now, until},
    soak,
};

/// How long the connection is cut. A session is over after 10 s, and so is a transaction.
fn outage() -> Duration {
    Duration::from_secs(std::env::var("OUTAGE_SECONDS").map_or(12, |seconds| seconds.parse().unwrap()))
}

#[test]
fn a_broker_that_is_restarted_under_load_costs_nothing() {
    for _ in soak::rounds() {
        let broker = broker(Options::default().controller(Controller::Apart));
        let mut kitchen = Kitchen::open(&broker.bootstrap_servers());
        let guests = Guests::start(2, &kitchen.url());
        until("there is load", || (guests.acknowledged_count() > 20).then_some(()));
        broker.stop().unwrap();
        thread::sleep(Duration::from_secs(2));
        broker.restart().unwrap();
        goes_on(&mut kitchen, guests, &broker);
    }
}

#[test]
fn a_broker_that_is_killed_under_load_costs_nothing() {
    for _ in soak::rounds() {
        let broker = broker(Options::default().controller(Controller::Apart));
        let mut kitchen = Kitchen::open(&broker.bootstrap_servers());
        let guests = Guests::start(2, &kitchen.url());
        until("there is load", || (guests.acknowledged_count() > 20).then_some(()));
        broker.kill();
        broker.restart().unwrap();
        goes_on(&mut kitchen, guests, &broker);
    }
}

#[test]
fn while_no_broker_is_reached_what_is_known_is_shown_and_afterwards_all_go_on() {
    for _ in soak::rounds() {
        let proxy = Proxy::start().unwrap();
        let broker = broker(Options::default().behind(&proxy));
        let mut kitchen = Kitchen::open(&proxy.bootstrap_servers());
        let client = kitchen.client("pizza-service");
        let known = place(&client, 3);
        until_made(&client, &known);
        let guests = Guests::start(2, &kitchen.url());
        until("there is load", || (guests.acknowledged_count() > 20).then_some(()));
        proxy.shut();
        let shut = now();
        until("it is not ready", || client.try_get("/readyz").filter(|answer| answer.status == 503));
        while shut.elapsed() < outage() {
            shows_what_is_known(&client, &known);
            for (service, _) in SERVICES {
                let client = kitchen.client(service);
                assert_eq!(client.get("/healthz").status, 200, "{service}: {:?}", client.get("/healthz"));
                let unready = client.get("/readyz");
                assert_eq!(unready.status, 503, "{service}: {unready:?}");
                assert!(unready.text.contains("no broker answers"), "{service}: {unready:?}");
            }
            thread::sleep(Duration::from_millis(200));
        }
        proxy.let_in();
        goes_on(&mut kitchen, guests, &broker);
    }
}

/// A POST is refused soon, and says what became of it.
fn shows_what_is_known(client: &Client, known: &str) {
    let shown = client.get(known);
    assert!(shown.is_ready(), "{shown:?}");
    let began = now();
    let refused = client.post("/order/1");
    let took = began.elapsed();
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(took < Duration::from_millis(5500), "{took:?}: {refused:?}");
    assert!(refused.retry_after.is_some(), "{refused:?}");
    let problem = refused.problem();
    assert!(problem.contains("nothing was stored") || problem.contains("is not known"), "{problem}");
}

/// No process has ended, all are ready, and what guests were told is so.
fn goes_on(kitchen: &mut Kitchen, guests: Guests, broker: &Broker) {
    let before = guests.acknowledged_count();
    until("orders are taken again", || {
        assert_eq!(kitchen.ended(), <[String; 0]>::default(), "no process has ended");
        (guests.acknowledged_count() > before + 5).then_some(())
    });
    kitchen.until_ready();
    assert_eq!(kitchen.ended(), <[String; 0]>::default(), "no process has ended");
    kitchen.check(&guests.stop(), broker);
}

#[test]
fn started_before_the_broker_they_wait_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let servers = {
        let first = broker(Options::default().data(folder.path()));
        first.bootstrap_servers()
    };
    let mut kitchen = Kitchen::empty(&servers);
    kitchen.start_all();
    for (service, _) in SERVICES {
        let instance = kitchen.instance(service);
        instance.line_with("the log cannot be used yet");
        let client = instance.client();
        assert_eq!(client.get("/healthz").status, 200);
        assert!(client.get("/readyz").text.contains("the services are still starting"));
    }
    let port = servers.rsplit(':').next().unwrap().parse().unwrap();
    let _broker = broker(Options::default().data(folder.path()).port(port));
    kitchen.until_ready();
    kitchen.serve([1, 2, 3]);
    assert_eq!(kitchen.ended(), <[String; 0]>::default(), "no process has ended");
    kitchen.close();
}
