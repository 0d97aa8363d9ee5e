//! A client that computes the partitions of keys in another way takes the places of guest and service.

use std::{collections::BTreeMap, sync::Arc, thread, time::Duration};

use linecook::{Event, Program, Random, Running, settings::Sources};
use linecook_embedded::{EmbeddedLog, Options, fault::FaultyFiles, files::Files, inspect::Inspection};
use linecook_log::{
    BatchBuilder, Clock, GroupName, Header, Log, NewRecord, Offset, Origin, Partition, SystemClock, Ticket, Timestamp,
    TopicName, TopicPartition, TopicSpec, partition_of,
};
use pizzeria_events::{OrderId, Pizza};

use crate::{
    http::Client,
    power::{open_log, orders_in},
    process::{PATIENCE, now, until},
    raw::Raw,
};

const PARTITIONS: u32 = 3;
const ORDERS_MOVED: &str = "pizza-service.orders.repartition";
const PIZZAS_MOVED: &str = "pizza-service.pizza-with-veggies.repartition";

fn topic(name: &str) -> TopicName {
    TopicName::new(name).unwrap()
}

/// Appends a record to a partition that is none of our own writers' choice.
fn misplace(log: &dyn Log, to: &str, key: &str, value: &[u8]) -> Ticket {
    let service = GroupName::new("stranger").unwrap();
    let mut batch = BatchBuilder::new(&Origin { service, taken_at: Timestamp(0), attempt: 1, source: None }, 0);
    let headers = [Header { name: "client", value: b"another" }];
    let record =
        NewRecord { key: Some(key.as_bytes()), value: Some(value), timestamp: Timestamp(7), headers: &headers };
    batch.push(&record).unwrap();
    let partition = Partition((partition_of(key.as_bytes(), PARTITIONS).0 + 1) % PARTITIONS);
    log.append(&TopicPartition::new(&topic(to), partition), batch).unwrap()
}

