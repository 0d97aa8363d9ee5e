//! Whole services on the embedded log: what linecook adds to it, and what a loop by hand would take that does the same.

use std::sync::Arc;

use linecook::{Definition, Event as _, Metrics, Random, Seat, Step, Topology, Worker, settings::Settings};
use linecook_log::{Clock, InstanceName, Log, NewRecord, Partition, SystemClock, TopicPartition};
use pizzeria_events::{Menu, PIZZA, PIZZA_WITH_CHEESE, PIZZA_WITH_SAUCE, Pizza};
use prometheus_client::registry::Registry;

use super::{
    batches::pizzas,
    embedded::{TemporaryLog, batch_for, commit, drain, topic},
};
use crate::Work;

/// The sauce-service.
pub(super) fn stage(records: u32) -> Work {
    worker(&sauce_service::SERVICE, PIZZA.name(), records)
}

/// The cheese-reporter, which counts.
pub(super) fn table(records: u32) -> Work {
    worker(&cheese_reporter::SERVICE, PIZZA_WITH_CHEESE.name(), records)
}

fn worker(definition: &Definition, input: &str, records: u32) -> Work {
    let service = Arc::new(definition.service(&mut Settings::default()).expect("it is a service"));
    let topology = Topology::of([&*service]).expect("one service fits together with itself");
    let log = TemporaryLog::with_topics(&[]);
    log.log.create_topics(&topology.topic_specs(1)).expect("new topics");
    log.log.declare_groups(&topology.group_specs()).expect("a new group");
    log.fill(&topic(input), &pizzas(records));
    let seat = Seat {
        instance: InstanceName::new("micro").expect("a name"),
        worker: 0,
        max_silence: std::time::Duration::from_secs(60),
    };
    let metrics = Metrics::new(&mut Registry::default());
    let (as_log, clock): (Arc<dyn Log>, Arc<dyn Clock>) = (Arc::clone(&log.log) as _, Arc::new(SystemClock::default()));
    let mut worker = Worker::new(service, as_log, clock, seat, &metrics);
    Box::new(move || {
        let mut left = records as usize;
        while left > 0 {
            if let Step::Committed { record_count } = worker.step().expect("nothing is in its way") {
                left -= record_count;
            }
        }
        Box::new((worker, log))
    })
}

/// What the sauce-service does, by hand: no parking, metrics, health, retries, or limits.
pub(super) fn stage_by_hand(records: u32) -> Work {
    let (from, to) = (topic(PIZZA.name()), topic(PIZZA_WITH_SAUCE.name()));
    let log = TemporaryLog::with_topics(&[&from, &to]);
    log.fill(&from, &pizzas(records));
    let mut member = log.member(&from);
    let to = TopicPartition::new(&to, Partition(0));
    let menu = Menu::of(&["regular", "light", "extra", "alfredo", "bbq", "none"]);
    Box::new(move || {
        let mut value = Vec::new();
        drain(&mut *member, records, |member, fetches| {
            let mut batch = batch_for(fetches);
            for record in fetches.iter().flat_map(|fetch| fetch.batch.records_from(fetch.position)) {
                let mut pizza = Pizza::decode(record.value.expect("a pizza")).expect("a pizza");
                pizza.sauce = menu.one(&Random::seeded(record.offset.0)).to_owned();
                value.clear();
                pizza.encode(&mut value).expect("a pizza can be written");
                let (key, value, timestamp) = (record.key, Some(&value[..]), record.timestamp);
                batch.push(&NewRecord { key, value, timestamp, headers: &[] }).expect("no headers");
            }
            commit(member, fetches, &to, batch);
        });
        Box::new((member, log))
    })
}
