//! Orders as a guest places them.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use linecook::{Running, settings::Sources};
use linecook_embedded::{EmbeddedLog, Options};
use linecook_log::{Clock, Log, SystemClock, Timestamp};

use crate::{
    http::Client,
    process::{Pizzeria, is_quiet, now, until},
};

#[test]
fn an_order_is_known_at_once_and_ready_soon() {
    let folder = tempfile::tempdir().unwrap();
    let pizzeria = Pizzeria::start(folder.path(), &[]);
    let (placing, asking) = (Client::new(&pizzeria.url), Client::new(&pizzeria.url));
    let mut times = Vec::new();
    for _ in 0..1000 {
        let began = now();
        let placed = placing.post("/order/2");
        assert_eq!(placed.status, 201);
        let location = placed.location.clone().unwrap();
        assert_eq!(location, format!("/order/{}", placed.json()["order_id"].as_str().unwrap()));
        assert_ne!(asking.get(&location).status, 404, "from another connection");
        until("the order is ready", || asking.get(&location).is_ready().then_some(()));
        times.push(began.elapsed());
    }
    times.sort();
    let (p50, p99) = (times[500], times[990]);
    println!("1,000 orders of 2, one after the other: ready after p50 {p50:?}, p99 {p99:?}");
    assert!(!is_quiet() || p99 <= Duration::from_millis(20), "p99 {p99:?}");
    pizzeria.stop();
}

#[test]
fn a_ready_order_has_every_pizza_once_in_order_of_number() {
    let folder = tempfile::tempdir().unwrap();
    let pizzeria = Pizzeria::start(folder.path(), &[]);
    let client = Client::new(&pizzeria.url);
    let location = client.post("/order/100").location.unwrap();
    let order =
        until("the order is ready", || Some(client.get(&location)).filter(super::http::Answer::is_ready)).json();
    let pizzas = order["pizzas"].as_array().unwrap();
    let numbers: Vec<_> = pizzas.iter().map(|pizza| pizza["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=100).collect::<Vec<_>>());
    for pizza in pizzas {
        assert_eq!(pizza["order_id"], order["id"]);
        for part in ["sauce", "cheese", "meats", "veggies"] {
            assert!(!pizza[part].as_str().unwrap().is_empty(), "{pizza}");
        }
    }
    let sauces: BTreeSet<_> = pizzas.iter().map(|pizza| pizza["sauce"].as_str().unwrap()).collect();
    assert!(sauces.len() > 3, "chance chooses: {sauces:?}");
    let report = client.get("/report").json();
    let counted: u64 = report.as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(counted, 100);
}

#[test]
fn the_largest_order_is_taken_and_made() {
    let folder = tempfile::tempdir().unwrap();
    let pizzeria = Pizzeria::start(folder.path(), &[]);
    let client = Client::new(&pizzeria.url);
    let location = client.post("/order/10000").location.unwrap();
    let order = until("the order is ready", || Some(client.get(&location)).filter(super::http::Answer::is_ready));
    assert_eq!(order.json()["pizzas"].as_array().unwrap().len(), 10_000);
}

#[test]
fn a_repeated_request_with_a_key_is_the_same_order_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let pizzeria = Pizzeria::start(folder.path(), &[]);
    let client = Client::new(&pizzeria.url);
    let placed = client.try_post("/order/3", Some("table 7")).unwrap();
    let again = client.try_post("/order/3", Some("table 7")).unwrap();
    assert_eq!((placed.status, again.status), (201, 201));
    assert_eq!(placed.location, again.location);
    let location = placed.location.unwrap();
    until("the order is ready", || client.get(&location).is_ready().then_some(()));
    let refused = client.try_post("/order/4", Some("table 7")).unwrap();
    assert_eq!(refused.status, 409);
    assert!(refused.problem().contains("count=3"), "{refused:?}");
    pizzeria.stop();

    let pizzeria = Pizzeria::start(folder.path(), &[]);
    let client = Client::new(&pizzeria.url);
    let again = client.try_post("/order/3", Some("table 7")).unwrap();
    assert_eq!(again.location, Some(location.clone()));
    assert_eq!(client.get(&location).json()["pizzas"].as_array().unwrap().len(), 3);
    let report = client.get("/report").json();
    let counted: u64 = report.as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(counted, 3, "nothing was made twice: {report}");
}

/// Whoever repeats a request with another count hears that it is another. That was so only once the table had the first:
/// until then both were acknowledged, and the second was never made.
#[test]
fn of_requests_with_one_key_and_different_counts_one_is_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let pizzeria = Pizzeria::start(folder.path(), &[]);
    let client = Client::new(&pizzeria.url);
    for time in 0..20 {
        let key = format!("one after the other {time}");
        let status = |count: u32| client.try_post(&format!("/order/{count}"), Some(&key)).unwrap().status;
        assert_eq!((status(1), status(5), status(1)), (201, 409, 201));
    }
    for time in 0..20 {
        let key = format!("at once {time}");
        let place = &|count: u32| Client::new(&pizzeria.url).try_post(&format!("/order/{count}"), Some(&key)).unwrap();
        let answers = std::thread::scope(|scope| {
            let at_once = [1, 2, 3].map(|count| scope.spawn(move || (count, place(count))));
            at_once.map(|answer| answer.join().unwrap())
        });
        let taken: Vec<_> = answers.iter().filter(|(_, answer)| answer.status == 201).collect();
        let [(count, answer)] = &taken[..] else { panic!("{answers:?}") };
        assert_eq!(client.get(answer.location.as_ref().unwrap()).json()["count"], *count);
        assert_eq!(answers.iter().filter(|(_, answer)| answer.status == 409).count(), 2, "{answers:?}");
    }
}

