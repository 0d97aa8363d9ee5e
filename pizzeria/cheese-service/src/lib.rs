//! Puts cheese on pizzas: `pizza-with-sauce` in, `pizza-with-cheese` out.

use linecook::{Definition, Service, settings::Key};
use pizzeria_events::{Menu, PIZZA_WITH_CHEESE, PIZZA_WITH_SAUCE, Pizza};

/// What there is, unless the settings say otherwise.
const MENU: &[&str] = &["extra", "none", "three cheese", "goat cheese"];

/// The cheese-service.
pub const SERVICE: Definition = Definition::new("cheese-service", 5003, build);

fn build(service: &mut Service) {
    let menu = service.setting(Key::new("menu", "what the cheese-service chooses from"), Menu::of(MENU));
    service.stage(PIZZA_WITH_SAUCE, PIZZA_WITH_CHEESE, move |mut pizza: Pizza, context| {
        pizza.cheese = menu.one(context.random()).to_owned();
        Ok(pizza)
    });
}
