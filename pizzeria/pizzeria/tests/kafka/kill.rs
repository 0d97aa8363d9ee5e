//! `kill -9` of any one of six processes at random moments under load.

use std::{thread, time::Duration};

use kafka_broker::Options;

use crate::{
    audit::Guests,
    kitchen::{Kitchen, SERVICES, broker},
    process::{is_quiet, now, until},
    watcher::Watcher,
};

#[test]
fn any_one_killed_at_a_random_moment_goes_on_soon_and_nothing_is_lost_or_doubled() {
    let rounds: u64 = std::env::var("KILL_ROUNDS").map_or(2, |rounds| rounds.parse().unwrap());
    let seed: u64 = std::env::var("SEED").map_or_else(|_| u64::from(std::process::id()), |seed| seed.parse().unwrap());
    println!("rounds={rounds} SEED={seed}");
    let random = linecook::Random::seeded(seed);
    let broker = broker(Options::default());
    let mut kitchen = Kitchen::open(&broker.bootstrap_servers());
    let watcher = Watcher::start(&broker, &SERVICES.map(|(_, output)| output));
    let guests = Guests::start(2, &kitchen.url());
    for round in 0..rounds {
        let (service, output) = *random.choose(&SERVICES);
        until("it is at work", || (watcher.count(output) > 0).then_some(()));
        // The moment is what is random here: nothing is waited for.
        thread::sleep(Duration::from_millis(200 + random.below(1500)));
        kitchen.instance(service).kill();
        // What it had committed is still on its way to the watcher.
        thread::sleep(Duration::from_millis(100 + random.below(400)));
        let before = watcher.count(output);
        let began = now();
        kitchen.instance(service).start_again();
        guests.go_to(&kitchen.url());
        let seen = until("there is new output", || watcher.seen(output).filter(|seen| seen.count > before));
        let took = seen.last - began;
        println!("round {round}: {service} killed, new output {} ms after its start", took.as_millis());
        assert!(took < Duration::from_secs(if is_quiet() { 2 } else { 15 }), "{took:?}");
        assert_eq!(kitchen.ended(), <[String; 0]>::default(), "the others have not ended");
    }
    println!("{} orders acknowledged", guests.acknowledged_count());
    kitchen.check(&guests.stop(), &broker);
    kitchen.close();
}
