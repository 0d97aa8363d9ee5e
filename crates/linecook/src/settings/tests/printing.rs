use super::*;

fn from_all_sources() -> Sources {
    file("# ours\npartitions = 8\nretention_bytes = 67108864\n")
        .with_environment(pairs(&[("LINECOOK_PASSWORD", "basil"), ("LINECOOK_COMMIT_INTERVAL_MS", "20")]))
        .with_flags(pairs(&[("sauce-service-menu", "pesto,aioli")]))
}

#[test]
fn the_settings_are_printed_with_doc_and_origin() {
    let (_, effective) = asked(from_all_sources());
    assert_eq!(
        effective.to_string(),
        r#"# where the log and the tables are kept
data_dir = "./pizzeria-data" # default

# partitions of a new topic
partitions = 8 # pizzeria.toml:2

# the longest time between two commits
commit_interval_ms = 20 # environment LINECOOK_COMMIT_INTERVAL_MS

# the most that the log may take on disk
retention_bytes = 67_108_864 # pizzeria.toml:3

# of the broker's account
# password = *** # environment LINECOOK_PASSWORD

[sauce-service]
# the sauces to choose from
menu = ["pesto", "aioli"] # flag --sauce-service-menu
"#
    );
}

#[test]
fn what_is_not_set_is_printed_as_a_comment() {
    let (_, effective) = asked(Sources::new());
    assert!(effective.to_string().contains("\n# retention_bytes is not set\n"));
}

#[test]
fn printed_settings_can_be_loaded_again() {
    let (mut before, effective) = asked(from_all_sources());
    let (after, again) = asked(file(&effective.to_string()));
    before.password = Secret::new("");
    assert_eq!(before, after);
    let values = |effective: &Effective| effective.entries().iter().map(Entry::value).collect::<Vec<_>>();
    assert_eq!(values(&effective), values(&again));
}

#[test]
fn whatever_a_text_holds_it_can_be_loaded_again() {
    let nasty =
        strings(&["", "a\"b", "c\\d", "e\nf\tg\r", "# no comment", "'''", "\u{7f}\u{0}\u{85}", "piñata 🍕", ","]);
    let ask = |sources| {
        let mut settings = Settings::load(sources);
        let menu = settings.section("sauce-service").get(MENU, nasty.clone());
        (menu, settings.finish().unwrap())
    };
    let (_, effective) = ask(Sources::new());
    let printed = effective.to_string();
    let (menu, again) = ask(file(&printed));
    assert_eq!(menu, nasty);
    assert!(again.to_string().contains("# pizzeria.toml:3"), "{again}");
}

#[test]
fn sections_are_printed_together_however_they_were_asked_for() {
    let mut settings = Settings::load(Sources::new());
    settings.section("b").get(Key::new("one", "first"), 1_u8);
    settings.get(Key::new("top", "above all"), true);
    settings.section("a").get(Key::new("two", "second"), 2_u8);
    settings.section("b").get(Key::new("three", "third"), 3_u8);
    assert_eq!(
        settings.finish().unwrap().to_string(),
        "# above all\ntop = true # default\n\n[b]\n# first\none = 1 # default\n\n# third\nthree = 3 # default\n\n\
         [a]\n# second\ntwo = 2 # default\n"
    );
}

#[test]
fn a_file_name_cannot_break_out_of_its_comment() {
    let path = "a\nworkers = 3".into();
    let text = "partitions = 8".to_owned();
    let (_, effective) = asked(Sources::new().with_file(SettingsFile { path, kind: FileKind::Toml, text }));
    asked(file(&effective.to_string()));
}

#[test]
fn a_secret_is_shown_by_nothing() {
    let sources = file("password = \"basil\"")
        .with_environment(pairs(&[("LINECOOK_PASSWORD", "basil")]))
        .with_flags(pairs(&[("password", "basil")]));
    let mut shown = format!("{sources:?}");
    let mut settings = Settings::load(sources);
    shown += &format!("{settings:?}");
    let asked = ask(&mut settings);
    shown += &format!("{asked:?} {settings:?}");
    shown += &format!("{:?}", settings.section("sauce-service"));
    let effective = settings.finish().unwrap();
    shown += &format!("{effective:?} {effective}");
    assert!(!shown.contains("basil"), "{shown}");
    assert!(shown.contains("***"));
    assert_eq!(asked.password.expose(), "basil");
}

/// A secret that quotes itself when it refuses.
struct Pin(String);

impl SettingValue for Pin {
    type Written = String;
    const SECRET: bool = true;

    fn from_written(text: String) -> Result<Self, String> {
        if text.len() == 4 { Ok(Self(text)) } else { Err(format!("{text} has not four digits")) }
    }

    fn to_written(&self) -> String {
        self.0.clone()
    }
}

#[test]
fn a_secret_is_in_no_fault() {
    let faults_with_secret = |sources| {
        let mut settings = Settings::load(sources);
        settings.get(Key::new("pin", "of the safe"), Pin("0000".to_owned()));
        settings.get(PASSWORD, Secret::new(""));
        if let Some(entry) = settings.entries().first() {
            assert_eq!(entry.value().as_deref(), Some("***"));
        }
        settings.refuse("pin", "too easy");
        let faults = settings.finish().unwrap_err();
        format!("{faults} {faults:?}")
    };
    for sources in [
        file("pin = \"basil\"\npassword = [\"basil\"]"),
        file("pin = \"basil\npassword = basil"),
        file("pni = \"basil\""),
        environment(&[("LINECOOK_PIN", "basil"), ("LINECOOK_PASWORD", "basil")]),
        flags(&[("pin", "basil"), ("pasword", "basil"), ("pin", "basil")]),
    ] {
        let shown = faults_with_secret(sources);
        assert!(!shown.contains("basil"), "{shown}");
    }
}
