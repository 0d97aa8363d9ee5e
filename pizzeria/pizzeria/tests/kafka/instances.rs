//! Processes of one service: two that share its work, one that does not come back, and two with one name.

use std::time::Duration;

use kafka_broker::Options;

use crate::{
    audit::Guests,
    kitchen::{Kitchen, broker},
    process::{now, until},
    python::{foreign, printed},
    watcher::Watcher,
};

/// The one that was there first had to give partitions up in the middle of its work. Now and then the other never got
/// them, nobody worked on them, and all looked well.
#[test]
fn two_that_start_together_share_what_is_waiting() {
    let broker = broker(Options::default());
    let servers = broker.bootstrap_servers();
    printed(foreign("topics", &servers, &["orders=4", "pizza=4", "pizza-with-sauce=4"]));
    printed(foreign("fill", &servers, &["200", "100"]));
    let watcher = Watcher::start(&broker, &["pizza-with-sauce"]);
    let kitchen = Kitchen::empty(&servers);
    let mut both = ["one", "other"].map(|name| kitchen.start_another("sauce-service", name, &["--instance", name]));
    until("all have sauce", || (watcher.count("pizza-with-sauce") >= 20_000).then_some(()));
    both.iter().for_each(|instance| instance.until_ready());
    both.iter_mut().for_each(|instance| instance.stop());
}

#[test]
fn one_that_does_not_come_back_is_replaced_by_another() {
    let broker = broker(Options::default());
    let mut kitchen = Kitchen::open(&broker.bootstrap_servers());
    let watcher = Watcher::start(&broker, &["pizza-with-cheese"]);
    let guests = Guests::start(1, &kitchen.url());
    until("there is load", || (watcher.count("pizza-with-cheese") > 20).then_some(()));
    kitchen.take("cheese-service").kill();
    let died = now();
    let before = watcher.count("pizza-with-cheese");
    let mut other = kitchen.start_another("cheese-service", "other-cheese", &["--instance", "other"]);
    let seen = until("it takes over", || {
        // More than what was on its way.
        watcher.seen("pizza-with-cheese").filter(|seen| seen.count > before && (seen.last - died).as_millis() > 1000)
    });
    let took = seen.last - died;
    println!("replaced {} ms after its death", took.as_millis());
    assert!(took < Duration::from_secs(35), "{took:?}");
    kitchen.check(&guests.stop(), &broker);
    other.stop();
    kitchen.close();
}

#[test]
fn of_two_with_one_name_the_older_ends_and_says_why() {
    let broker = broker(Options::default());
    let kitchen = Kitchen::empty(&broker.bootstrap_servers());
    let mut older = kitchen.start_another("sauce-service", "older", &["--instance", "twin"]);
    older.until_ready();
    let mut younger = kitchen.start_another("sauce-service", "younger", &["--instance", "twin"]);
    assert_eq!(older.wait().code(), Some(3), "{}", older.printed());
    let told = older.printed();
    assert!(told.contains("two processes need names of their own: --instance"), "{told}");
    younger.until_ready();
    assert!(younger.is_running());
    younger.stop();
}
