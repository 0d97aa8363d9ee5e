//! A disk whose every sync takes 5 ms, or that does not come back from a write: nothing waits for it but who must.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use linecook_embedded::fault::FaultyFiles;

use crate::{
    http::Client,
    power::{open, url},
    process::{is_quiet, now, until},
};

const SLOW: Duration = Duration::from_millis(5);
const GUESTS: usize = 64;

/// The order itself waits for one sync, its pizzas for the next one: 10 ms, and not five more for five services.
#[test]
#[expect(clippy::cast_precision_loss, reason = "a few hundred")]
fn an_order_costs_about_two_syncs_and_not_one_a_service() {
    // Five hops have to fit into a sync. Where others want the machine, too, they get one that leaves them the time.
    let (sync_time, order_count) = if is_quiet() { (SLOW, 200) } else { (Duration::from_millis(100), 15) };
    let folder = tempfile::tempdir().unwrap();
    let files = FaultyFiles::default();
    files.set_sync_time(sync_time);
    let pizzeria = open(&files, &folder.path().join("rows"));
    let client = Client::new(&url(&pizzeria));
    let (mut times, mut syncs) = (Vec::new(), Vec::new());
    for _ in 0..order_count {
        let (began, syncs_before) = (now(), files.sync_count());
        let location = client.post("/order/2").location.unwrap();
        while !client.get(&location).is_ready() {}
        times.push(began.elapsed());
        syncs.push(files.sync_count() - syncs_before);
    }
    times.sort();
    syncs.sort_unstable();
    let (p50, mean) = (times[order_count / 2], syncs.iter().sum::<u64>() as f64 / order_count as f64);
    println!("syncs of {sync_time:?}: order to ready p50 {p50:?}, {mean:.2} syncs an order: {syncs:?}");
    if is_quiet() {
        assert!(mean < 3.5, "{mean:.2} syncs an order");
        assert!(p50 <= Duration::from_millis(12), "p50 {p50:?}");
    } else {
        // One more is a worker that waits for its commits, four more are services that wait for one another's.
        assert!(syncs[order_count / 2] <= 2, "most orders cost more: {syncs:?}");
    }
    pizzeria.stop().unwrap();
}

#[test]
fn slow_syncs_hardly_cost_throughput() {
    // Noise halves a ratio, so only what is far from that is looked at where there is noise, and three times at most.
    let bound = if is_quiet() { 0.8 } else { 0.25 };
    let mut ratios = Vec::new();
    for _ in 0..3 {
        let (fast, slow) = (seconds_for_orders(Duration::ZERO), seconds_for_orders(SLOW));
        println!("orders of 100 by {GUESTS} guests: {fast:.2} s, with syncs of 5 ms {slow:.2} s");
        ratios.push(fast / slow);
        if !is_quiet() && fast / slow >= bound {
            return;
        }
    }
    ratios.sort_by(f64::total_cmp);
    assert!(ratios[1] >= bound, "the throughput of a slow disk in proportion to a fast one: {ratios:?}");
}

/// The commit lock is held for that write, and whoever asked for it waited, too: `/metrics`, `/readyz` and the reports
/// of tables did, on the threads that answer everybody else.
#[test]
fn a_write_that_hangs_keeps_nobody_from_being_answered() {
    let folder = tempfile::tempdir().unwrap();
    let files = FaultyFiles::default();
    let pizzeria = open(&files, &folder.path().join("rows"));
    let client = Client::new(&url(&pizzeria));
    let location = client.post("/order/2").location.unwrap();
    until("the order is ready", || client.get(&location).is_ready().then_some(()));
    files.hold_next_write();
    let url = url(&pizzeria);
    let guests: Vec<_> = (0..8)
        .map(|_| {
            thread::spawn({
                let url = url.clone();
                move || Client::new(&url).post("/order/2")
            })
        })
        .collect();
    until("a write hangs", || files.is_write_held().then_some(()));
    for path in [&*location, "/report", "/healthz", "/readyz", "/metrics"] {
        let began = now();
        assert_eq!(client.get(path).status, 200, "{path}");
        assert!(began.elapsed() < Duration::from_secs(3), "{path}: {:?}", began.elapsed());
    }
    for guest in guests {
        let answer = guest.join().unwrap();
        assert_eq!(answer.status, 503);
        assert!(answer.problem().starts_with("whether it was stored is not known"), "{answer:?}");
    }
    files.let_write_go();
    let location = client.post("/order/2").location.unwrap();
    until("the order is ready", || client.get(&location).is_ready().then_some(()));
    pizzeria.stop().unwrap();
}

/// How long it takes until many orders, placed by many guests, are all ready.
fn seconds_for_orders(sync_time: Duration) -> f64 {
    let order_count: u64 = if cfg!(debug_assertions) { 600 } else { 6_000 };
    let folder = tempfile::tempdir().unwrap();
    let files = FaultyFiles::default();
    files.set_sync_time(sync_time);
    let pizzeria = open(&files, &folder.path().join("rows"));
    let url = url(&pizzeria);
    let left = AtomicU64::new(order_count);
    let began = now();
    let last: Vec<String> = thread::scope(|scope| {
        let guests: Vec<_> = (0..GUESTS).map(|_| scope.spawn(|| order_while_there_is(&left, &url))).collect();
        guests.into_iter().filter_map(|guest| guest.join().unwrap()).collect()
    });
    let client = Client::new(&url);
    for location in last {
        until("the last order of a guest is ready", || client.get(&location).is_ready().then_some(()));
    }
    let seconds = began.elapsed().as_secs_f64();
    pizzeria.stop().unwrap();
    seconds
}

/// Where the last order of this guest is.
fn order_while_there_is(left: &AtomicU64, url: &str) -> Option<String> {
    let client = Client::new(url);
    let mut last = None;
    while left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
        last = client.post("/order/100").location;
    }
    last
}
