//! Bad input and faults: what each gets.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt};

use crate::{
    http::Client,
    process::{Pizzeria, output, until},
};

#[test]
fn a_count_that_is_none_is_refused_and_nothing_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let pizzeria = Pizzeria::start(folder.path(), &["--pizza-service-order-limit", "50"]);
    let client = Client::new(&pizzeria.url);
    let digits = "9".repeat(40);
    for bad in ["0", "-1", "1.5", "many", "51", &digits, "%20", "1e3"] {
        let answer = client.post(&format!("/order/{bad}"));
        assert_eq!(answer.status, 400, "{bad}: {answer:?}");
        assert!(answer.problem().contains("from 1 to 50"), "{bad}: {answer:?}");
    }
    pizzeria.stop();
    let dump = output(folder.path(), &["log", "dump", "orders"]);
    assert_eq!(String::from_utf8(dump.stdout).unwrap(), "");
}

#[test]
fn an_id_that_is_none_and_one_that_nobody_has_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let pizzeria = Pizzeria::start(folder.path(), &[]);
    let client = Client::new(&pizzeria.url);
    assert_eq!(client.get("/order/7").status, 404);
    assert!(client.get("/order/7").problem().contains("id=7"));
    for bad in ["pizza", &"9".repeat(60), "-7", "007", "%FF"] {
        let answer = client.get(&format!("/order/{bad}"));
        assert_eq!((answer.status, answer.problem().is_empty()), (400, false), "{bad}");
    }
}

#[test]
fn unknown_paths_and_wrong_methods_are_problems() {
    let folder = tempfile::tempdir().unwrap();
    let pizzeria = Pizzeria::start(folder.path(), &[]);
    let client = Client::new(&pizzeria.url);
    for path in ["/", "/orders", "/order", "/order/7/pizza"] {
        let answer = client.get(path);
        assert_eq!((answer.status, answer.problem().is_empty()), (404, false), "{path}");
    }
    let answer = client.delete("/order/7");
    assert_eq!(answer.status, 405);
    let allow = answer.allow.clone().unwrap();
    assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
    assert!(answer.problem().contains("DELETE"));
    assert_eq!(client.post("/report").status, 405);
    for path in ["/healthz", "/readyz"] {
        until("it is well", || (client.get(path).status == 200).then_some(()));
    }
    let location = client.post("/order/2").location.unwrap();
    until("the order is ready", || client.get(&location).is_ready().then_some(()));
    let metrics = client.get("/metrics").text;
    for name in ["linecook_records_total", "linecook_commits_total", "linecook_log_syncs_total", "linecook_lag"] {
        assert!(metrics.contains(name), "{name}: {metrics}");
    }
}

#[test]
fn a_second_one_in_the_same_directory_is_told_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let _pizzeria = Pizzeria::start(folder.path(), &[]);
    let second = output(folder.path(), &["--http-address", "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(2));
    let text = String::from_utf8(second.stderr).unwrap();
    let shown = folder.path().display().to_string();
    assert!(text.contains(&shown) && text.contains("process=") && text.contains("--data-dir"), "{text}");
}

#[test]
fn a_taken_port_is_named_with_the_flag() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let second = output(folder.path(), &["--http-address", &address]);
    assert_eq!(second.status.code(), Some(2));
    let text = String::from_utf8(second.stderr).unwrap();
    assert!(text.contains(&address) && text.contains("--http-address"), "{text}");
}

/// Orders were taken and never ready, and everything else looked well.
#[test]
fn a_final_topic_that_nobody_writes_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let stopped = output(folder.path(), &["--pizza-service-final-topic", "pizza-with-veggie"]);
    assert_eq!(stopped.status.code(), Some(2));
    let text = String::from_utf8(stopped.stderr).unwrap();
    assert!(text.contains("topics=pizza-with-veggie") && text.contains("in the settings"), "{text}");
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    // Root may write everywhere, but not below a file.
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o444)).unwrap();
    let stopped = output(&file.join("data"), &["--http-address", "127.0.0.1:0"]);
    assert_eq!(stopped.status.code(), Some(2));
    let text = String::from_utf8(stopped.stderr).unwrap();
    assert!(text.contains("cannot write") && text.contains(&file.display().to_string()), "{text}");
}

#[test]
fn all_faults_of_the_settings_are_told_in_one_report() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pizzeria.toml");
    fs::write(&file, "partitons = 4\nworkers = 'two'\n\n[sauce-service]\nmenue = ['pesto']\nmenu = []\n").unwrap();
    let stopped = output(folder.path(), &["--config", file.to_str().unwrap()]);
    assert_eq!(stopped.status.code(), Some(2));
    let text = String::from_utf8(stopped.stderr).unwrap();
    for part in ["nearest is partitions", "key=workers", "nearest is menu", "nothing to choose from"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn data_of_a_newer_version_is_refused_and_both_versions_are_named() {
    let folder = tempfile::tempdir().unwrap();
    Pizzeria::start(folder.path(), &[]).stop();
    // The version byte of the first segment's header, and the checksum that covers it.
    let segment = folder.path().join("log").join(format!("{:020}.log", 1));
    let mut bytes = fs::read(&segment).unwrap();
    bytes[12] = 9;
    let length = u32::from_le_bytes(bytes[16..20].try_into().unwrap()) as usize;
    let crc = crc32c::crc32c(&bytes[12..length]).to_le_bytes();
    bytes[8..12].copy_from_slice(&crc);
    fs::write(&segment, bytes).unwrap();
    let stopped = output(folder.path(), &["--http-address", "127.0.0.1:0"]);
    assert_eq!(stopped.status.code(), Some(2));
    let text = String::from_utf8(stopped.stderr).unwrap();
    assert!(text.contains("found_format=9") && text.contains("known_format=1"), "{text}");
}

#[test]
fn writes_are_refused_while_the_disk_is_nearly_full_and_what_is_there_is_still_shown() {
    let folder = tempfile::tempdir().unwrap();
    let pizzeria = Pizzeria::start(folder.path(), &[]);
    let client = Client::new(&pizzeria.url);
    let location = client.post("/order/2").location.unwrap();
    until("the order is ready", || client.get(&location).is_ready().then_some(()));
    pizzeria.stop();

    // No disk has that much to spare.
    let pizzeria = Pizzeria::start(folder.path(), &["--reserve-bytes", "1152921504606846976"]);
    let client = Client::new(&pizzeria.url);
    let refused = until("writes are refused", || Some(client.post("/order/2")).filter(|answer| answer.status == 503));
    assert!(refused.retry_after.is_some());
    let problem = refused.problem();
    assert!(problem.contains("nothing was stored") && problem.contains("reserve_bytes"), "{problem}");
    until("it is not ready", || (client.get("/readyz").status == 503).then_some(()));
    assert_eq!(client.get("/healthz").status, 200);
    assert!(client.get(&location).is_ready());
}
