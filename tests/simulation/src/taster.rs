//! A service of the simulation's own: it tastes every finished pizza, which takes it some attempts and at times an operator, and counts
//! how often each order came, which no other does: to the pizzeria's own services a record that comes twice is as good as one that comes once.

use std::{sync::Arc, time::Duration};

use linecook::{
    Context, Definition, Failure, FailurePolicy, Service, Table, Topic,
    axum::{Json, Router, http::StatusCode, routing::get},
    http::{PathText, Problem, blocking},
};
use pizzeria_events::{ORDERS, Order, OrderId, PIZZA_WITH_VEGGIES, Pizza};

/// Pizzas that were tasted.
pub(crate) const TASTED: Topic<OrderId, Pizza> = Topic::new("pizza-tasted");
/// How often an order came.
const HEARD: Table<OrderId, u64> = Table::new("heard");
/// The number of the pizza of an order that was noted last.
const NOTED: Table<OrderId, u64> = Table::new("noted");

pub(crate) const SERVICE: Definition = Definition::new("taster", 5006, build);

fn build(service: &mut Service) {
    let policy = FailurePolicy::park().attempts(20).backoff(Duration::from_millis(20), Duration::from_millis(500));
    let tasted = service.stage(PIZZA_WITH_VEGGIES, TASTED, |pizza: Pizza, context| {
        fail_sometimes(context)?;
        Ok(pizza)
    });
    tasted.on_failure(policy);
    service.table(NOTED).on_failure(policy).fold(PIZZA_WITH_VEGGIES, |noted, pizza: Pizza, context| {
        fail_sometimes(context)?;
        let (before, number) = (noted.state().copied().unwrap_or(0), u64::from(pizza.number.unwrap_or(0)));
        if number != before + 1 {
            return Err(Failure::reject(format!("overtaken, or twice: before={before} number={number}")));
        }
        noted.put(number);
        Ok(())
    });
    service.table(HEARD).fold(ORDERS, |heard, _: Order, _| {
        heard.put(heard.state().copied().unwrap_or(0) + 1);
        Ok(())
    });
    service.http(|edge| {
        let heard = Arc::new(edge.table(HEARD));
        let show = async move |PathText(id): PathText| {
            let id: OrderId = id.parse().map_err(|_| Problem::new(StatusCode::NOT_FOUND, "no id"))?;
            let heard = Arc::clone(&heard);
            blocking(move || heard.get(&id)).await.map(|count| Json(count.unwrap_or(0)))
        };
        Router::new().route("/heard/{id}", get(show))
    });
}

/// Why a record fails, and waits for an operator.
pub(crate) const FAILED: &str = "tastes of nothing";
/// Why one is put off; it fails by that only if it is redriven too early, having been condemned before.
pub(crate) const PUT_OFF: &str = "not hungry yet";

/// One in four is put off, up to three times, and one in thirty fails: its key is parked until somebody redrives it. That is
/// the same however often it is tried.
fn fail_sometimes(context: &Context<'_>) -> Result<(), Failure> {
    let random = context.random();
    let attempt = u64::from(context.attempt());
    let failures = if random.below(4) == 0 { 1 + random.below(3) } else { 0 };
    match random.below(30) {
        0 if attempt == failures + 1 => Err(Failure::reject(FAILED)),
        _ if attempt <= failures => Err(Failure::retry(PUT_OFF)),
        _ => Ok(()),
    }
}
