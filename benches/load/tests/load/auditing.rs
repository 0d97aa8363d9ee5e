//! What the auditor finds, trick by trick, and that it finds nothing else.

use load::{Depth, Fault, Menu, Outages, Pace, Patience, PizzaCount, Plan};
use std::time::Duration;

use crate::kitchen::{Kitchen, Trick};

/// One client, three orders of four pizzas, everything audited.
pub(crate) fn plan(kitchen: &Kitchen) -> Plan {
    Plan {
        target: kitchen.target(),
        order_count: Some(3),
        duration: None,
        pizzas_per_order: PizzaCount(4),
        client_count: 1,
        pace: Pace::ClosedLoop,
        depth: Depth::Full,
        menu: Menu::Pizzeria,
        patience: Patience { limit: Duration::from_secs(10), outages: Outages::GiveUp },
        journal: None,
    }
}

pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Runs the plan against a kitchen with a trick: the faults found of its three orders, one of each, in their order.
fn faults(trick: Trick) -> Vec<Fault> {
    let kitchen = Kitchen::open(trick);
    let mut plan = plan(&kitchen);
    if trick == Trick::NeverGetsReady {
        plan.patience.limit = Duration::from_millis(300);
    }
    let findings = block_on(load::run(plan)).unwrap().findings;
    let first = findings.iter().next().expect("a finding").order.clone();
    let of_first = findings.iter().filter(|finding| finding.order == first);
    let faults: Vec<Fault> = of_first.map(|finding| finding.fault.clone()).collect();
    assert_eq!(findings.count(), 3 * faults.len(), "each order is found out: {findings}");
    faults
}

#[test]
fn an_honest_kitchen_is_clean() {
    let kitchen = Kitchen::open(Trick::None);
    let outcome = block_on(load::run(plan(&kitchen))).unwrap();
    assert!(outcome.findings.is_empty(), "{}", outcome.findings);
    assert_eq!((outcome.report.order_count, outcome.report.ready_count, outcome.report.audited_count), (3, 3, 3));
}

#[test]
fn a_lost_order_is_found() {
    assert_eq!(faults(Trick::LosesTheOrder), [Fault::Lost]);
}

#[test]
fn a_lost_pizza_is_found() {
    // On the way it is only not there yet.
    assert_eq!(faults(Trick::LosesAPizza), [Fault::Incomplete { missing: PizzaCount(1), first: 2 }]);
}

#[test]
fn a_number_that_is_shown_twice_is_found_each_time() {
    assert_eq!(faults(Trick::ShowsANumberTwice), [Fault::Doubled { number: 2 }, Fault::Doubled { number: 2 }]);
}

#[test]
fn a_pizza_that_changes_after_the_order_was_ready_is_found() {
    assert_eq!(faults(Trick::ChangesAPizzaLater), [Fault::Changed { number: 1 }]);
}

#[test]
fn a_pizza_that_was_seen_on_the_way_and_is_gone_is_found() {
    let gone = [Fault::Vanished { number: 1 }, Fault::Incomplete { missing: PizzaCount(1), first: 1 }];
    assert_eq!(faults(Trick::TakesAPizzaBack), gone);
}

#[test]
fn a_pizza_of_another_order_is_found() {
    let faults = faults(Trick::NamesAnotherOrder);
    assert!(faults.iter().all(|fault| matches!(fault, Fault::Foreign { .. })), "{faults:?}");
}

#[test]
fn a_field_that_is_not_set_is_found() {
    let faults = faults(Trick::LeavesTheCheeseOff);
    assert!(faults.iter().all(|fault| matches!(fault, Fault::Unset { field: "cheese", .. })), "{faults:?}");
}

#[test]
fn what_is_not_on_the_menu_is_found() {
    let faults = faults(Trick::ServesChocolate);
    assert!(faults.iter().all(|fault| matches!(fault, Fault::NotOnMenu { field: "sauce", .. })), "{faults:?}");
}

#[test]
fn an_order_that_never_gets_ready_is_found() {
    assert_eq!(faults(Trick::NeverGetsReady), [Fault::NeverReady]);
}

#[test]
fn numbers_that_do_not_ascend_are_found() {
    assert!(faults(Trick::ReversesTheNumbers).contains(&Fault::Unordered { number: 3 }));
}

#[test]
fn a_body_that_cannot_be_read_is_found() {
    assert!(matches!(faults(Trick::BurnsTheBody)[..], [Fault::Unreadable { .. }, ..]));
}

#[test]
fn a_wrong_location_is_found() {
    assert!(matches!(faults(Trick::ForgetsTheLocation)[..], [Fault::Wrong { field: "location", .. }]));
}

#[test]
fn a_sample_is_every_sixteenth_order_and_losses_are_found_in_any_case() {
    let kitchen = Kitchen::open(Trick::None);
    let plan = Plan { order_count: Some(33), depth: Depth::Sample, ..plan(&kitchen) };
    assert_eq!(block_on(load::run(plan)).unwrap().report.audited_count, 3);

    let kitchen = Kitchen::open(Trick::LosesTheOrder);
    let plan = Plan { depth: Depth::None, ..self::plan(&kitchen) };
    assert_eq!(block_on(load::run(plan)).unwrap().findings.count(), 3);
}
