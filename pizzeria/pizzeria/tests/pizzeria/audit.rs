//! Guests that order under load, and what they were told.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use pizzeria_events::OrderId;
use serde_json::Value;

use crate::{
    http::Client,
    process::{PATIENCE, now},
    raw::Raw,
};

/// A promise that was broken, and which. It is told apart from a test that cannot go on, which panics.
#[derive(Debug)]
#[expect(dead_code, reason = "a test that fails shows the texts")]
pub(crate) enum Broken {
    /// The log itself says that it is damaged.
    Damaged(String),
    /// What guests were told is not so.
    Untrue(String),
}

pub(crate) type Kept = Result<(), Broken>;

pub(crate) fn promise(is_kept: bool, broken: impl FnOnce() -> String) -> Kept {
    if is_kept { Ok(()) } else { Err(Broken::Untrue(broken())) }
}

/// Who was turned away does not keep the machine from getting well.
const ASKS_AGAIN_AFTER: Duration = Duration::from_millis(5);

/// What guests were told: promises that no crash may break.
#[derive(Default)]
pub(crate) struct Told {
    /// The count of every acknowledged order.
    acknowledged: BTreeMap<OrderId, u64>,
    /// Every pizza that an answer to a GET has ever shown, by order and number.
    shown: BTreeMap<OrderId, BTreeMap<u64, Value>>,
}

/// Guests at work, each with a connection of its own.
pub(crate) struct Guests {
    told: Arc<Mutex<Told>>,
    url: Arc<Mutex<String>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Guests {
    /// That many guests, who order from the pizzeria at `url`, which may move.
    pub(crate) fn start(count: u64, url: &str) -> Self {
        let mut guests = Self {
            told: Arc::default(),
            url: Arc::new(Mutex::new(url.to_owned())),
            stop: Arc::default(),
            threads: Vec::new(),
        };
        for guest in 0..count {
            let (told, url, stop) = (Arc::clone(&guests.told), Arc::clone(&guests.url), Arc::clone(&guests.stop));
            guests.threads.push(thread::spawn(move || order_until(guest, &told, &url, &stop)));
        }
        guests
    }

    /// The pizzeria is there now.
    pub(crate) fn go_to(&self, url: &str) {
        url.clone_into(&mut self.url.lock().unwrap());
    }

    pub(crate) fn acknowledged_count(&self) -> usize {
        self.told.lock().unwrap().acknowledged.len()
    }

    /// Sends them home; what they were told.
    pub(crate) fn stop(self) -> Told {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads {
            thread.join().unwrap();
        }
        std::mem::take(&mut *self.told.lock().unwrap())
    }
}

/// Orders, looks at the order or at an older one, and so on. Who gets no answer asks again.
fn order_until(guest: u64, told: &Mutex<Told>, url: &Mutex<String>, stop: &AtomicBool) {
    let mut at = url.lock().unwrap().clone();
    let mut client = Client::new(&at);
    let mut number = guest;
    while !stop.load(Ordering::SeqCst) {
        let now = url.lock().unwrap().clone();
        if now != at {
            client = Client::new(&now);
            at = now;
        }
        number += 1;
        let count = 1 + number % 20;
        let Some(placed) = client.try_post(&format!("/order/{count}"), None).filter(|placed| placed.status == 201)
        else {
            thread::sleep(ASKS_AGAIN_AFTER);
            continue;
        };
        let id: OrderId = placed.json()["order_id"].as_str().unwrap().parse().unwrap();
        told.lock().unwrap().acknowledged.insert(id, count);
        look_at(&client, id, told);
        let older = {
            let told = told.lock().unwrap();
            told.acknowledged.keys().nth(usize::try_from(number * 7).unwrap() % told.acknowledged.len()).copied()
        };
        if let Some(older) = older {
            look_at(&client, older, told);
        }
    }
}

fn look_at(client: &Client, id: OrderId, told: &Mutex<Told>) {
    let Some(answer) = client.try_get(&format!("/order/{id}")) else { return };
    assert_ne!(answer.status, 404, "an acknowledged order is unknown: {id}");
    if answer.status == 200 {
        let order = answer.json();
        let mut told = told.lock().unwrap();
        let shown = told.shown.entry(id).or_default();
        for pizza in order["pizzas"].as_array().unwrap() {
            let number = pizza["number"].as_u64().unwrap();
            let before = shown.entry(number).or_insert_with(|| pizza.clone());
            assert_eq!(before, pizza, "a pizza that was shown has changed");
        }
    }
}

impl Told {
    /// Every acknowledged order becomes ready, and has what was ever shown of it.
    pub(crate) fn check_over_http(&self, client: &Client) -> Kept {
        for (id, count) in &self.acknowledged {
            let order = ready_order(client, *id)?;
            let pizzas = order["pizzas"].as_array().unwrap();
            let numbers: Vec<_> = pizzas.iter().map(|pizza| pizza["number"].as_u64().unwrap()).collect();
            promise(numbers.iter().copied().eq(1..=*count), || format!("order {id} of {count} has {numbers:?}"))?;
            for (number, shown) in self.shown.get(id).into_iter().flatten() {
                let pizza = &pizzas[usize::try_from(*number).unwrap() - 1];
                promise(shown == pizza, || format!("order {id} has {pizza} where {shown} was shown"))?;
            }
        }
        Ok(())
    }

    /// Every acknowledged order is in the log, and whatever is there is there once.
    pub(crate) fn check_raw(&self, raw: &Raw) -> Kept {
        for id in self.acknowledged.keys() {
            promise(raw.has_order(*id), || format!("an acknowledged order is not in the log: {id}"))?;
        }
        raw.check_each_pizza_once()
    }
}

fn ready_order(client: &Client, id: OrderId) -> Result<Value, Broken> {
    let (path, deadline) = (format!("/order/{id}"), now() + PATIENCE);
    loop {
        let answer = client.get(&path);
        promise(answer.status != 404, || format!("an acknowledged order is unknown: {id}"))?;
        if answer.is_ready() {
            return Ok(answer.json());
        }
        promise(now() < deadline, || {
            format!("an acknowledged order is not ready within {PATIENCE:?}: {id}: {} {}", answer.status, answer.text)
        })?;
        thread::sleep(Duration::from_millis(2));
    }
}
