//! Records that were parked come back.

use std::{path::Path, process::Stdio, sync::Arc, thread, time::Duration};

use linecook::Random;
use linecook_embedded::{EmbeddedLog, Options};
use linecook_log::{Log, SystemClock};
use serde_json::Value;

use crate::{
    http::Client,
    poison,
    process::{Pizzeria, command, output, until},
    raw::Raw,
    soak,
};

const POISONED: u128 = 60;

fn list(data_dir: &Path) -> Vec<Value> {
    poison::letters(&output(data_dir, &["dead-letters", "list", "--json"]))
}

/// Appends the poison to the log of a pizzeria that does not run.
fn append_offline(data_dir: &Path, count: u128) {
    let log = EmbeddedLog::open(data_dir, Options::default(), Arc::new(SystemClock::new())).unwrap();
    poison::append(&log, count);
    log.close().unwrap();
}

/// The promise of dead letters: nobody else is held up, nothing is out of order, and what is mended is done once, whoever
/// dies meanwhile: who says it, and who does it.
#[test]
fn poisoned_orders_among_ten_thousand_complete_once_when_they_are_mended_whoever_is_killed() {
    soak::rounds().for_each(|random| poison_and_redrive(&random));
}

fn poison_and_redrive(random: &Random) {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path();
    let mut pizzeria = Pizzeria::start(data_dir, &["--partitions", "4"]);
    let orders = soak::wanted("POISON_ORDERS", 10_000);
    let mut placed = poison::order(&pizzeria.url, orders / 2);
    pizzeria.stop();
    append_offline(data_dir, POISONED);
    pizzeria = Pizzeria::start(data_dir, &[]);
    placed.extend(poison::order(&pizzeria.url, orders - orders / 2));
    poison::check_others(&Client::new(&pizzeria.url), &placed);
    poison::check_parked(&list(data_dir), POISONED);
    assert_eq!(Client::new(&pizzeria.url).get("/readyz").status, 200);

    for (index, letter) in list(data_dir).iter().enumerate() {
        let (id, mended) = (letter["id"].as_str().unwrap(), poison::mended(letter));
        if index % 2 == 0 {
            let edited = output(data_dir, &["dead-letters", "edit", id, "--value", &mended]);
            assert!(edited.status.success(), "{edited:?}");
        } else {
            assert_eq!(Client::new(&pizzeria.url).put(&format!("/dead-letters/{id}"), &mended).status, 200);
        }
    }
    until("all are redriven", || {
        let some = (1 + random.below(20)).to_string();
        let arguments = ["dead-letters", "redrive", "--all", "--max", &some, "--json"];
        let mut redrive =
            command(data_dir).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // The moment is what is random here: nothing is waited for.
        thread::sleep(Duration::from_micros(random.below(40_000)));
        if random.below(2) == 0 {
            redrive.kill().unwrap();
        }
        if random.below(2) == 0 {
            pizzeria.kill();
            pizzeria = Pizzeria::start(data_dir, &[]);
        }
        redrive.wait().unwrap();
        list(data_dir).is_empty().then_some(())
    });
    poison::check_ready(&Client::new(&pizzeria.url), POISONED);
    pizzeria.stop();
    poison::check_raw(Raw::read(data_dir), POISONED);
}

/// A command has the directory of a pizzeria that does not run for a moment. One that was started just then ended.
#[test]
fn a_command_that_has_the_directory_keeps_no_pizzeria_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(folder.path(), Options::default(), Arc::new(SystemClock::new())).unwrap();
    let command = thread::spawn(move || {
        // It is to be in the way for a moment: nothing is waited for.
        thread::sleep(Duration::from_millis(500));
        log.close().unwrap();
    });
    Pizzeria::start(folder.path(), &[]).stop();
    command.join().unwrap();
}

#[test]
fn asking_makes_no_log() {
    let folder = tempfile::tempdir().unwrap();
    for asked in [&["list"][..], &["redrive", "--all"], &["show", "oven/baked/pizza/0/1"]] {
        let answer = output(folder.path(), &[&["dead-letters"], asked].concat());
        assert_eq!(answer.status.code(), Some(2), "{answer:?}");
        assert!(String::from_utf8_lossy(&answer.stderr).contains("there is no log in this directory"), "{answer:?}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Whoever reaches the port would have read what guests have ordered, and thrown it away.
#[test]
fn who_is_not_on_this_machine_needs_the_token_of_operators() {
    let folder = tempfile::tempdir().unwrap();
    let pizzeria = Pizzeria::start_at("0.0.0.0:0", folder.path(), &[]);
    let url = pizzeria.url.replace("0.0.0.0", "127.0.0.1");
    let client = Client::new(&url);
    for path in ["/dead-letters", "/dead-letters/pizza-service/orders/orders/0/0"] {
        let answer = client.get(path);
        assert!(answer.status == 403 && answer.problem().contains("--operator-token"), "{answer:?}");
    }
    assert_eq!(client.post("/dead-letters/redrive").status, 403);
    until("everybody may order", || client.try_post("/order/1", None).filter(|placed| placed.status == 201));
    pizzeria.stop();

    let token = ["--operator-token", "basil"];
    let pizzeria = Pizzeria::start_at("0.0.0.0:0", folder.path(), &token);
    let url = pizzeria.url.replace("0.0.0.0", "127.0.0.1");
    let client = Client::new(&url);
    assert_eq!([client.get("/dead-letters").status, client.get_as("oregano", "/dead-letters").status], [401, 401]);
    assert_eq!(client.get_as("basil", "/dead-letters").json()["letters"], serde_json::json!([]));
    let list = ["dead-letters", "list"];
    assert_eq!(output(folder.path(), &list).status.code(), Some(2), "the command needs it, too");
    assert!(output(folder.path(), &[&list[..], &token].concat()).status.success());
    let settings = output(folder.path(), &[&["settings"][..], &token].concat());
    assert!(!String::from_utf8(settings.stdout).unwrap().contains("basil"));
    pizzeria.stop();
}
