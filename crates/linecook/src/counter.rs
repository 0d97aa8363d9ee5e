//! Counters of the domain.

use std::cell::RefCell;

/// A counter that handlers count with, by one label: a constant.
///
/// ```
/// use linecook::Counter;
///
/// const IGNORED: Counter = Counter::new("pizzas_ignored_total", "reason", "Pizzas that changed nothing");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Counter {
    name: &'static str,
    label: &'static str,
    help: &'static str,
}

impl Counter {
    /// A counter. `name` ends in `_total`, as the metrics page wants it; `help` is a sentence without its full stop.
    pub const fn new(name: &'static str, label: &'static str, help: &'static str) -> Self {
        Self { name, label, help }
    }

    /// Its name on the metrics page.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The name of its label.
    pub fn label(&self) -> &'static str {
        self.label
    }

    /// What it counts.
    pub fn help(&self) -> &'static str {
        self.help
    }
}

/// How often something was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) counter: Counter,
    pub(crate) label_value: &'static str,
    pub(crate) count: u64,
}

/// What handlers have counted and what no commit has made true yet. It is told only then, so that a record that is
/// taken in hand twice is counted once.
#[derive(Debug, Default)]
pub(crate) struct Tally(RefCell<Pending>);

#[derive(Debug, Default)]
struct Pending {
    counted: Vec<Counted>,
    /// What the record in hand has counted; of a record that fails nothing is.
    record: Vec<(Counter, &'static str)>,
}

impl Tally {
    pub(crate) fn count(&self, counter: Counter, label_value: &'static str) {
        self.0.borrow_mut().record.push((counter, label_value));
    }

    pub(crate) fn keep_record(&mut self) {
        let Pending { counted, record } = self.0.get_mut();
        for (counter, label_value) in record.drain(..) {
            // A handful of distinct ones: a search is cheaper than a map.
            match counted.iter_mut().find(|one| one.counter == counter && one.label_value == label_value) {
                Some(one) => one.count += 1,
                None => counted.push(Counted { counter, label_value, count: 1 }),
            }
        }
    }

    pub(crate) fn drop_record(&mut self) {
        self.0.get_mut().record.clear();
    }

    pub(crate) fn clear(&mut self) {
        let pending = self.0.get_mut();
        pending.record.clear();
        pending.counted.clear();
    }

    /// What was counted by records that did not fail.
    pub(crate) fn counted(&mut self) -> &[Counted] {
        &self.0.get_mut().counted
    }

    /// How often the record in hand has counted that.
    pub(crate) fn count_in_record(&self, counter: Counter, label_value: &str) -> usize {
        let wanted = |(counted, value): &&(Counter, &'static str)| *counted == counter && *value == label_value;
        self.0.borrow().record.iter().filter(wanted).count()
    }
}
