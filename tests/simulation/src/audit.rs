//! What has to be so in the end.

use std::{collections::BTreeMap, sync::Arc};

use linecook::{
    Event, Service,
    axum::{
        Router,
        body::{Body, to_bytes},
        http::Request,
    },
    http::operator_routes,
};
use linecook_log::{Clock, Log, Offset, Partition, Record, TopicName, TopicPartition};
use pizzeria_events::{Order, PIZZA, PIZZA_WITH_CHEESE, PIZZA_WITH_MEATS, PIZZA_WITH_SAUCE, PIZZA_WITH_VEGGIES, Pizza};
use serde_json::Value;
use tokio::runtime::{self, Runtime};
use tower_service::Service as _;

use crate::{
    guests::Guests,
    taster::{self, TASTED},
};

/// Who looks at what has come of everything.
pub(crate) struct Auditor<'a> {
    pub(crate) log: &'a Arc<dyn Log>,
    pub(crate) clock: &'a Arc<dyn Clock>,
    pub(crate) services: &'a [Arc<Service>],
    pub(crate) partitions: u32,
    pub(crate) guests: &'a Guests,
}

type Found = Result<(), String>;

fn promise(is_kept: bool, broken: impl FnOnce() -> String) -> Found {
    if is_kept { Ok(()) } else { Err(broken()) }
}

impl Auditor<'_> {
    /// # Errors
    /// What is not as it must be.
    pub(crate) fn check(&self) -> Found {
        let orders = self.orders();
        for (id, ordered) in self.guests.orders() {
            let is_there = !ordered.is_acknowledged || orders.contains_key(id);
            promise(is_there, || format!("an order was acknowledged and is gone: id={id}"))?;
        }
        self.check_read()?;
        let topics = [PIZZA, PIZZA_WITH_SAUCE, PIZZA_WITH_CHEESE, PIZZA_WITH_MEATS, PIZZA_WITH_VEGGIES, TASTED];
        for topic in topics.map(|topic| topic.name().to_owned()) {
            self.check_pizzas(&topic, &orders)?;
        }
        for service in self.services {
            let reasons = self.reasons(&format!("{}.dead-letters", service.name()));
            let has_ended = reasons.iter().any(|reason| reason == ENDED);
            let is_tasters = |reason: &str| reason == taster::FAILED || (reason == taster::PUT_OFF && has_ended);
            // Whose process was killed again and again at one record may take that for what has killed it.
            let is_odd = |reason: &&String| {
                *reason != ENDED && !(service.name().as_str() == "taster" && is_tasters(reason.as_str()))
            };
            let odd: Vec<_> = reasons.iter().filter(is_odd).collect();
            promise(odd.is_empty(), || format!("{} has dead letters: {odd:?}", service.name()))?;
        }
        let runtime =
            runtime::Builder::new_current_thread().enable_time().build().map_err(|error| error.to_string())?;
        self.check_answers(&runtime, &orders)?;
        self.check_heard(&runtime)?;
        self.check_report(&runtime)
    }

    /// Each group has read all there is.
    fn check_read(&self) -> Found {
        let topics = self.log.describe().map_err(|error| error.to_string())?;
        for group in self.log.groups().map_err(|error| error.to_string())? {
            for (at, offset) in group.offsets {
                let topic = topics.iter().find(|topic| topic.name == at.topic);
                let end = topic.and_then(|topic| topic.partition(at.partition)).map(|partition| partition.end);
                promise(end == Some(offset), || format!("{} has read {at} up to {offset} of {end:?}", group.name))?;
            }
        }
        Ok(())
    }

    /// How many pizzas each order has: its first record counts.
    fn orders(&self) -> BTreeMap<u128, u32> {
        let orders = self.values("orders").into_iter().map(|value| Order::decode(&value).expect("guests write orders"));
        orders.fold(BTreeMap::new(), |mut all, order| {
            all.entry(order.order_id.bits()).or_insert(order.count);
            all
        })
    }

    /// Each pizza once, and those of an order in the order of their numbers.
    fn check_pizzas(&self, topic: &str, orders: &BTreeMap<u128, u32>) -> Found {
        let mut numbers = BTreeMap::<u128, Vec<u32>>::new();
        for value in self.values(topic) {
            let pizza = Pizza::decode(&value).map_err(|error| format!("no pizza in {topic}: {error}"))?;
            numbers.entry(pizza.order_id.bits()).or_default().push(pizza.number.unwrap_or(0));
        }
        for (id, count) in orders {
            let of_order = numbers.remove(id).unwrap_or_default();
            let expected: Vec<_> = (1..=*count).collect();
            promise(of_order == expected, || format!("pizzas in {topic} of order {id}: {of_order:?} of {count}"))?;
        }
        promise(numbers.is_empty(), || format!("pizzas in {topic} that nobody has ordered: {numbers:?}"))
    }

    /// What a guest is shown.
    fn check_answers(&self, runtime: &Runtime, orders: &BTreeMap<u128, u32>) -> Found {
        let mut router = self.router("pizza-service")?;
        for (id, count) in orders {
            let order = get(runtime, &mut router, &format!("/order/{id}"))?;
            let pizzas = order["pizzas"].as_array().map_or(0, Vec::len);
            let is_ready = order["status"] == "ready" && pizzas == *count as usize;
            promise(is_ready, || format!("an order is not ready: {order}"))?;
        }
        Ok(())
    }

    /// Each record of an order was folded once.
    fn check_heard(&self, runtime: &Runtime) -> Found {
        let mut router = self.router("taster")?;
        let mut times = BTreeMap::<String, u64>::new();
        for key in self.records("orders", |record| String::from_utf8_lossy(record.key.unwrap_or_default()).into_owned())
        {
            *times.entry(key).or_default() += 1;
        }
        for (id, times) in times {
            let heard = get(runtime, &mut router, &format!("/heard/{id}"))?;
            promise(heard == times, || format!("order {id} came {times} times, and was folded {heard} times"))?;
        }
        Ok(())
    }

    fn check_report(&self, runtime: &Runtime) -> Found {
        let mut counted = BTreeMap::<String, u64>::new();
        for value in self.values(PIZZA_WITH_CHEESE.name()) {
            let pizza = Pizza::decode(&value).map_err(|error| error.to_string())?;
            *counted.entry(pizza.cheese).or_default() += 1;
        }
        let report = get(runtime, &mut self.router("cheese-reporter")?, "/report")?;
        let reported: BTreeMap<String, u64> = serde_json::from_value(report).map_err(|error| error.to_string())?;
        promise(reported == counted, || format!("the report has {reported:?}, and there are {counted:?}"))
    }

    fn router(&self, name: &str) -> Result<Router, String> {
        let service = self.services.iter().find(|service| service.name().as_str() == name);
        service.expect("it is one of the pizzeria's").router(self.log, self.clock).map_err(|error| error.to_string())
    }

    /// The values of a topic, partition by partition.
    fn values(&self, topic: &str) -> Vec<Vec<u8>> {
        self.records(topic, |record| record.value.unwrap_or_default().to_vec())
    }

    /// Why the records of a topic of dead letters have failed.
    fn reasons(&self, topic: &str) -> Vec<String> {
        self.records(topic, |record| {
            String::from_utf8_lossy(record.headers.value_of("linecook-reason").unwrap_or_default()).into_owned()
        })
    }

    fn records<T>(&self, topic: &str, read: impl Fn(Record<'_>) -> T) -> Vec<T> {
        let topic = TopicName::new(topic).expect("this is a name");
        let of_partition = |partition| {
            let at = TopicPartition::new(&topic, partition);
            let batches = self.log.read(&at, Offset(0), usize::MAX).expect("it is there");
            batches.iter().flat_map(|batch| batch.records().map(&read).collect::<Vec<_>>()).collect::<Vec<_>>()
        };
        Partition::all(self.partitions).flat_map(of_partition).collect()
    }
}

