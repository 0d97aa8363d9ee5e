//! Puts veggies on pizzas: `pizza-with-meats` in, `pizza-with-veggies` out.

use linecook::{Definition, Service, settings::Key};
use pizzeria_events::{PIZZA_WITH_MEATS, PIZZA_WITH_VEGGIES, Pizza, Toppings};

/// What there is, unless the settings say otherwise.
const MENU: &[&str] = &["tomato", "olives", "onions", "peppers", "pineapple", "mushrooms"];

/// The veggie-service.
pub const SERVICE: Definition = Definition::new("veggie-service", 5005, build);

fn build(service: &mut Service) {
    let toppings = service.setting(Key::new("menu", "what the veggie-service chooses from"), Toppings::of(MENU));
    service.stage(PIZZA_WITH_MEATS, PIZZA_WITH_VEGGIES, move |mut pizza: Pizza, context| {
        pizza.veggies = toppings.some(context.random());
        Ok(pizza)
    });
}