fn misplace_order(log: &dyn Log, id: u128, count: u32) -> Ticket {
    misplace(log, "orders", &id.to_string(), format!(r#"{{"order_id": "{id}", "count": {count}}}"#).as_bytes())
}

fn start(program: &Program, log: &Arc<dyn Log>, clock: &Arc<SystemClock>) -> Running {
    let settings = Sources::new().with_flags([("http-address".to_owned(), "127.0.0.1:0".to_owned())]);
    Running::start(program, settings, Arc::clone(log), Arc::<SystemClock>::clone(clock)).unwrap()
}

fn client(pizzeria: &Running) -> Client {
    Client::new(&format!("http://{}", pizzeria.address()))
}

/// Waits for the order, and says that it has each of its pizzas.
fn check_order(client: &Client, id: u128, count: u32) {
    let path = format!("/order/{id}");
    let order = until("the order is ready", || Some(client.get(&path)).filter(super::http::Answer::is_ready)).json();
    let numbers: Vec<_> = order["pizzas"].as_array().unwrap().iter().map(|pizza| pizza["number"].clone()).collect();
    assert_eq!(numbers, (1..=count).collect::<Vec<_>>());
}

/// How many records of each key a topic has. Each lies in the partition of its key, as it was but for its place.
fn moved(inspection: &Inspection, name: &str) -> BTreeMap<String, u32> {
    let mut keys = BTreeMap::new();
    for record in inspection.records(&topic(name), None, Offset(0)).unwrap() {
        let record = record.unwrap();
        let key = record.key.unwrap();
        assert_eq!(partition_of(&key, PARTITIONS), record.partition);
        assert_eq!(record.timestamp, Timestamp(7));
        assert_eq!(record.headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["client"]);
        *keys.entry(String::from_utf8(key.to_vec()).unwrap()).or_default() += 1;
    }
    keys
}

/// A veggie-service of another kind: it puts nothing on, and its pizzas lie anywhere.
fn put_no_veggies(log: &dyn Log, clock: &dyn Clock, pizza_count: usize) {
    let mut next = [Offset(0); PARTITIONS as usize];
    let deadline = now() + PATIENCE;
    let mut made = 0;
    while made < pizza_count {
        assert!(now() < deadline, "pizzas without veggies: {made} of {pizza_count}");
        for partition in Partition::all(PARTITIONS) {
            let from = TopicPartition::new(&topic("pizza-with-meats"), partition);
            let position = &mut next[partition.0 as usize];
            for batch in log.read(&from, *position, 1 << 20).unwrap() {
                for record in batch.records_from(*position) {
                    let mut pizza = Pizza::decode(record.value.unwrap()).unwrap();
                    pizza.veggies = "none".to_owned();
                    let mut value = Vec::new();
                    pizza.encode(&mut value).unwrap();
                    let ticket = misplace(log, "pizza-with-veggies", &pizza.order_id.to_string(), &value);
                    ticket.wait(PATIENCE, clock).unwrap();
                    made += 1;
                }
                *position = batch.end();
            }
        }
    }
}

/// The topics of a program that was there before records were moved; new ones get as many partitions.
fn create_older_topics(log: &dyn Log) {
    let names = ["orders", "pizza", "pizza-with-meats", "pizza-with-veggies", "pizza-service.dead-letters"];
    log.create_topics(&names.map(|name| TopicSpec { name: topic(name), partition_count: PARTITIONS })).unwrap();
}

#[test]
fn orders_and_pizzas_that_another_client_has_misplaced_complete_once() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(SystemClock::new());
    let open = || -> Arc<dyn Log> {
        Arc::new(EmbeddedLog::open(folder.path(), Options::default(), Arc::<SystemClock>::clone(&clock)).unwrap())
    };
    let log = open();
    create_older_topics(&*log);
    let mut program = pizzeria::program();
    program.services.retain(|service| service.name != "veggie-service");
    let pizzeria = start(&program, &log, &clock);
    assert!(log.describe().unwrap().iter().all(|topic| topic.partitions.len() == PARTITIONS as usize));

    let ids = 1..=20;
    for id in ids.clone() {
        misplace_order(&*log, id, 5).wait(PATIENCE, &*clock).unwrap();
    }
    put_no_veggies(&*log, &*clock, 100);
    let guest = client(&pizzeria);
    ids.clone().for_each(|id| check_order(&guest, id, 5));
    for (topic, count) in [("orders", 20), ("pizza-with-veggies", 100)] {
        let line = format!(r#"linecook_records_moved_total{{service="pizza-service",topic="{topic}"}} {count}"#);
        until("all moves are counted", || guest.get("/metrics").text.contains(&line).then_some(()));
    }
    let page = guest.get("/metrics").text;
    assert!(!page.contains("pizzas_ignored_total"), "none came twice:\n{page}");
    pizzeria.stop().unwrap();

    let pizzeria = start(&program, &open(), &clock);
    let guest = client(&pizzeria);
    ids.clone().for_each(|id| check_order(&guest, id, 5));
    pizzeria.stop().unwrap();
    let inspection = Inspection::open(folder.path()).unwrap();
    Raw::of(&inspection).check_each_pizza_once().unwrap();
    let times = |count| ids.clone().map(|id| (id.to_string(), count)).collect::<BTreeMap<_, _>>();
    assert_eq!((moved(&inspection, ORDERS_MOVED), moved(&inspection, PIZZAS_MOVED)), (times(1), times(5)));
}

#[test]
fn misplaced_orders_are_moved_once_whenever_the_power_fails() {
    let clock = Arc::new(SystemClock::new());
    let seed: u64 = std::env::var("SEED").map_or_else(|_| u64::from(std::process::id()), |seed| seed.parse().unwrap());
    for seed in seed..seed + 10 {
        println!("SEED={seed}");
        let random = Random::seeded(seed);
        let folder = tempfile::tempdir().unwrap();
        let rows = folder.path().join("rows");
        let files = FaultyFiles::default();
        let log: Arc<dyn Log> = Arc::new(open_log(&files, &rows, &clock).unwrap());
        create_older_topics(&*log);
        let pizzeria = start(&pizzeria::program(), &log, &clock);
        let acknowledged = 1 + u128::from(random.below(200));
        for id in 1..=200 {
            let ticket = misplace_order(&*log, id, 2);
            if id == acknowledged {
                ticket.wait(PATIENCE, &*clock).unwrap();
            }
        }
        // The moment is what is random here: nothing is waited for.
        thread::sleep(Duration::from_micros(random.below(5_000)));
        let survived = files.power_cut(seed);
        drop(pizzeria.stop());

        let log: Arc<dyn Log> = Arc::new(open_log(&survived, &rows, &clock).unwrap());
        let orders = orders_in(&*log);
        assert!(
            (1..=acknowledged).all(|id| orders.contains(&OrderId::from_bits(id))),
            "{acknowledged} were acknowledged: {orders:?}"
        );
        let pizzeria = start(&pizzeria::program(), &log, &clock);
        let guest = client(&pizzeria);
        orders.iter().for_each(|id| check_order(&guest, id.bits(), 2));
        pizzeria.stop().unwrap();
        let files: Arc<dyn Files> = Arc::new(survived);
        let inspection = Inspection::open_with_files(&files).unwrap();
        Raw::of(&inspection).check_each_pizza_once().unwrap();
        assert_eq!(moved(&inspection, ORDERS_MOVED), orders.iter().map(|id| (id.to_string(), 1)).collect());
    }
}
