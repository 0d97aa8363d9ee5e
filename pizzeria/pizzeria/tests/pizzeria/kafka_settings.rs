//! What a user meets who asks for Kafka, with and without a build that has it. No test here needs a broker.

use std::{fs, path::Path, process::Output};

use crate::{article::ARTICLE, process::output};

fn filled() -> String {
    let filled = ARTICLE.replace("{kafka bootstrap server}", "127.0.0.1:1").replace("{API Key or Username}", "cook");
    filled.replace("{API Secret or Password}", "b4silikum")
}

fn with_file(folder: &Path, name: &str, text: &str, arguments: &[&str]) -> Output {
    let file = folder.join(name);
    fs::write(&file, text).unwrap();
    let all = [&["--config", file.to_str().unwrap()], arguments].concat();
    let data_dir = folder.join("data");
    let ended = output(&data_dir, &all);
    assert!(!data_dir.exists(), "nothing was begun");
    ended
}

/// What it has told when it ended with exit code 2.
fn refusal(ended: &Output) -> String {
    let told = String::from_utf8(ended.stderr.clone()).unwrap();
    assert_eq!(ended.status.code(), Some(2), "{told}");
    told
}

#[test]
fn a_placeholder_that_was_not_filled_is_named_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let told = refusal(&with_file(folder.path(), "config.properties", ARTICLE, &["settings"]));
    for part in
        ["config.properties:2: ", "config.properties:5: ", "config.properties:6: ", "key=kafka_client.sasl.password"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!told.contains("API Secret"), "{told}");
}

#[test]
fn the_log_is_one_of_two() {
    let folder = tempfile::tempdir().unwrap();
    let told = refusal(&output(folder.path(), &["--log", "rabbit"]));
    assert!(told.contains("expected one of embedded, kafka"), "{told}");
    let told = refusal(&output(folder.path(), &["--log", "kafka", "--bootstrap-servers", "here"]));
    assert!(told.contains("no port, expected host:port"), "{told}");
}

#[test]
fn settings_of_the_other_log_are_known_and_a_truth_needs_no_value() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--bootstrap-servers", "a:9092,b:9092", "--accept-gap", "settings"];
    let shown = output(folder.path(), &arguments);
    let shown = String::from_utf8(shown.stdout).unwrap();
    for line in [
        "log = \"embedded\" # default",
        "bootstrap_servers = \"a:9092,b:9092\" # flag --bootstrap-servers",
        "accept_gap = true # flag --accept-gap",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    let shown = output(folder.path(), &["--accept-gap=false", "settings"]);
    assert!(String::from_utf8(shown.stdout).unwrap().contains("accept_gap = false # flag --accept-gap"));
}

#[test]
fn servers_without_the_wish_for_kafka_are_noticed_by_who_runs() {
    let folder = tempfile::tempdir().unwrap();
    let no_folder = folder.path().join("file");
    fs::write(&no_folder, "").unwrap();
    let told = |arguments: &[&str]| String::from_utf8(output(&no_folder, arguments).stderr).unwrap();
    let idle = told(&["--bootstrap-servers", "127.0.0.1:1"]);
    assert!(idle.contains("records are kept in the embedded log; on Kafka with --log kafka"), "{idle}");
    assert!(!told(&[]).contains("--log kafka"));
}

#[cfg(not(feature = "kafka"))]
mod without_kafka {
    use super::*;

    #[test]
    fn asking_for_kafka_tells_how_to_get_it() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        let told = refusal(&output(&data_dir, &["--log", "kafka", "--bootstrap-servers", "127.0.0.1:1"]));
        assert!(told.contains("cargo build --release --features kafka"), "{told}");
        assert!(!data_dir.exists(), "nothing was begun");
        let told = refusal(&with_file(folder.path(), "config.properties", &filled(), &[]));
        assert!(told.contains("config.properties:1: this build has no Kafka"), "{told}");
    }

    #[test]
    fn properties_are_shown_without_their_values() {
        let folder = tempfile::tempdir().unwrap();
        let shown = with_file(folder.path(), "config.properties", &filled(), &["--log", "embedded", "settings"]);
        let shown = String::from_utf8(shown.stdout).unwrap();
        assert!(shown.contains("# ignored: sasl.password, because this build has no Kafka"), "{shown}");
        assert!(!shown.contains("b4silikum"), "{shown}");
    }
}

