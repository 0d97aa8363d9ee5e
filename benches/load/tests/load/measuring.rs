//! What the figures mean.

use std::time::Duration;

use load::{Pace, Plan, run};

use crate::{
    auditing::{block_on, plan},
    kitchen::{Kitchen, Trick},
};

#[test]
fn one_client_at_a_time_waits_for_each_order_to_be_ready() {
    let kitchen = Kitchen::open(Trick::None);
    let report = block_on(run(plan(&kitchen))).unwrap().report;
    assert_eq!((report.acknowledged.count, report.ready.count), (3, 3));
    assert!(report.ready.p50_us >= report.acknowledged.p50_us);
    let looks: u32 = kitchen.stove.book().orders.values().map(|entry| entry.looks).sum();
    assert_eq!(looks, 3 * 3, "half, ready, and once more for the auditor");
}

#[test]
fn under_load_an_order_that_is_ready_at_once_is_asked_once() {
    let kitchen = Kitchen::open(Trick::BakesAtOnce);
    let plan = Plan { order_count: Some(100), client_count: 4, ..plan(&kitchen) };
    let report = block_on(run(plan)).unwrap().report;
    assert_eq!(report.ready_count, 100);
    let looks: u32 = kitchen.stove.book().orders.values().map(|entry| entry.looks).sum();
    assert_eq!(looks, 2 * 100, "once to see that it is ready, once for the auditor");
}

#[test]
fn a_duration_ends_a_run() {
    let kitchen = Kitchen::open(Trick::None);
    let plan =
        Plan { order_count: None, duration: Some(Duration::from_millis(200)), client_count: 2, ..plan(&kitchen) };
    let report = block_on(run(plan)).unwrap().report;
    assert!(report.seconds > 0.1 && report.order_count > 0);
}

/// A server that refuses for 300 ms at the beginning has made a hundred orders wait, not only the one that it refused.
/// A closed loop would show one slow order and hundreds of fast ones.
#[test]
fn at_a_pace_orders_that_could_not_be_placed_count_from_when_they_were_due() {
    let kitchen = Kitchen::open(Trick::Refuses(30));
    let pace = Pace::PerSecond(500.0);
    let report = block_on(run(Plan { order_count: Some(200), pace, ..plan(&kitchen) })).unwrap().report;
    assert!(report.acknowledged.p50_us > 20_000, "{}", report.acknowledged);
}

#[test]
fn at_a_pace_no_order_is_placed_before_it_is_due() {
    let kitchen = Kitchen::open(Trick::None);
    let pace = Pace::PerSecond(500.0);
    let report =
        block_on(run(Plan { order_count: Some(101), client_count: 4, pace, ..plan(&kitchen) })).unwrap().report;
    assert!(report.seconds >= 0.2, "{}", report.seconds);
    assert_eq!(report.order_count, 101);
}
