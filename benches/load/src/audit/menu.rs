//! What may be on a pizza.

/// Which values of a pizza's fields are believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Menu {
    /// Whatever is not empty.
    #[default]
    Any,
    /// What the pizzeria's own services put on a pizza: one sauce and one cheese, and `none` or several of meats and
    /// veggies, each at most once.
    Pizzeria,
}

const SAUCES: &[&str] = &["regular", "light", "extra", "none", "alfredo", "bbq"];
const CHEESES: &[&str] = &["extra", "none", "three cheese", "goat cheese"];
const MEATS: &[&str] = &["pepperoni", "sausage", "ham", "anchovies", "salami", "bacon"];
const VEGGIES: &[&str] = &["tomato", "olives", "onions", "peppers", "pineapple", "mushrooms"];

impl Menu {
    /// Whether `value` can be what `field` of a pizza says.
    pub(super) fn has(self, field: &str, value: &str) -> bool {
        match (self, field) {
            (Self::Any, _) => true,
            (Self::Pizzeria, "sauce") => SAUCES.contains(&value),
            (Self::Pizzeria, "cheese") => CHEESES.contains(&value),
            (Self::Pizzeria, "meats") => is_selection(MEATS, value),
            (Self::Pizzeria, _) => is_selection(VEGGIES, value),
        }
    }
}

/// `none`, or different ones of `choices` with ` & ` between them.
fn is_selection(choices: &[&str], value: &str) -> bool {
    let parts: Vec<&str> = value.split(" & ").collect();
    let is_new = |(index, part): (usize, &&str)| choices.contains(part) && !parts[..index].contains(part);
    value == "none" || parts.iter().enumerate().all(is_new)
}

#[cfg(test)]
mod tests {
    use super::Menu;

    #[test]
    fn the_menu_knows_single_choices_and_selections() {
        for (field, value) in
            [("sauce", "alfredo"), ("cheese", "goat cheese"), ("meats", "none"), ("veggies", "olives & tomato")]
        {
            assert!(Menu::Pizzeria.has(field, value), "{field} {value}");
        }
        for (field, value) in
            [("sauce", "goat cheese"), ("cheese", "x"), ("meats", "ham & ham"), ("veggies", "olives,tomato")]
        {
            assert!(!Menu::Pizzeria.has(field, value), "{field} {value}");
        }
    }

    #[test]
    fn without_a_menu_everything_is_believed() {
        assert!(Menu::Any.has("sauce", "chocolate"));
    }
}
