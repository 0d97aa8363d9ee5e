//! Pizzas that were there before anybody came: four stages as processes work them off, are killed on the way, and share
//! their work with others who come and go.

use std::time::Duration;

use kafka_broker::{Options, Tuning};

use crate::{
    kitchen::{Kitchen, STAGES, broker, raw},
    process::{now, until_within},
    python::{foreign, printed},
    raw::PIZZA_TOPICS,
    watcher::Watcher,
};

const PIZZAS_AN_ORDER: u64 = 100;
const LAST: &str = "pizza-with-veggies";

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |given| given.parse().unwrap())
}

#[test]
fn killed_and_rebalanced_on_the_way_each_pizza_comes_out_once() {
    let (pizzas, kills) = (number("DRAIN_PIZZAS", 20_000), number("DRAIN_KILLS", 2));
    let seed = number("SEED", u64::from(std::process::id()));
    println!("pizzas={pizzas} kills={kills} SEED={seed}");
    let random = linecook::Random::seeded(seed);
    let broker = broker(Options::default().tuning(Tuning::Throughput));
    let servers = broker.bootstrap_servers();
    let topics = ["orders"].into_iter().chain(PIZZA_TOPICS).map(|topic| format!("{topic}=4"));
    printed(foreign("topics", &servers, &topics.collect::<Vec<_>>()));
    let orders = [pizzas / PIZZAS_AN_ORDER, PIZZAS_AN_ORDER].map(|number| number.to_string());
    printed(foreign("fill", &servers, &orders));
    let watcher = Watcher::start(&broker, &PIZZA_TOPICS);
    let mut kitchen = Kitchen::empty(&servers);
    let began = now();
    STAGES.iter().for_each(|stage| kitchen.start(stage));
    let until_made = |count: u64| {
        let patience = Duration::from_secs(120);
        until_within(patience, "pizzas are finished", || (watcher.count(LAST) >= count).then_some(()));
    };
    // It joins, which is one rebalance, and leaves in the middle, which is another.
    let joining = *random.choose(&STAGES);
    let mut second = kitchen.start_another(joining, "second", &["--instance", "second"]);
    for kill in 1..=kills {
        until_made(pizzas * kill / (kills + 2));
        let stage = *random.choose(&STAGES);
        println!("{} finished: {stage} is killed", watcher.count(LAST));
        kitchen.instance(stage).kill();
        kitchen.instance(stage).start_again();
    }
    until_made(pizzas * (kills + 1) / (kills + 2));
    println!("{} finished: the second {joining} leaves", watcher.count(LAST));
    second.until_ready(); // or it was never there
    second.stop();
    until_made(pizzas);
    let took = began.elapsed();
    println!("{pizzas} pizzas in {:.1} s", took.as_secs_f64());
    raw(&broker).check_each_pizza_once().unwrap();
    kitchen.close();
}
