//! Counts the cheeses of all pizzas: `pizza-with-cheese` in, `GET /report` out.

use std::{collections::BTreeMap, sync::Arc};

use linecook::{
    CountsReader, Definition, PartialCounts, Service,
    axum::{Json, Router, extract::State, routing::get},
    http::{Edge, Problem, blocking},
};
use pizzeria_events::PIZZA_WITH_CHEESE;

/// How many pizzas have which cheese.
const CHEESE_COUNTS: PartialCounts<String> = PartialCounts::new("cheese-counts");

linecook::event! {
    /// What is reported of a pizza: whatever has a cheese is counted, whatever else there is of it.
    struct Reported {
        cheese: String,
        ..
    }
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

#[cfg(test)]
mod tests {
    use linecook::ServiceTrial;

    use super::*;

    /// What is no object is no pizza, although there is a text in it where a cheese would be.
    #[test]
    fn what_has_a_cheese_is_counted_and_nothing_else_is() {
        let mut service = ServiceTrial::new(&SERVICE);
        let counted = [r#"{"order_id":"7","sauce":"bbq","cheese":"extra","number":1}"#, r#"{"cheese":"extra"}"#];
        let refused =
            [r#"["extra"]"#, r#""extra""#, "{}", r#"{"cheese":null}"#, r#"{"cheese":"extra","number":}"#, "\u{e9}"];
        // Keys of their own: behind one that was refused others wait.
        for (key, json) in counted.iter().chain(&refused).enumerate() {
            service.send_bytes(&PIZZA_WITH_CHEESE, Some(key.to_string().as_bytes()), json.as_bytes());
        }
        assert_eq!(service.counts(CHEESE_COUNTS).totals().unwrap(), BTreeMap::from([("extra".to_owned(), 2)]));
        assert_eq!(service.take_dead_letters().len(), refused.len());
    }
}
