//! Servers that refuse, close, die and come back.

use std::{
    thread,
    time::{Duration, Instant},
};

use load::{
    Client, Depth, ErrorKind, Examination, Fault, Journal, Keys, Menu, OrderKey, Outages, Pace, Patience, PizzaCount,
    Plan, examine, run,
};

use crate::{
    auditing::{block_on, plan},
    kitchen::{Kitchen, Trick},
};

const RIDE_OUT: Patience = Patience { limit: Duration::from_secs(20), outages: Outages::RideOut };

fn examination(kitchen: &Kitchen, keys: Keys) -> Examination {
    Examination { target: kitchen.target(), client_count: 2, patience: RIDE_OUT, menu: Menu::Pizzeria, keys }
}

#[test]
fn a_refusal_is_waited_for() {
    let kitchen = Kitchen::open(Trick::Refuses(3));
    let outcome = block_on(run(plan(&kitchen))).unwrap();
    assert!(outcome.findings.is_empty(), "{}", outcome.findings);
    assert_eq!(outcome.report.setbacks.refusals, 3);
}

#[test]
fn a_refusal_without_an_end_is_an_error() {
    let kitchen = Kitchen::open(Trick::Refuses(u32::MAX));
    let mut plan = plan(&kitchen);
    plan.patience.limit = Duration::from_millis(100);
    assert_eq!(block_on(run(plan)).unwrap_err().kind(), ErrorKind::Unreachable);
}

#[test]
fn a_connection_that_is_closed_after_each_answer_is_made_anew() {
    let kitchen = Kitchen::open(Trick::ClosesEveryConnection);
    let outcome = block_on(run(plan(&kitchen))).unwrap();
    assert!(outcome.findings.is_empty(), "{}", outcome.findings);
    assert_eq!(outcome.report.setbacks.outages, 0);
}

#[test]
fn an_answer_that_the_api_does_not_know_is_an_error() {
    let kitchen = Kitchen::open(Trick::AnswersWithAnError);
    assert_eq!(block_on(run(plan(&kitchen))).unwrap_err().kind(), ErrorKind::Unexpected);
}

#[test]
fn a_dead_server_is_an_error_unless_it_is_ridden_out() {
    let mut kitchen = Kitchen::open(Trick::None);
    kitchen.kill();
    assert_eq!(block_on(run(plan(&kitchen))).unwrap_err().kind(), ErrorKind::Unreachable);
}

/// A `POST` whose answer was cut off may have been stored. Sent again without a key it could be two orders.
#[test]
fn an_order_without_a_key_is_not_sent_again_into_the_unknown() {
    let mut kitchen = Kitchen::open(Trick::None);
    kitchen.kill();
    let mut client = Client::new(kitchen.target(), RIDE_OUT);
    assert_eq!(block_on(client.place(PizzaCount(1), None)).unwrap_err().kind(), ErrorKind::Unreachable);
    kitchen.revive();
    let key = OrderKey::new("k");
    assert!(block_on(client.place(PizzaCount(1), Some(&key))).is_ok());
}

#[test]
fn killed_again_and_again_no_order_is_lost_or_made_twice() {
    let mut kitchen = Kitchen::open(Trick::None);
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let plan = Plan {
        order_count: None,
        duration: Some(Duration::from_millis(1500)),
        client_count: 4,
        patience: RIDE_OUT,
        journal: Some(journal.clone()),
        ..plan(&kitchen)
    };
    let running = thread::spawn(move || block_on(run(plan)).unwrap());
    for _ in 0..5 {
        wait_for_more_orders(&kitchen);
        kitchen.kill();
        kitchen.revive();
    }
    let outcome = running.join().unwrap();
    assert!(outcome.findings.is_empty(), "{}", outcome.findings);
    assert!(outcome.report.setbacks.outages > 0, "no kill was noticed");

    let orders = Journal::read(&journal).unwrap();
    assert_eq!(orders.len() as u64, outcome.report.order_count);
    assert_eq!(orders.len(), kitchen.stove.book().orders.len(), "an order was made twice");
    let verdict = block_on(examine(orders, examination(&kitchen, Keys::SendAgain))).unwrap();
    assert!(verdict.findings.is_empty(), "{}", verdict.findings);
}

fn wait_for_more_orders(kitchen: &Kitchen) {
    let before = kitchen.stove.book().orders.len();
    #[expect(clippy::disallowed_methods, reason = "a deadline of the test itself")]
    let begin = Instant::now();
    while kitchen.stove.book().orders.len() < before + 20 && begin.elapsed() < Duration::from_secs(10) {
        thread::yield_now();
    }
}

#[test]
fn a_key_that_gives_another_order_is_found() {
    let kitchen = Kitchen::open(Trick::ForgetsKeys);
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let outcome = block_on(run(Plan { journal: Some(journal.clone()), ..plan(&kitchen) })).unwrap();
    assert!(outcome.findings.is_empty(), "{}", outcome.findings);
    let orders = Journal::read(&journal).unwrap();
    let verdict = block_on(examine(orders, examination(&kitchen, Keys::SendAgain))).unwrap();
    assert!(verdict.findings.iter().all(|finding| matches!(finding.fault, Fault::SecondOrder { .. })));
    assert_eq!(verdict.findings.count(), 3);
}

#[test]
fn a_pizza_that_changes_between_two_readings_of_an_audit_is_found() {
    let kitchen = Kitchen::open(Trick::ChangesAPizzaLater);
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let mut client = Client::new(kitchen.target(), RIDE_OUT);
    let acknowledged = block_on(client.place(PizzaCount(4), None)).unwrap();
    Journal::open(&journal).unwrap().add(&acknowledged.order).unwrap();
    let orders = Journal::read(&journal).unwrap();
    let verdict = block_on(examine(orders, examination(&kitchen, Keys::Leave))).unwrap();
    let faults: Vec<&Fault> = verdict.findings.iter().map(|finding| &finding.fault).collect();
    assert_eq!(faults, [&Fault::Changed { number: 1 }]);
}

#[test]
fn the_same_plan_runs_under_load_and_at_a_pace() {
    for pace in [Pace::ClosedLoop, Pace::PerSecond(2000.0)] {
        let kitchen = Kitchen::open(Trick::None);
        let plan = Plan { order_count: Some(200), client_count: 4, pace, depth: Depth::Full, ..plan(&kitchen) };
        let outcome = block_on(run(plan)).unwrap();
        assert!(outcome.findings.is_empty(), "{}", outcome.findings);
        assert_eq!(outcome.report.ready_count, 200);
    }
}
