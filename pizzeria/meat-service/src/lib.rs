//! Puts meats on pizzas: `pizza-with-cheese` in, `pizza-with-meats` out.

use linecook::{Definition, Service, settings::Key};
use pizzeria_events::{PIZZA_WITH_CHEESE, PIZZA_WITH_MEATS, Pizza, Toppings};

/// What there is, unless the settings say otherwise.
const MENU: &[&str] = &["pepperoni", "sausage", "ham", "anchovies", "salami", "bacon"];

/// The meat-service.
pub const SERVICE: Definition = Definition::new("meat-service", 5004, build);

fn build(service: &mut Service) {
    let toppings = service.setting(Key::new("menu", "what the meat-service chooses from"), Toppings::of(MENU));
    service.stage(PIZZA_WITH_CHEESE, PIZZA_WITH_MEATS, move |mut pizza: Pizza, context| {
        pizza.meats = toppings.some(context.random());
        Ok(pizza)
    });
}