/// Why a record was left out that was begun again and again by processes which then have died.
const ENDED: &str = "it was begun again and again, and each time its process has ended, or lost its partition";

/// Lets all keys go on that are parked. Returns their first records, and why they had failed.
///
/// # Errors
/// What the answer says.
pub(crate) fn redrive_all(
    log: Arc<dyn Log>,
    clock: Arc<dyn Clock>,
    services: &[Arc<Service>],
) -> Result<Vec<String>, String> {
    let runtime = runtime::Builder::new_current_thread().enable_time().build().map_err(|error| error.to_string())?;
    let mut router = operator_routes(log, clock, services.to_vec());
    let request = Request::post("/dead-letters/redrive").body(Body::from(r#"{"all":true}"#));
    let answer = ask(&runtime, &mut router, request.map_err(|error| error.to_string())?)?;
    let letters = answer["letters"].as_array().ok_or_else(|| format!("it is not redriven: {answer}"))?;
    let told = |letter: &Value| format!("{} after {}: {}", letter["id"], letter["attempts"], letter["reason"]);
    Ok(letters.iter().map(told).collect())
}

fn get(runtime: &Runtime, router: &mut Router, path: &str) -> Result<Value, String> {
    ask(runtime, router, Request::get(path).body(Body::empty()).map_err(|error| error.to_string())?)
}

fn ask(runtime: &Runtime, router: &mut Router, request: Request<Body>) -> Result<Value, String> {
    let body = runtime.block_on(async {
        let answer = router.call(request).await.unwrap_or_else(|never| match never {});
        to_bytes(answer.into_body(), usize::MAX).await.map_err(|error| error.to_string())
    })?;
    serde_json::from_slice(&body).map_err(|error| error.to_string())
}
