//! Puts sauce on pizzas: `pizza` in, `pizza-with-sauce` out.

use linecook::{Definition, Service, settings::Key};
use pizzeria_events::{Menu, PIZZA, PIZZA_WITH_SAUCE, Pizza};

/// What there is, unless the settings say otherwise.
const MENU: &[&str] = &["regular", "light", "extra", "alfredo", "bbq", "none"];

/// The sauce-service.
pub const SERVICE: Definition = Definition::new("sauce-service", 5002, build);

fn build(service: &mut Service) {
    let menu = service.setting(Key::new("menu", "what the sauce-service chooses from"), Menu::of(MENU));
    service.stage(PIZZA, PIZZA_WITH_SAUCE, move |mut pizza: Pizza, context| {
        pizza.sauce = menu.one(context.random()).to_owned();
        Ok(pizza)
    });
}
