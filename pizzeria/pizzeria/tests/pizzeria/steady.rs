//! A steady load for a long time, with kills: nothing is lost, and neither memory nor the directory grows.

use std::{
    collections::VecDeque,
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    http::Client,
    process::{PATIENCE, Pizzeria, now, until},
    soak::{rounds, wanted},
};

const PIZZAS_AN_ORDER: u64 = 20;
const RETENTION_BYTES: u64 = 256 << 20;

/// What guests do, and were told.
#[derive(Default)]
struct Shop {
    url: Mutex<String>,
    /// Orders that were acknowledged, and when; nobody has looked whether they are ready.
    placed: Mutex<VecDeque<(String, Instant)>>,
    placed_count: AtomicU64,
    ready_count: AtomicU64,
    is_closed: AtomicBool,
    is_all_placed: AtomicBool,
}

impl Shop {
    fn client(&self) -> Client {
        Client::new(&self.url.lock().unwrap())
    }

    /// Places so many orders a second. Who gets no answer goes on with the next one.
    fn place(&self, orders_a_second: u64) {
        let (began, mut client, mut number) = (now(), self.client(), 0);
        while !self.is_closed.load(Ordering::SeqCst) {
            number += 1;
            let due = Duration::from_micros(number * 1_000_000 / orders_a_second);
            thread::sleep(due.saturating_sub(began.elapsed()));
            match client.try_post(&format!("/order/{PIZZAS_AN_ORDER}"), None).filter(|placed| placed.status == 201) {
                Some(placed) => {
                    self.placed.lock().unwrap().push_back((placed.location.unwrap(), now()));
                    self.placed_count.fetch_add(1, Ordering::SeqCst);
                }
                None => client = self.client(),
            }
        }
    }

