//! What there is to choose from.

use arrayvec::ArrayVec;
use linecook::{Random, settings::SettingValue};

/// Between the names of several.
const AND: &str = " & ";
/// The most of several.
const MOST: usize = 4;
/// What stands for not one of several.
const NONE: &str = "none";

/// What a service chooses one of; each has its own, and its settings can replace it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Menu(Vec<String>);

impl Menu {
    /// A menu of these.
    pub fn of(names: &[&str]) -> Self {
        Self(names.iter().map(|name| (*name).to_owned()).collect())
    }

    /// One of them.
    pub fn one(&self, random: &Random) -> &str {
        random.choose::<String>(&self.0)
    }
}

/// What a service chooses several of. `none` is not among them, as it stands for not one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toppings(Menu);

impl Toppings {
    /// These to choose from.
    pub fn of(names: &[&str]) -> Self {
        Self(Menu::of(names))
    }

    /// None to four of them, no repeats, joined with ` & `; `none` for none.
    pub fn some(&self, random: &Random) -> String {
        let count = usize::try_from(random.below(1 + MOST as u64)).expect("a few");
        let names: ArrayVec<&str, MOST> = random.sample(&self.0.0, count).map(String::as_str).collect();
        // Joined at once it is one allocation, of just its size.
        if names.is_empty() { NONE.to_owned() } else { names.join(AND) }
    }
}

impl SettingValue for Menu {
    type Written = Vec<String>;

    fn expected() -> Option<String> {
        Some(format!("a list of at least one name, none empty, none twice and none with {AND:?} in it"))
    }

    fn from_written(names: Vec<String>) -> Result<Self, String> {
        if names.is_empty() {
            return Err("there is nothing to choose from".to_owned());
        }
        for (index, name) in names.iter().enumerate() {
            if name.trim().is_empty() {
                return Err("a name is empty".to_owned());
            }
            if name.contains(AND) || name.contains(char::is_control) {
                return Err(format!("a name could not be told from others in its place: name={name:?}"));
            }
            if names[..index].contains(name) {
                return Err(format!("a name is there twice: name={name:?}"));
            }
        }
        Ok(Self(names))
    }

    fn to_written(&self) -> Vec<String> {
        self.0.clone()
    }
}

impl SettingValue for Toppings {
    type Written = Vec<String>;

    fn expected() -> Option<String> {
        Some(format!("{}; {NONE} is not one of them, as it stands for not one", Menu::expected()?))
    }

    fn from_written(names: Vec<String>) -> Result<Self, String> {
        if names.iter().any(|name| name == NONE) {
            return Err(format!("{NONE} stands for not one of them"));
        }
        Menu::from_written(names).map(Self)
    }

    fn to_written(&self) -> Vec<String> {
        self.0.to_written()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn some_is_none_to_four_without_repeats() {
        let toppings = Toppings::of(&["a", "b", "c", "d", "e", "f"]);
        let mut counts = BTreeSet::new();
        for seed in 0..500 {
            let chosen = toppings.some(&Random::seeded(seed));
            let names: Vec<_> = chosen.split(" & ").filter(|name| *name != "none").collect();
            let different: BTreeSet<_> = names.iter().collect();
            assert_eq!(different.len(), names.len(), "{chosen}");
            assert!(names.iter().all(|name| toppings.0.0.iter().any(|other| other == name)), "{chosen}");
            counts.insert(names.len());
        }
        assert_eq!(counts, BTreeSet::from([0, 1, 2, 3, 4]));
    }

    #[test]
    fn a_menu_with_nothing_on_it_is_refused() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert!(Menu::from_written(names(&[])).is_err());
        assert!(Menu::from_written(names(&["a", " "])).is_err());
        assert!(Menu::from_written(names(&["a", "a"])).unwrap_err().contains("twice"));
        assert_eq!(Menu::from_written(names(&["a", "b"])), Ok(Menu::of(&["a", "b"])));
        assert_eq!(Menu::from_written(names(&["a", "none"])), Ok(Menu::of(&["a", "none"])));
    }

    /// `a & b & a` was on pizzas that have no repeats, `none & ham` on one with ham, and a line end in a table.
    #[test]
    fn a_name_that_makes_a_pizza_ambiguous_is_refused() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        for bad in ["a & b", "a\nb", "\u{1b}[31m", "a\0"] {
            assert!(Menu::from_written(names(&[bad])).is_err(), "{bad:?}");
            assert!(Toppings::from_written(names(&[bad])).is_err(), "{bad:?}");
        }
        assert!(Toppings::from_written(names(&["none", "ham"])).unwrap_err().contains("none"));
        assert_eq!(Toppings::from_written(names(&["mac&cheese"])), Ok(Toppings::of(&["mac&cheese"])));
    }
}
