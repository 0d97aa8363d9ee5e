use super::*;

fn one<T: SettingValue>(key: Key<T>, default: T, sources: Sources) -> Result<T, String> {
    let mut settings = Settings::load(sources);
    let value = settings.get(key, default);
    settings.finish().map(|_| value).map_err(|faults| faults.iter().next().unwrap().message().to_owned())
}

fn from_text<T: SettingValue>(key: Key<T>, default: T, text: &str) -> Result<T, String> {
    one(key, default, flags(&[(key.name(), text)]))
}

#[test]
fn a_list_has_commas_between_its_items_outside_of_files() {
    let list = |text| from_text(MENU, vec![], text);
    assert_eq!(list("pesto, bbq ,aioli"), Ok(strings(&["pesto", "bbq", "aioli"])));
    assert_eq!(list("pesto"), Ok(strings(&["pesto"])));
    assert_eq!(list(" "), Ok(vec![]));
    assert!(list("pesto,,bbq").unwrap_err().ends_with("found=\"pesto,,bbq\""));
    assert!(list("pesto,").is_err());
}

/// A menu that was copied from what `settings` prints had items like `["bbq"`.
#[test]
fn a_list_as_it_is_printed_can_be_given_as_a_flag() {
    let list = |text| from_text(MENU, vec![], text);
    assert_eq!(list(r#"["pesto", "a, b"]"#), Ok(strings(&["pesto", "a, b"])));
    assert_eq!(list(" [] "), Ok(vec![]));
    assert!(list(r#"["pesto""#).unwrap_err().contains("expected a list"));
    assert!(list("[1]").is_err());
}

#[test]
fn a_time_is_a_whole_number_of_the_unit_in_its_name() {
    let in_s = Key::new("drain_s", "how long to wait for what is in hand");
    let in_days = Key::new("retention_days", "how long records are kept");
    assert_eq!(from_text(INTERVAL, Duration::ZERO, "250"), Ok(Duration::from_millis(250)));
    assert_eq!(from_text(in_s, Duration::ZERO, "250"), Ok(Duration::from_secs(250)));
    assert_eq!(from_text(in_days, Duration::ZERO, "7"), Ok(Duration::from_secs(7 * 86_400)));
    for wrong in ["1.5", "250ms", "", "-1"] {
        let message = from_text(INTERVAL, Duration::ZERO, wrong).unwrap_err();
        assert!(message.contains("expected a whole number of milliseconds from 0"), "{message}");
    }
}

#[test]
fn the_range_of_a_time_is_in_its_unit() {
    let message = from_text(INTERVAL.within(1..=60_000), Duration::from_secs(1), "60001").unwrap_err();
    assert_eq!(
        message,
        "out of range, expected a whole number of milliseconds from 1 to 60000: key=commit_interval_ms found=60001"
    );
}

#[test]
fn a_default_that_is_not_whole_in_its_unit_is_a_fault() {
    let message = one(INTERVAL, Duration::from_micros(1500), Sources::new()).unwrap_err();
    assert!(message.ends_with("key=commit_interval_ms found=1.5ms"), "{message}");
}

#[test]
fn a_size_may_have_underscores_and_no_unit() {
    let size = |text| from_text(RETENTION, ByteSize::default(), text);
    assert_eq!(size("67_108_864"), Ok(ByteSize::mebibytes(64)));
    assert_eq!(one(RETENTION, ByteSize::default(), file("retention_bytes = 1_000")), Ok(ByteSize::new(1000)));
    assert!(size("64MiB").unwrap_err().contains("expected a whole number of bytes from 0"));
    assert!(size("-1").unwrap_err().starts_with("out of range"));
}

#[test]
fn an_integer_is_never_wrapped() {
    let port = Key::<u8>::new("table_count", "tables in the dining room");
    assert_eq!(from_text(port, 0, "255"), Ok(255));
    assert_eq!(
        from_text(port, 0, "256"),
        Err("out of range, expected a whole number from 0 to 255: key=table_count found=256".to_owned())
    );
    assert!(from_text(port, 0, "9".repeat(60).as_str()).unwrap_err().starts_with("wrong type"));
    let wide = Key::<u8>::new("table_count", "wider than its type").within(-5..=1000);
    assert!(from_text(wide, 0, "256").unwrap_err().starts_with("out of range"));
    assert_eq!(one(Key::new("seed", "of the randomness"), 0, file("seed = 0xff")), Ok(255_u64));
}

#[test]
fn true_and_false_are_the_only_truths() {
    let colour = Key::new("colour", "whether to print in colour");
    assert_eq!(from_text(colour, false, "true"), Ok(true));
    assert_eq!(one(colour, true, file("colour = false")), Ok(false));
    assert_eq!(
        from_text(colour, false, "yes"),
        Err("wrong type, expected true or false: key=colour found=\"yes\"".to_owned())
    );
    assert!(one(colour, true, file("colour = \"true\"")).is_err());
}

#[test]
fn a_path_is_not_empty() {
    assert_eq!(
        from_text(DATA_DIR, ".".into(), ""),
        Err("an empty path, expected a path: key=data_dir found=\"\"".to_owned())
    );
}

#[test]
fn addresses_need_a_host_and_a_port() {
    let bind = Key::<std::net::SocketAddr>::new("http_address", "where to listen");
    let default = std::net::SocketAddr::from(([127, 0, 0, 1], 5000));
    assert_eq!(from_text(bind, default, "[::1]:80").map(|address| address.port()), Ok(80));
    assert!(
        from_text(bind, default, "localhost:80").unwrap_err().starts_with("not an address, expected an IP address")
    );

    let broker = |text: &str| text.parse::<HostPort>().map(|broker| broker.to_string());
    for fine in ["localhost:9092", "10.0.0.1:1", "[::1]:9092"] {
        assert_eq!(broker(fine), Ok(fine.to_owned()));
    }
    for (wrong, why) in [
        ("localhost", "no port"),
        ("localhost:", "not a port from 0 to 65535"),
        ("localhost:65536", "not a port from 0 to 65535"),
        (":9092", "not a host"),
        ("::1:9092", "not a host"),
        ("[kafka]:9092", "not a host"),
        ("http://kafka:9092", "not a host"),
        ("a b:1", "not a host"),
    ] {
        assert_eq!(broker(wrong), Err(why.to_owned()), "{wrong}");
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Policy {
    Park,
    Skip,
}

impl Choice for Policy {
    const NAMES: &'static [(&'static str, Self)] = &[("park", Self::Park), ("skip", Self::Skip)];
}

#[test]
fn a_choice_is_one_of_its_names() {
    let policy = Key::new("on_failure", "what happens to a record that fails for good");
    assert_eq!(from_text(policy, Policy::Park, "skip"), Ok(Policy::Skip));
    assert_eq!(
        from_text(policy, Policy::Park, "Skip"),
        Err("no such choice, expected one of park, skip: key=on_failure found=\"Skip\"".to_owned())
    );
}

#[derive(Debug, PartialEq)]
struct Menu(Vec<String>);

impl SettingValue for Menu {
    type Written = Vec<String>;

    fn expected() -> Option<String> {
        Some("a list of at least one text".to_owned())
    }

    fn from_written(names: Vec<String>) -> Result<Self, String> {
        if names.is_empty() { Err("nothing to choose from".to_owned()) } else { Ok(Self(names)) }
    }

    fn to_written(&self) -> Vec<String> {
        self.0.clone()
    }
}

#[test]
fn a_type_of_the_users_own_checks_what_its_form_cannot() {
    let menu = Key::new("menu", "the sauces to choose from");
    let default = || Menu(strings(&["pesto"]));
    assert_eq!(one(menu, default(), file("menu = ['bbq']")), Ok(Menu(strings(&["bbq"]))));
    assert_eq!(
        one(menu, default(), file("menu = []")),
        Err("nothing to choose from, expected a list of at least one text: key=menu found=[]".to_owned())
    );
    assert!(one(menu, Menu(vec![]), Sources::new()).is_err(), "a default is checked as well");
}
