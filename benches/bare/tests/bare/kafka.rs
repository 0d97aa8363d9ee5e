//! The loop on a real broker.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::disallowed_methods, reason = "tests of processes run in real time")]

use std::{
    process::{Child, Command},
    time::{Duration, Instant},
};

use kafka_broker::{Broker, Options};
use rdkafka::{
    ClientConfig, Message as _,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
    producer::{BaseProducer, BaseRecord, Producer as _},
};

const PIZZAS: u32 = 200;
const WITHIN: Duration = Duration::from_secs(60);

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).unwrap();
    }
}

#[test]
fn each_pizza_gets_everything_once() {
    let broker = Broker::start(Options::default()).unwrap();
    let servers = broker.bootstrap_servers();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &servers);
    create_topics(&config);
    fill(&config);
    let mut command = Command::new(env!("CARGO_BIN_EXE_bare"));
    let _running = Killed(command.args(["kafka", "--bootstrap-servers", &servers]).spawn().unwrap());

    config.set("group.id", "test").set("auto.offset.reset", "earliest").set("isolation.level", "read_committed");
    let reader: BaseConsumer = config.create().unwrap();
    reader.subscribe(&["bare.pizza-with-veggies"]).unwrap();
    let (begin, mut numbers) = (Instant::now(), Vec::new());
    while numbers.len() < PIZZAS as usize {
        assert!(begin.elapsed() < WITHIN, "only {} have come out", numbers.len());
        let Some(record) = reader.poll(Duration::from_millis(100)) else { continue };
        let pizza: serde_json::Value = serde_json::from_slice(record.unwrap().payload().unwrap()).unwrap();
        assert!(["sauce", "cheese", "meats", "veggies"].iter().all(|field| pizza[field] != ""), "{pizza}");
        numbers.push(pizza["number"].as_u64().unwrap());
    }
    numbers.sort();
    assert_eq!(numbers, (0..PIZZAS.into()).collect::<Vec<u64>>());
}

fn create_topics(config: &ClientConfig) {
    let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
    let names = ["pizza", "pizza-with-sauce", "pizza-with-cheese", "pizza-with-meats", "pizza-with-veggies"];
    let names = names.map(|name| format!("bare.{name}"));
    let topics = names.each_ref().map(|name| NewTopic::new(name, 2, TopicReplication::Fixed(1)));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let created = runtime.block_on(admin.create_topics(&topics, &AdminOptions::new())).unwrap();
    created.into_iter().for_each(|topic| drop(topic.unwrap()));
}

fn fill(config: &ClientConfig) {
    let producer: BaseProducer = config.create().unwrap();
    for number in 0..PIZZAS {
        let order = (number / 10).to_string();
        let value =
            format!(r#"{{"order_id":"{order}","sauce":"","cheese":"","meats":"","veggies":"","number":{number}}}"#);
        let record = BaseRecord::to("bare.pizza").key(&order).payload(&value);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(WITHIN).unwrap();
}