#[test]
fn orders_wait_for_a_service_that_is_away_and_complete_once_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let pizzeria = Pizzeria::start(folder.path(), &[]);
    let client = Client::new(&pizzeria.url);
    let before = client.post("/order/5").location.unwrap();
    until("the order is ready", || client.get(&before).is_ready().then_some(()));
    pizzeria.stop();

    let pizzeria = Pizzeria::start(folder.path(), &["--except", "cheese-service"]);
    assert!(pizzeria.screen.contains("not here cheese-service"), "{}", pizzeria.screen);
    let client = Client::new(&pizzeria.url);
    let waiting: Vec<_> = (0..20).map(|_| client.post("/order/7").location.unwrap()).collect();
    for location in &waiting {
        let order = client.get(location).json();
        assert_eq!((&order["status"], order["pizzas"].as_array().unwrap().len()), (&"baking".into(), 0));
    }
    let sum = |client: &Client| -> u64 {
        client.get("/report").json().as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum()
    };
    assert_eq!(sum(&client), 5, "the report answers");
    pizzeria.stop();

    let pizzeria = Pizzeria::start(folder.path(), &[]);
    let client = Client::new(&pizzeria.url);
    for location in &waiting {
        until("what has waited is ready", || client.get(location).is_ready().then_some(()));
    }
    until("the report adds up to the pizzas made", || (sum(&client) == 5 + 20 * 7).then_some(()));
    pizzeria.stop();
    crate::raw::Raw::read(folder.path()).check_each_pizza_once().unwrap();
}

#[test]
fn two_workers_share_a_service() {
    let folder = tempfile::tempdir().unwrap();
    let pizzeria = Pizzeria::start(folder.path(), &["--workers", "2"]);
    let client = Client::new(&pizzeria.url);
    until("each worker owns something", || (client.get("/readyz").status == 200).then_some(()));
    make_orders(&client);
    assert_eq!(client.get("/readyz").status, 200);
    assert_eq!(client.get("/healthz").status, 200);
    pizzeria.stop();
    crate::raw::Raw::read(folder.path()).check_each_pizza_once().unwrap();
}

/// Orders in every partition, made to the end.
fn make_orders(client: &Client) {
    let placed: Vec<_> = (0..20).map(|_| client.post("/order/7").location.unwrap()).collect();
    for location in &placed {
        until("the order is ready", || client.get(location).is_ready().then_some(()));
    }
}

/// A clock that goes on by itself and can be put forward.
#[derive(Debug)]
struct ForwardClock {
    clock: SystemClock,
    ahead_seconds: AtomicU64,
}

impl ForwardClock {
    fn put_forward(&self, seconds: u64) {
        self.ahead_seconds.fetch_add(seconds, Ordering::SeqCst);
    }

    fn ahead(&self) -> Duration {
        Duration::from_secs(self.ahead_seconds.load(Ordering::SeqCst))
    }
}

impl Clock for ForwardClock {
    fn timestamp(&self) -> Timestamp {
        self.clock.timestamp().plus(self.ahead())
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic() + self.ahead()
    }
}

/// Ten seconds after the start the first of two workers looked for expired rows, also in the partitions that the second
/// had taken over from it. It was fenced there, and tried again, and never polled again: `/readyz` said so at once,
/// `/healthz` after 30 seconds, and orders in its partitions waited for ever.
#[test]
fn two_workers_go_on_after_they_have_looked_for_expired_rows() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ForwardClock { clock: SystemClock::new(), ahead_seconds: AtomicU64::new(0) });
    let log: Arc<dyn Log> = Arc::new(EmbeddedLog::open(folder.path(), Options::default(), clock.clone()).unwrap());
    let flags = [("http-address", "127.0.0.1:0"), ("workers", "2")];
    let settings = Sources::new().with_flags(flags.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let pizzeria = Running::start(&pizzeria::program(), settings, log, clock.clone()).unwrap();
    let client = Client::new(&format!("http://{}", pizzeria.address()));
    until("each worker owns something", || (client.get("/readyz").status == 200).then_some(()));
    for seconds in [11, 35] {
        clock.put_forward(seconds);
        until("every worker has polled since", || (client.get("/healthz").status == 200).then_some(()));
        make_orders(&client);
        assert_eq!(client.get("/readyz").status, 200, "{}", client.get("/readyz").text);
    }
    pizzeria.stop().unwrap();
}

/// Its server let go of the log and of the port some time after it was gone: the next one found both taken.
#[test]
fn one_that_was_dropped_leaves_its_log_and_its_port() {
    let folder = tempfile::tempdir().unwrap();
    let mut address = "127.0.0.1:0".to_owned();
    for _ in 0..20 {
        let clock = Arc::new(SystemClock::new());
        let log = Arc::new(EmbeddedLog::open(folder.path(), Options::default(), clock.clone()).unwrap());
        let flags = [("http-address".to_owned(), address)];
        let pizzeria = Running::start(&pizzeria::program(), Sources::new().with_flags(flags), log, clock).unwrap();
        address = pizzeria.address().to_string();
        Client::new(&format!("http://{address}")).post("/order/2");
        drop(pizzeria);
    }
}
