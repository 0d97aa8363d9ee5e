//! A real broker, by itself and behind a proxy.

use std::{path::Path, time::Duration};

use kafka_broker::{ApiKey, Broker, Controller, ErrorKind, Options, Proxy};

use crate::client::{TOPIC_EXISTS, advertised_port, answers_within, create_topic};

#[test]
fn it_does_what_it_is_asked_as_soon_as_it_is_there() {
    let broker = Broker::start(Options::default()).unwrap();
    assert_eq!(create_topic(&broker.bootstrap_servers(), "orders").unwrap(), 0);
}

#[test]
fn what_it_knows_survives_a_stop_and_a_kill() {
    let broker = Broker::start(Options::default()).unwrap();
    let servers = broker.bootstrap_servers();
    assert_eq!(create_topic(&servers, "before-stop").unwrap(), 0);
    broker.stop().unwrap();
    assert!(!broker.is_running());
    assert!(!answers_within(&servers, Duration::from_secs(1)));
    broker.restart().unwrap();
    assert_eq!(create_topic(&servers, "before-stop").unwrap(), TOPIC_EXISTS);
    assert_eq!(create_topic(&servers, "before-kill").unwrap(), 0);
    broker.kill();
    assert!(!broker.is_running());
    broker.restart().unwrap();
    assert_eq!(create_topic(&servers, "before-kill").unwrap(), TOPIC_EXISTS);
}

/// A broker that was killed takes itself for the leader of all it had for as long as its controller counts it as there.
/// With its controller inside it did so at every restart.
#[test]
fn one_with_its_controller_apart_comes_back_as_one_that_was_away() {
    let broker = Broker::start(Options::default().controller(Controller::Apart)).unwrap();
    let servers = broker.bootstrap_servers();
    assert_eq!(create_topic(&servers, "before-kill").unwrap(), 0);
    broker.kill();
    broker.restart().unwrap();
    assert_eq!(create_topic(&servers, "before-kill").unwrap(), TOPIC_EXISTS);
    let log = broker.log();
    assert!(!log.contains("DUPLICATE_BROKER_REGISTRATION"), "{log}");
    broker.stop().unwrap();
    broker.restart().unwrap();
    assert_eq!(create_topic(&servers, "before-kill").unwrap(), TOPIC_EXISTS);
}

#[test]
fn while_it_is_paused_it_says_nothing() {
    let broker = Broker::start(Options::default()).unwrap();
    let servers = broker.bootstrap_servers();
    broker.pause().unwrap();
    assert!(!answers_within(&servers, Duration::from_millis(500)));
    broker.resume().unwrap();
    assert!(answers_within(&servers, crate::PATIENCE));
    broker.pause().unwrap();
    broker.stop().unwrap(); // it can be stopped as it is
}

#[test]
fn its_process_and_its_folder_go_with_it() {
    let broker = Broker::start(Options::default()).unwrap();
    let process = format!("/proc/{}", broker.process_id().unwrap());
    let folder = broker.folder().to_owned();
    assert!(Path::new(&process).exists() && folder.exists());
    drop(broker);
    assert!(!Path::new(&process).exists() && !folder.exists());
}

/// It wrote over the settings of the one that ran there, which ended soon after.
#[test]
fn a_folder_that_another_uses_is_refused_and_the_other_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(Options::default().data(folder.path())).unwrap();
    let error = Broker::start(Options::default().data(folder.path())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Setup);
    assert_eq!(error.to_string(), format!("another broker uses that folder: folder={}", folder.path().display()));
    assert!(answers_within(&broker.bootstrap_servers(), crate::PATIENCE));
}

#[test]
fn one_that_does_not_start_says_what_it_logged() {
    let error = Broker::start(Options::default().property("num.io.threads", "many")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Failed);
    let message = error.to_string();
    assert!(message.starts_with("the broker ended with exit status: 1, log="), "{message}");
    assert!(message.contains("Invalid value many for configuration num.io.threads"), "{message}");
}

#[test]
fn clients_that_come_through_the_proxy_stay_with_it() {
    let proxy = Proxy::start().unwrap();
    let broker = Broker::start(Options::default().behind(&proxy)).unwrap();
    assert_eq!(advertised_port(&proxy.bootstrap_servers()), i32::from(proxy.address().port()));
    assert_eq!(format!("127.0.0.1:{}", advertised_port(&broker.bootstrap_servers())), broker.bootstrap_servers());
}

#[test]
fn a_request_is_cut_before_a_reply_after_it_was_done() {
    let proxy = Proxy::start().unwrap();
    let broker = Broker::start(Options::default().behind(&proxy)).unwrap();
    let (past, through) = (broker.bootstrap_servers(), proxy.bootstrap_servers());
    let cut = proxy.cut_requests(ApiKey::CREATE_TOPICS, 1);
    create_topic(&through, "never-asked-for").unwrap_err();
    assert_eq!(cut.count(), 1);
    assert_eq!(create_topic(&past, "never-asked-for").unwrap(), 0);
    let cut = proxy.cut_replies(ApiKey::CREATE_TOPICS, 1);
    create_topic(&through, "never-heard-of").unwrap_err();
    assert_eq!(cut.count(), 1);
    assert_eq!(create_topic(&past, "never-heard-of").unwrap(), TOPIC_EXISTS);
    assert_eq!(create_topic(&through, "heard-of").unwrap(), 0);
}

#[test]
fn all_tests_of_a_process_have_the_same_one() {
    let first = Broker::shared().unwrap();
    assert_eq!(first.bootstrap_servers(), Broker::shared().unwrap().bootstrap_servers());
    assert!(answers_within(first.bootstrap_servers(), crate::PATIENCE));
}
