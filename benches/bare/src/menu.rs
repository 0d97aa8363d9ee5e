//! What is chosen, so that pizzas differ as they do in the product: what repeats itself compresses too well.

use crate::random::Random;

const SAUCES: &[&str] = &["regular", "light", "extra", "alfredo", "bbq", "none"];
const CHEESES: &[&str] = &["extra", "none", "three cheese", "goat cheese"];
const MEATS: &[&str] = &["pepperoni", "sausage", "ham", "anchovies", "salami", "bacon"];
const VEGGIES: &[&str] = &["tomato", "olives", "onions", "peppers", "pineapple", "mushrooms"];

pub(crate) fn sauce(random: &mut Random) -> &'static str {
    SAUCES[random.below(SAUCES.len())]
}

pub(crate) fn cheese(random: &mut Random) -> &'static str {
    CHEESES[random.below(CHEESES.len())]
}

pub(crate) fn meats(random: &mut Random) -> String {
    some(MEATS, random)
}

pub(crate) fn veggies(random: &mut Random) -> String {
    some(VEGGIES, random)
}

/// None to four of them, no repeats.
fn some(menu: &[&str], random: &mut Random) -> String {
    let mut text = String::new();
    let (mut wanted, mut left) = (random.below(5), menu.len());
    for name in menu {
        if random.below(left) < wanted {
            if !text.is_empty() {
                text.push_str(" & ");
            }
            text.push_str(name);
            wanted -= 1;
        }
        left -= 1;
    }
    if text.is_empty() { "none".to_owned() } else { text }
}
