use std::{path::PathBuf, time::Duration};

use super::*;

mod faults;
mod forms;
mod printing;
mod properties;

const DATA_DIR: Key<PathBuf> = Key::new("data_dir", "where the log and the tables are kept");
const PARTITIONS: Key<u32> = Key::new("partitions", "partitions of a new topic").within(1..=1024);
const INTERVAL: Key<Duration> = Key::new("commit_interval_ms", "the longest time between two commits");
const RETENTION: Key<ByteSize> = Key::new("retention_bytes", "the most that the log may take on disk");
const PASSWORD: Key<Secret> = Key::new("password", "of the broker's account");
const MENU: Key<Vec<String>> = Key::new("menu", "the sauces to choose from");

fn pairs(given: &[(&str, &str)]) -> Vec<(String, String)> {
    given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn file(text: &str) -> Sources {
    let file = SettingsFile { path: "pizzeria.toml".into(), kind: FileKind::Toml, text: text.to_owned() };
    Sources::new().with_file(file)
}

fn environment(given: &[(&str, &str)]) -> Sources {
    Sources::new().with_environment(pairs(given))
}

fn flags(given: &[(&str, &str)]) -> Sources {
    Sources::new().with_flags(pairs(given))
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// What a small sauce-service asks for.
#[derive(Debug, PartialEq)]
struct Asked {
    data_dir: PathBuf,
    partitions: u32,
    interval: Duration,
    retention: Option<ByteSize>,
    password: Secret,
    menu: Vec<String>,
}

fn ask(settings: &mut Settings) -> Asked {
    Asked {
        data_dir: settings.get(DATA_DIR, "./pizzeria-data".into()),
        partitions: settings.get(PARTITIONS, 4),
        interval: settings.get(INTERVAL, Duration::from_millis(100)),
        retention: settings.optional(RETENTION),
        password: settings.get(PASSWORD, Secret::new("")),
        menu: settings.section("sauce-service").get(MENU, strings(&["pesto", "bbq"])),
    }
}

fn asked(sources: Sources) -> (Asked, Effective) {
    let mut settings = Settings::load(sources);
    let asked = ask(&mut settings);
    (asked, settings.finish().expect("these settings are fine"))
}

/// The lines of the report, without its first.
fn faults_of(sources: Sources) -> Vec<String> {
    let mut settings = Settings::load(sources);
    ask(&mut settings);
    lines(&settings.finish().expect_err("these settings are wrong"))
}

fn lines(faults: &Faults) -> Vec<String> {
    faults.to_string().lines().skip(1).map(|line| line.trim_start().to_owned()).collect()
}

#[test]
fn without_sources_everything_has_its_default() {
    let (asked, effective) = asked(Sources::new());
    assert_eq!(asked.partitions, 4);
    assert_eq!(asked.retention, None);
    assert!(effective.entries().iter().all(|entry| *entry.origin() == Origin::Default));
}

#[test]
fn a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default() {
    let in_file = file("partitions = 5");
    let in_environment = in_file.clone().with_environment(pairs(&[("LINECOOK_PARTITIONS", "6")]));
    let in_flags = in_environment.clone().with_flags(pairs(&[("partitions", "7")]));
    let partitions = |sources| asked(sources).0.partitions;
    assert_eq!(
        [partitions(Sources::new()), partitions(in_file), partitions(in_environment), partitions(in_flags)],
        [4, 5, 6, 7]
    );
}

#[test]
fn a_key_of_a_section_has_its_variable_and_its_flag() {
    let in_section = |sources| asked(sources).0.menu;
    assert_eq!(in_section(file("[sauce-service]\nmenu = ['aioli']")), ["aioli"]);
    assert_eq!(in_section(file("sauce-service.menu = ['aioli']")), ["aioli"]);
    assert_eq!(in_section(environment(&[("LINECOOK_SAUCE_SERVICE_MENU", "aioli")])), ["aioli"]);
    for flag in ["sauce-service-menu", "--sauce-service-menu", "sauce-service.menu", "sauce_service_menu"] {
        assert_eq!(in_section(flags(&[(flag, "aioli")])), ["aioli"], "{flag}");
    }
}

#[test]
fn variables_without_our_prefix_are_not_looked_at() {
    asked(environment(&[("RUST_LOG", "debug"), ("PARTITIONS", "0"), ("LINECOOKER", "x")]));
}

#[test]
fn sections_of_others_are_not_judged() {
    let text = "[cheese-service]\nmenu = 5\nanything = 1";
    let mut settings = Settings::load(
        file(text)
            .with_environment(pairs(&[("LINECOOK_CHEESE_SERVICE_X", "1"), ("LINECOOK_CONFIG", "pizzeria.toml")]))
            .with_flags(pairs(&[("cheese-service-y", "1")])),
    );
    settings.unused_section("cheese-service");
    settings.unused_variable("LINECOOK_CONFIG");
    ask(&mut settings);
    settings.finish().unwrap();
}

#[test]
fn a_used_section_is_judged_even_if_its_name_extends_an_unused_one() {
    let mut settings = Settings::load(environment(&[("LINECOOK_SAUCE_SERVICE_MENUE", "x")]));
    settings.unused_section("sauce");
    ask(&mut settings);
    assert_eq!(settings.finish().unwrap_err().iter().len(), 1);
}

#[test]
#[should_panic(expected = "a setting has one owner")]
fn two_settings_cannot_share_a_variable() {
    let mut settings = Settings::load(Sources::new());
    settings.section("sauce-service").get(MENU, vec![]);
    settings.get(Key::new("sauce_service_menu", "clashes"), String::new());
}

#[test]
#[should_panic(expected = "the key of a time ends in")]
fn the_key_of_a_time_has_a_unit() {
    let _ = Key::<Duration>::new("patience", "how long a guest waits");
}

#[test]
#[should_panic(expected = "that of a size in _bytes")]
fn the_key_of_a_size_has_a_unit() {
    let _ = Key::<ByteSize>::new("size_s", "how large a pizza is");
}
