//! Takes orders over HTTP, expands each into its pizzas, and answers with those that are finished: `orders` and the
//! final topic in, `pizza` out.

mod api;
mod client;
mod finished;
mod orders;

use linecook::{Definition, Service, Topic, settings::Key};
use pizzeria_events::{ORDERS, OrderId, PIZZA_WITH_VEGGIES, Pizza};

use crate::orders::Limits;

/// The pizza-service.
pub const SERVICE: Definition = Definition::new("pizza-service", 5000, build)
    .with_example("curl -X POST {url}/order/2")
    .with_commands(&[client::ORDER]);

fn build(service: &mut Service) {
    let limits = Limits::from_settings(service);
    let final_topic =
        service.topic_setting(Key::new("final_topic", "where finished pizzas come from"), PIZZA_WITH_VEGGIES);
    orders::declare(service, limits, final_topic);
    service.produces(ORDERS);
    service.http(move |edge| api::routes(edge, limits));
}

/// The topic that pizzas come from when nothing more is put on them.
type FinalTopic = Topic<OrderId, Pizza>;
