//! A disk whose every sync takes 5 ms: nothing waits for one but who must.

use std::time::Duration;

use linecook_embedded::fault::FaultyFiles;

use crate::{
    http::Client,
    power::{open, url},
    process::{now, until},
};

#[test]
fn an_order_costs_about_two_syncs_and_not_one_a_service() {
    let folder = tempfile::tempdir().unwrap();
    let files = FaultyFiles::default();
    files.set_sync_time(Duration::from_millis(5));
    let pizzeria = open(&files, &folder.path().join("rows"));
    let client = Client::new(&url(&pizzeria));
    let mut times = Vec::new();
    for _ in 0..100 {
        let began = now();
        let location = client.post("/order/2").location.unwrap();
        until("the order is ready", || client.get(&location).is_ready().then_some(()));
        times.push(began.elapsed());
    }
    times.sort();
    println!("syncs of 5 ms: order to ready p50 {:?}", times[50]);
    assert!(times[50] <= Duration::from_millis(20), "p50 {:?}", times[50]);
    pizzeria.stop().unwrap();
}
