//! The command line.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    process::{Output, Stdio},
};

use crate::{
    http::Client,
    process::{Pizzeria, command, output, until},
};

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_start_shows_one_screen_with_all_one_needs() {
    let folder = tempfile::tempdir().unwrap();
    let pizzeria = Pizzeria::start(folder.path(), &[]);
    let screen = &pizzeria.screen;
    for part in ["pizza-service", "cheese-reporter", "embedded", &folder.path().display().to_string(), &pizzeria.url] {
        assert!(screen.contains(part), "{part}: {screen}");
    }
    assert!(screen.contains(&format!("curl -X POST {}/order/2", pizzeria.url)), "{screen}");
    assert!(screen.lines().count() < 24, "{screen}");
}

#[test]
fn an_order_can_be_placed_and_waited_for_from_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let pizzeria = Pizzeria::start(folder.path(), &[]);
    let shown = text(&output(folder.path(), &["order", "3", "--wait", "--url", &pizzeria.url]));
    assert!(shown.contains("is ready") && shown.contains("sauce") && shown.lines().count() == 5, "{shown}");
    let json = text(&output(folder.path(), &["order", "2", "--wait", "--json", "--url", &pizzeria.url]));
    let order: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&order["status"], &order["count"]), (&"ready".into(), &2.into()));
    // It has the port that was free, and its directory says which.
    let json = text(&output(folder.path(), &["order", "2", "--json"]));
    assert!(json.starts_with(r#"{"order_id":""#), "{json}");
    let refused = output(folder.path(), &["order", "0", "--url", &pizzeria.url]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("from 1 to 10000"));
    for unheard in ["https://127.0.0.1:1", "http://no.such.host.invalid"] {
        let nobody = output(folder.path(), &["order", "1", "--url", unheard]);
        let why = String::from_utf8_lossy(&nobody.stderr);
        assert!(why.contains("no pizzeria answers at") && !why.contains("may have been taken"), "{why}");
    }
    let nobody = output(folder.path(), &["order", "1", "--url", "http://127.0.0.1:1"]);
    assert!(String::from_utf8(nobody.stderr).unwrap().contains("no pizzeria answers"));
}

#[test]
fn unknown_names_and_flags_are_refused_with_those_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let unknown = output(folder.path(), &["--except", "cheese"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(String::from_utf8(unknown.stderr).unwrap().contains("there are pizza-service, sauce-service"));
    assert_eq!(output(folder.path(), &["--partitons", "3"]).status.code(), Some(2));
    assert_eq!(output(folder.path(), &["serve"]).status.code(), Some(2));
}

#[test]
fn settings_tell_where_each_comes_from_and_can_be_loaded_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pizzeria.toml");
    std::fs::write(&file, "[cheese-service]\nmenu = ['cheddar']\n").unwrap();
    let file = file.to_str().unwrap();
    let settings = text(&output(folder.path(), &["--config", file, "--partitions", "2", "settings"]));
    assert!(settings.contains("partitions = 2 # flag --partitions"), "{settings}");
    assert!(settings.contains("menu = [\"cheddar\"]"), "{settings}");
    let again = folder.path().join("again.toml");
    std::fs::write(&again, &settings).unwrap();
    let reloaded = text(&output(folder.path(), &["--config", again.to_str().unwrap(), "settings"]));
    assert!(reloaded.contains("partitions = 2") && reloaded.contains("cheddar"), "{reloaded}");

    let pizzeria = Pizzeria::start(folder.path(), &["--config", file]);
    let client = Client::new(&pizzeria.url);
    let location = client.post("/order/3").location.unwrap();
    until("the order is ready", || client.get(&location).is_ready().then_some(()));
    assert_eq!(client.get("/report").text, r#"{"cheddar":3}"#);
}

/// The client gave up with the first connection that was refused, and nobody had been told the order's id.
#[test]
fn who_waits_for_an_order_knows_its_id_and_outlasts_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut pizzeria = Pizzeria::start(folder.path(), &["--except", "cheese-service"]);
    let address = pizzeria.url.strip_prefix("http://").unwrap().to_owned();
    let mut ordering = command(folder.path());
    ordering.args(["order", "2", "--wait", "--json", "--url", &address]);
    let mut ordering = ordering.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = String::new();
    BufReader::new(ordering.stderr.take().unwrap()).read_line(&mut told).unwrap();
    let id = told.trim().strip_prefix("order ").unwrap().to_owned();
    pizzeria.kill();
    let _pizzeria = Pizzeria::start_at(&address, folder.path(), &[]);
    let order = text(&ordering.wait_with_output().unwrap());
    assert!(order.contains(&format!(r#"{{"id":"{id}","count":2,"status":"ready""#)), "{order}");
}

/// It was refused because of the one topic that was named first, with no way out.
#[test]
fn a_log_that_is_there_keeps_its_partitions_whatever_the_setting_says() {
    let folder = tempfile::tempdir().unwrap();
    Pizzeria::start(folder.path(), &["--partitions", "2"]).stop();
    let pizzeria = Pizzeria::start(folder.path(), &["--partitions", "8"]);
    assert!(pizzeria.screen.contains("2 partitions a topic"), "{}", pizzeria.screen);
    let client = Client::new(&pizzeria.url);
    let location = client.post("/order/2").location.unwrap();
    until("the order is ready", || client.get(&location).is_ready().then_some(()));
}

/// An order that was acknowledged became a dead letter when the limit was lowered before its pizzas were made.
#[test]
fn an_order_that_was_taken_is_made_although_the_limit_was_lowered() {
    let folder = tempfile::tempdir().unwrap();
    let pizzeria = Pizzeria::start(folder.path(), &["--except", "sauce-service"]);
    let location = Client::new(&pizzeria.url).post("/order/20").location.unwrap();
    pizzeria.stop();
    let pizzeria = Pizzeria::start(folder.path(), &["--pizza-service-order-limit", "5"]);
    let client = Client::new(&pizzeria.url);
    until("the order is ready", || client.get(&location).is_ready().then_some(()));
    assert_eq!(client.post("/order/6").status, 400);
}

#[test]
fn the_topology_and_completions_are_made_from_what_is_declared() {
    let folder = tempfile::tempdir().unwrap();
    let topology = text(&output(folder.path(), &["topology"]));
    assert!(topology.contains("pizza → pizza-with-sauce"), "{topology}");
    for shell in ["bash", "zsh", "fish"] {
        assert!(text(&output(folder.path(), &["completions", shell])).contains("sauce-service-menu"), "{shell}");
    }
}

#[test]
fn the_log_can_be_looked_into_and_a_group_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let pizzeria = Pizzeria::start(folder.path(), &[]);
    let client = Client::new(&pizzeria.url);
    let location = client.post("/order/2").location.unwrap();
    until("the order is ready", || client.get(&location).is_ready().then_some(()));
    let in_use = output(folder.path(), &["log", "check"]);
    assert_eq!(in_use.status.code(), Some(2));
    pizzeria.stop();

    let report = text(&output(folder.path(), &["log", "check"]));
    for part in ["pizza-with-veggies", "cheese-reporter", ".log"] {
        assert!(report.contains(part), "{part}: {report}");
    }
    let dump = text(&output(folder.path(), &["log", "dump", "pizza-with-veggies"]));
    assert_eq!(dump.lines().count(), 2, "{dump}");
    let json = text(&output(folder.path(), &["log", "dump", "orders", "--json"]));
    let record: serde_json::Value = serde_json::from_str(json.trim()).unwrap();
    assert!(location.ends_with(record["key"].as_str().unwrap()), "{record}");
    let unknown = output(folder.path(), &["log", "dump", "pizzas"]);
    assert_eq!(unknown.status.code(), Some(2));

    assert!(text(&output(folder.path(), &["groups", "list"])).contains("cheese-reporter"));
    text(&output(folder.path(), &["groups", "drop", "cheese-reporter"]));
    assert!(!text(&output(folder.path(), &["groups", "list"])).contains("cheese-reporter"));
    assert_eq!(output(folder.path(), &["groups", "drop", "cheese-reporter"]).status.code(), Some(2));

    // It was counted twice: the service began anew with the oldest record, onto the counts that it had.
    let pizzeria = Pizzeria::start(folder.path(), &[]);
    let client = Client::new(&pizzeria.url);
    let location = client.post("/order/3").location.unwrap();
    until("the order is ready", || client.get(&location).is_ready().then_some(()));
    until("the report adds up", || {
        let report = client.get("/report").json();
        let counts = report.as_object().unwrap().values().map(|count| count.as_u64().unwrap());
        (counts.sum::<u64>() == 2 + 3).then_some(())
    });
}

/// A guest who has sent half of a request is given some seconds; who asks twice does not wait for them.
#[test]
fn a_second_signal_ends_it_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut pizzeria = Pizzeria::start(folder.path(), &[]);
    let address = pizzeria.url.strip_prefix("http://").unwrap().to_owned();
    let mut guest = TcpStream::connect(&address).unwrap();
    guest.write_all(b"POST /order/2 HTTP/1.1\r\nHost: ").unwrap();
    // It takes connections one after the other: when it has answered this one, it has that of the guest, too.
    assert_eq!(Client::new(&pizzeria.url).get("/order/7").status, 404);
    pizzeria.terminate();
    until("it takes no more", || TcpStream::connect(&address).err());
    pizzeria.terminate();
    assert_eq!(pizzeria.wait().code(), Some(130));
}
