//! What befalls a network, and processes, while guests order. Brokers that go are in `broker_gone`, processes that are killed in
//! `kill`.

use std::{thread, time::Duration};

use kafka_broker::{Options, Proxy};

use crate::{
    audit::Guests,
    kitchen::{Kitchen, broker},
    process::until,
    soak,
};

/// For longer than its group has patience for: others have its partitions when it goes on, with half of its work in hand.
#[test]
fn a_process_that_stands_still_past_its_session_is_a_zombie_and_doubles_nothing() {
    for random in soak::rounds() {
        let broker = broker(Options::default());
        let mut kitchen = Kitchen::open(&broker.bootstrap_servers());
        let service = *random.choose(&["sauce-service", "pizza-service"]);
        let mut another = kitchen.start_another(service, "another", &["--instance", "another"]);
        another.until_ready();
        let guests = Guests::start(2, &kitchen.url());
        until("there is load", || (guests.acknowledged_count() > 20).then_some(()));
        let zombie = if service == "pizza-service" { &another } else { &*kitchen.instance(service) };
        zombie.signal("STOP");
        // Sessions are 10 s.
        thread::sleep(Duration::from_secs(14));
        let before = guests.acknowledged_count();
        until("others go on", || (guests.acknowledged_count() > before + 20).then_some(()));
        let zombie = if service == "pizza-service" { &another } else { &*kitchen.instance(service) };
        zombie.signal("CONT");
        let before = guests.acknowledged_count();
        until("all go on", || (guests.acknowledged_count() > before + 20).then_some(()));
        assert_eq!(kitchen.ended(), <[String; 0]>::default(), "no process has ended");
        assert!(another.is_running(), "nor has the other");
        let told = guests.stop();
        if service == "pizza-service" {
            another.kill(); // each shows the orders that it has, and one is asked for all
        }
        kitchen.check(&told, &broker);
        kitchen.close();
    }
}

#[test]
fn connections_that_are_slow_and_cut_under_load_cost_nothing_but_time() {
    for random in soak::rounds() {
        let proxy = Proxy::start().unwrap();
        let broker = broker(Options::default().behind(&proxy));
        let mut kitchen = Kitchen::open(&proxy.bootstrap_servers());
        let guests = Guests::start(2, &kitchen.url());
        until("there is load", || (guests.acknowledged_count() > 20).then_some(()));
        for _ in 0..8 {
            match random.below(3) {
                0 => proxy.delay(Duration::from_millis(random.below(60))),
                1 => proxy.cut_connections(),
                _ => proxy.release(),
            }
            // The moment is what is random here: nothing is waited for.
            thread::sleep(Duration::from_millis(300 + random.below(700)));
        }
        proxy.release();
        let before = guests.acknowledged_count();
        until("orders are taken again", || (guests.acknowledged_count() > before + 20).then_some(()));
        assert_eq!(kitchen.ended(), <[String; 0]>::default(), "no process has ended");
        kitchen.check(&guests.stop(), &broker);
        kitchen.close();
    }
}
