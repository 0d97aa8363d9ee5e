//! Counts the cheeses of all pizzas: `pizza-with-cheese` in, `GET /report` out.

use std::{collections::BTreeMap, sync::Arc};

use linecook::{
    CountsReader, Definition, PartialCounts, Service,
    axum::{Json, Router, extract::State, routing::get},
    http::{Edge, Problem, blocking},
};
use pizzeria_events::PIZZA_WITH_CHEESE;
use serde::{Deserialize, Serialize};

/// How many pizzas have which cheese.
const CHEESE_COUNTS: PartialCounts<String> = PartialCounts::new("cheese-counts");

/// What is reported of a pizza; the rest of it is not even read.
#[derive(Serialize, Deserialize)]
struct Reported {
    cheese: String,
}

/// The cheese-reporter.
pub const SERVICE: Definition = Definition::new("cheese-reporter", 5001, build);

fn build(service: &mut Service) {
    service.count(CHEESE_COUNTS, PIZZA_WITH_CHEESE.read_as(), |pizza: Reported| pizza.cheese);
    service.http(routes);
}

fn routes(edge: &Edge) -> Router {
    Router::new().route("/report", get(report)).with_state(Arc::new(edge.counts(CHEESE_COUNTS)))
}

async fn report(State(counts): State<Arc<CountsReader<String>>>) -> Result<Json<BTreeMap<String, u64>>, Problem> {
    blocking(move || counts.totals()).await.map(Json)
}
