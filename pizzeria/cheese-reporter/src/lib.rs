//! Counts the cheeses of all pizzas: `pizza-with-cheese` in, `GET /report` out.

use std::{collections::BTreeMap, sync::Arc};

use linecook::{
    CountsReader, Definition, PartialCounts, Service,
    axum::{Json, Router, extract::State, routing::get},
    http::{Edge, Problem, blocking},
};
use pizzeria_events::{PIZZA_WITH_CHEESE, Pizza};

/// How many pizzas have which cheese.
const CHEESE_COUNTS: PartialCounts<String> = PartialCounts::new("cheese-counts");

/// The cheese-reporter.
pub const SERVICE: Definition = Definition::new("cheese-reporter", 5001, build);

fn build(service: &mut Service) {
    service.count(CHEESE_COUNTS, PIZZA_WITH_CHEESE, |pizza: &Pizza| pizza.cheese.clone());
    service.http(routes);
}

fn routes(edge: &Edge) -> Router {
    Router::new().route("/report", get(report)).with_state(Arc::new(edge.counts(CHEESE_COUNTS)))
}

async fn report(State(counts): State<Arc<CountsReader<String>>>) -> Result<Json<BTreeMap<String, u64>>, Problem> {
    blocking(move || counts.totals()).await.map(Json)
}