#[cfg(feature = "kafka")]
mod with_kafka {
    use std::time::Duration;

    use super::*;
    use crate::{
        http::Client,
        process::{Pizzeria, now, until},
    };

    #[test]
    fn the_file_of_the_article_says_which_log_and_what_of_it_counts() {
        let folder = tempfile::tempdir().unwrap();
        let ended = with_file(folder.path(), "config.properties", &filled(), &["settings"]);
        let shown = String::from_utf8(ended.stdout).unwrap();
        let place = folder.path().join("config.properties").display().to_string();
        for line in [
            &format!("log = \"kafka\" # {place}:1\n"),
            &format!("\"bootstrap.servers\" = \"127.0.0.1:1\" # {place}:2\n"),
            &format!("# \"sasl.password\" = *** # {place}:6\n"),
            "\"ssl.ca.location\" = \"probe\" # default, because",
            &format!("# ignored: group.id, because the group is named after the service # {place}:9\n"),
        ] {
            assert!(shown.contains(line), "{line}: {shown}");
        }
        assert!(!shown.contains("b4silikum"), "{shown}");
        let again = with_file(folder.path(), "again.toml", &shown, &["settings"]);
        assert!(again.status.success(), "{again:?}");
    }

    #[test]
    fn what_librdkafka_does_not_know_is_refused_with_the_nearest_it_knows() {
        let folder = tempfile::tempdir().unwrap();
        let text = filled().replace("sasl.password", "sasl.pasword").replace("SASL_SSL", "TLS") + "[consumer_]\n";
        let told = refusal(&with_file(folder.path(), "config.properties", &text, &["settings"]));
        for part in [
            "no property of librdkafka, the nearest is sasl.password: key=kafka_client.sasl.pasword",
            "it is refused: Invalid value \"TLS\"",
            "unknown section, the nearest is consumer: section=consumer_",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
        assert!(!told.contains("b4silikum"), "{told}");
    }

    #[test]
    fn a_cluster_has_to_be_somewhere() {
        let folder = tempfile::tempdir().unwrap();
        let told = refusal(&output(folder.path(), &["--log", "kafka"]));
        assert!(told.contains("--bootstrap-servers host:port"), "{told}");
    }

    #[test]
    fn the_files_of_the_embedded_log_are_not_looked_for_on_kafka() {
        let folder = tempfile::tempdir().unwrap();
        let told =
            refusal(&output(folder.path(), &["--log", "kafka", "--bootstrap-servers", "127.0.0.1:1", "log", "check"]));
        assert!(told.contains("reads the files of the embedded log"), "{told}");
    }

    /// The process ended, or waited without answering, until somebody started the broker.
    #[test]
    fn without_a_broker_it_answers_says_so_and_can_be_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let arguments = ["--log", "kafka", "--bootstrap-servers", "127.0.0.1:1"];
        let mut pizzeria = Pizzeria::start(folder.path(), &arguments);
        assert!(pizzeria.screen.contains("kafka at 127.0.0.1:1, exactly once"), "{}", pizzeria.screen);
        let client = Client::new(&pizzeria.url);
        assert_eq!(client.get("/healthz").status, 200);
        let unready = until("it says why", || Some(client.get("/readyz")).filter(|answer| answer.status == 503));
        assert!(unready.problem().contains("starting"), "{unready:?}");
        let begun = now();
        let refused = client.post("/order/2");
        assert!(begun.elapsed() < Duration::from_secs(5));
        assert_eq!((refused.status, refused.retry_after.as_deref()), (503, Some("1")));
        assert!(refused.problem().contains("nothing was stored"), "{refused:?}");
        let begun = now();
        pizzeria.terminate();
        assert!(pizzeria.wait().success());
        assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    }
}