    /// Looks at each order until it is ready with all of its pizzas, which it has to be soon.
    fn look(&self) {
        let mut client = self.client();
        loop {
            // Asked before, or one that was placed in between would be left.
            let is_all_placed = self.is_all_placed.load(Ordering::SeqCst);
            let next = self.placed.lock().unwrap().pop_front();
            let Some((location, placed_at)) = next else {
                if is_all_placed {
                    return;
                }
                thread::sleep(Duration::from_millis(5));
                continue;
            };
            loop {
                match client.try_get(&location) {
                    Some(answer) if answer.is_ready() => {
                        let pizzas = answer.json()["pizzas"].as_array().unwrap().clone();
                        let numbers: Vec<_> = pizzas.iter().map(|pizza| pizza["number"].as_u64().unwrap()).collect();
                        assert_eq!(numbers, (1..=PIZZAS_AN_ORDER).collect::<Vec<_>>(), "{location}");
                        break;
                    }
                    Some(answer) => assert_ne!(answer.status, 404, "an acknowledged order is unknown: {location}"),
                    None => client = self.client(),
                }
                assert!(placed_at.elapsed() < PATIENCE, "an acknowledged order is not ready: {location}");
                thread::sleep(Duration::from_millis(5));
            }
            self.ready_count.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Resident memory of a process.
fn resident_bytes(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() << 10
}

/// What is in a folder, as the file system counts it.
fn size_bytes(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size_bytes(&entry.path()),
        Ok(metadata) => metadata.blocks() * 512,
        Err(_) => 0, // it was dropped meanwhile
    };
    entries.flatten().map(size).sum()
}

/// When it is killed. What a process has in memory grows for some minutes after its start, so the moments of one quarter are
/// those of each: at the same time of two quarters the processes are of the same age.
fn moments(kills: u64, length: Duration, mut below: impl FnMut(u64) -> u64) -> VecDeque<Duration> {
    let quarter = length / 4;
    // The last of them are to be seen to go on.
    let last = quarter.saturating_sub(Duration::from_secs(5)).max(Duration::from_millis(1));
    let bound = u64::try_from(last.as_millis()).unwrap();
    let mut of_a_quarter: Vec<_> = (0..kills.div_ceil(4)).map(|_| Duration::from_millis(below(bound))).collect();
    of_a_quarter.sort();
    (0..4).flat_map(|number| of_a_quarter.iter().map(move |at| *at + quarter * number)).collect()
}

fn median(mut numbers: Vec<u64>) -> u64 {
    numbers.sort_unstable();
    numbers[numbers.len() / 2]
}

#[test]
fn a_steady_load_with_kills_loses_nothing_and_grows_nowhere() {
    let seconds = wanted("STEADY_SECONDS", 20_u64);
    let orders_a_second = wanted("STEADY_PIZZAS_A_SECOND", 1_000_u64) / PIZZAS_AN_ORDER;
    let kills = wanted("STEADY_KILLS", 3_u64);
    let random = rounds().next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let retention_bytes = RETENTION_BYTES.to_string();
    let arguments = ["--retention-bytes", &retention_bytes, "--pizza-service-orders-retention-s", "60"];
    let mut pizzeria = Pizzeria::start(folder.path(), &arguments);
    let shop = Arc::<Shop>::default();
    pizzeria.url.clone_into(&mut shop.url.lock().unwrap());
    let guests = [orders_a_second / 2, orders_a_second.div_ceil(2)].map(|rate| {
        let (placing, looking) = (Arc::clone(&shop), Arc::clone(&shop));
        (thread::spawn(move || placing.place(rate)), thread::spawn(move || looking.look()))
    });
    let (began, length) = (now(), Duration::from_secs(seconds));
    let mut kills_at = moments(kills, length, |bound| random.below(bound));
    let kill_count = kills_at.len();
    let (mut memory, mut largest, mut started) = (Vec::new(), 0, now());
    while began.elapsed() < length {
        thread::sleep(Duration::from_millis(200));
        if kills_at.pop_front_if(|at| *at <= began.elapsed()).is_some() {
            pizzeria.kill();
            pizzeria = Pizzeria::start(folder.path(), &arguments);
            pizzeria.url.clone_into(&mut shop.url.lock().unwrap());
            started = now();
        }
        largest = largest.max(size_bytes(folder.path()));
        // A process that has just started has not filled its caches.
        if started.elapsed() > Duration::from_secs(10) {
            memory.push((began.elapsed(), resident_bytes(pizzeria.id())));
        }
    }
    shop.is_closed.store(true, Ordering::SeqCst);
    let [one, other] = guests;
    [one.0, other.0].into_iter().for_each(|placing| placing.join().unwrap());
    shop.is_all_placed.store(true, Ordering::SeqCst);
    [one.1, other.1].into_iter().for_each(|looking| looking.join().unwrap());
    let (placed, ready) = (shop.placed_count.load(Ordering::SeqCst), shop.ready_count.load(Ordering::SeqCst));
    println!("{placed} orders of {PIZZAS_AN_ORDER} in {seconds} s, {kill_count} kills; {} MiB at most", largest >> 20);
    assert!(kills_at.is_empty(), "not all were killed: {kills_at:?}");
    // Who gets no answer while it starts does not ask again.
    assert!(placed * 100 >= orders_a_second * seconds * 90, "the load was not steady: {placed} orders");
    assert_eq!(placed, ready, "every acknowledged order was ready");
    assert!(largest < 2 * RETENTION_BYTES, "{largest}");
    let quarter = |number: u32| {
        let within = |at: &Duration| *at >= length / 4 * number && *at < length / 4 * (number + 1);
        memory.iter().filter(|(at, _)| within(at)).map(|(_, bytes)| *bytes).collect::<Vec<_>>()
    };
    // In a short run the caches are still filling.
    if seconds >= 600 {
        let (second, last) = (median(quarter(1)), median(quarter(3)));
        println!("resident: {} MiB in the second quarter, {} MiB in the last", second >> 20, last >> 20);
        assert!(last * 10 <= second * 11, "second quarter {second}, last {last}");
    }
    let location = until("orders are taken still", || {
        let client = Client::new(&pizzeria.url);
        client.try_post("/order/1", None).and_then(|placed| placed.location)
    });
    until("and made", || Client::new(&pizzeria.url).get(&location).is_ready().then_some(()));
    pizzeria.stop();
}
