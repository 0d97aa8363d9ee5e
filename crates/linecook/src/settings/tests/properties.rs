use super::*;
use crate::settings::properties::{CONSUMER, Fate, KAFKA_CLIENT, Property, is_secret};

fn ini(text: &str) -> Sources {
    let file = SettingsFile { path: "config.properties".into(), kind: FileKind::Ini, text: text.to_owned() };
    Sources::new().with_file(file)
}

/// `section name=value place` of each property.
fn given(sources: Sources) -> Vec<String> {
    let mut settings = Settings::load(sources);
    ask(&mut settings);
    let properties = [settings.properties(KAFKA_CLIENT), settings.properties(CONSUMER)].concat();
    settings.finish().unwrap();
    let line = |Property { section, name, value, origin }: Property| format!("{section} {name}={value} {origin}");
    properties.into_iter().map(line).collect()
}

fn faults_with_properties(sources: Sources) -> Vec<String> {
    let mut settings = Settings::load(sources);
    ask(&mut settings);
    settings.properties(KAFKA_CLIENT);
    settings.properties(CONSUMER);
    lines(&settings.finish().expect_err("these settings are wrong"))
}

/// As the article's services have it.
const ARTICLE: &str = "\
[kafka_client]
bootstrap.servers=broker.example:9092
security.protocol=SASL_SSL
sasl.mechanisms=PLAIN
sasl.username=cook
sasl.password=100%basil=fresh:#1

[consumer]
group.id=pizza_shop
auto.offset.reset=earliest
enable.auto.commit=true
max.poll.interval.ms=3000000
";

#[test]
fn the_file_of_the_article_is_read_as_it_is() {
    assert_eq!(
        given(ini(ARTICLE)),
        [
            "kafka_client bootstrap.servers=broker.example:9092 config.properties:2",
            "kafka_client security.protocol=SASL_SSL config.properties:3",
            "kafka_client sasl.mechanisms=PLAIN config.properties:4",
            "kafka_client sasl.username=cook config.properties:5",
            "kafka_client sasl.password=100%basil=fresh:#1 config.properties:6",
            "consumer group.id=pizza_shop config.properties:9",
            "consumer auto.offset.reset=earliest config.properties:10",
            "consumer enable.auto.commit=true config.properties:11",
            "consumer max.poll.interval.ms=3000000 config.properties:12",
        ]
    );
}

#[test]
fn what_the_readers_of_other_languages_allow_is_allowed() {
    let text = "\u{feff}# ours\r\n\r\n[kafka_client] ; the brokers\r\nBootstrap.Servers : a:1,\r\n\r\n  # two\r\n  b:1\r\n\
                client.id =  kitchen  \r\n; the end\r\ndebug=\r\n";
    assert_eq!(
        given(ini(text)),
        [
            "kafka_client bootstrap.servers=a:1,\n\nb:1 config.properties:4",
            "kafka_client client.id=kitchen config.properties:8",
            "kafka_client debug= config.properties:10",
        ]
    );
    assert!(given(ini("[consumer]\n")).is_empty());
    assert!(given(ini("")).is_empty());
}

#[test]
fn the_same_can_stand_in_toml_with_quotes_and_without() {
    let text = "partitions = 8\n[kafka_client]\nbootstrap.servers = 'a:1'\n\"socket.timeout.ms\" = 9_000\n\
                log.connection.close = false\nlinger.ms = 0.5\n[consumer]\n'fetch.min.bytes' = '1'\n";
    assert_eq!(
        given(file(text)),
        [
            "kafka_client bootstrap.servers=a:1 pizzeria.toml:3",
            "kafka_client socket.timeout.ms=9000 pizzeria.toml:4",
            "kafka_client log.connection.close=false pizzeria.toml:5",
            "kafka_client linger.ms=0.5 pizzeria.toml:6",
            "consumer fetch.min.bytes=1 pizzeria.toml:8",
        ]
    );
}

#[test]
fn a_placeholder_is_a_fault_that_names_its_key_and_not_what_is_there() {
    let text = "[kafka_client]\nbootstrap.servers={kafka bootstrap server}\nsasl.username={API Key or Username}\n\
                sasl.password={API Secret or Password}\nssl.key.password=<basil>\nclient.id=${KITCHEN}\n\
                sasl.oauthbearer.extensions={\"logicalCluster\":\"lkc-1\"}\nclient.rack={\n";
    let refused = |line: usize, key: &str| {
        format!(
            "config.properties:{line}: a placeholder that was not filled: put the real value there: \
             key=kafka_client.{key}"
        )
    };
    assert_eq!(
        faults_with_properties(ini(text)),
        [
            refused(2, "bootstrap.servers"),
            refused(3, "sasl.username"),
            refused(4, "sasl.password"),
            refused(5, "ssl.key.password"),
            refused(6, "client.id"),
        ]
    );
}

#[test]
fn whatever_is_wrong_in_such_a_file_is_told_with_its_line_and_without_a_secret() {
    for (text, fault) in [
        ("[kafka_client]\nbasil\n", "config.properties:2: neither a [section] nor a comment nor key=value"),
        ("[kafka_client]\n=basil\n", "config.properties:2: neither a [section] nor a comment nor key=value"),
        ("sasl.password=basil\n", "config.properties:1: before the first [section]"),
        ("[consumer]\na=basil\nA=basil\n", "config.properties:3: given twice: key=a"),
        ("[consumer]\n[consumer]\n", "config.properties:2: given twice: section=consumer"),
        (
            "[kafka_clint]\nsasl.password=basil\n",
            "config.properties:1: unknown section, the nearest is kafka_client: section=kafka_clint",
        ),
        (
            "[sauce-service]\nmenu=basil\n",
            "config.properties:1: settings of a service are given in a TOML file, as flags or as variables: \
             section=sauce-service",
        ),
    ] {
        assert_eq!(faults_with_properties(ini(text)), [fault], "{text}");
    }
    let toml = "kafka_client = 5\n[consumer]\nfetch = ['basil']\n";
    assert_eq!(
        faults_with_properties(file(toml)),
        [
            "pizzeria.toml:1: wrong type, expected a section: key=kafka_client",
            "pizzeria.toml:3: wrong type, expected a text, a number or a truth: key=consumer.fetch",
        ]
    );
}

#[test]
fn the_name_of_a_file_says_how_it_is_read_or_else_its_text_does() {
    let directory = tempfile::tempdir().unwrap();
    let toml = "partitions = 9\n[consumer]\n'client.id' = 'kitchen'\n";
    for (name, text, is_ini) in [
        ("config.properties", ARTICLE, true),
        ("kafka.ini", ARTICLE, true),
        ("kafka.conf", ARTICLE, true),
        ("config", ARTICLE, true),
        ("config", toml, false),
        ("pizzeria.toml", toml, false),
    ] {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        let mut settings = Settings::load(Sources::from_process(Some(&path), []));
        ask(&mut settings);
        assert!(!settings.properties(CONSUMER).is_empty(), "{name}");
        assert_eq!(settings.only_properties(KAFKA_CLIENT).is_some(), is_ini, "{name}");
        settings.properties(KAFKA_CLIENT);
        settings.finish().unwrap();
    }
}

#[test]
fn what_became_of_a_property_is_printed_and_can_be_loaded_again() {
    let mut settings = Settings::load(ini(ARTICLE));
    ask(&mut settings);
    let fates = [
        Fate::Taken,
        Fate::Changed { to: "SSL".to_owned(), because: "this is a test".to_owned() },
        Fate::Added { because: "it is better".to_owned() },
        Fate::Ignored { because: "nobody asks".to_owned() },
        Fate::Taken,
    ];
    let properties = settings.properties(KAFKA_CLIENT);
    let consumer = settings.properties(CONSUMER);
    properties.iter().zip(&fates).for_each(|(property, fate)| settings.enter_property(property, fate));
    settings.enter_property(&consumer[0], &fates[3]);
    let shown = settings.finish().unwrap().to_string();
    let (_, of_kafka) = shown.split_once("[kafka_client]\n").unwrap();
    assert_eq!(
        of_kafka,
        "\"bootstrap.servers\" = \"broker.example:9092\" # config.properties:2\n\
         \"security.protocol\" = \"SSL\" # config.properties:3 has SASL_SSL, changed because this is a test\n\
         \"sasl.mechanisms\" = \"PLAIN\" # config.properties:4, because it is better\n\
         # ignored: sasl.username, because nobody asks # config.properties:5\n\
         # \"sasl.password\" = *** # config.properties:6\n\n\
         [consumer]\n\
         # ignored: group.id, because nobody asks # config.properties:9\n"
    );
    let again = given(file(&shown));
    assert_eq!(again.len(), 3, "{again:?}");
}

#[test]
fn a_secret_is_known_by_its_name() {
    for secret in [
        "sasl.password",
        "ssl.key.password",
        "ssl.keystore.password",
        "ssl.key.pem",
        "sasl.oauthbearer.client.secret",
        "sasl.oauthbearer.client.credentials.client.secret",
        "sasl.oauthbearer.assertion.private.key.passphrase",
        "sasl.oauthbearer.config",
        "sasl.jaas.config",
    ] {
        assert!(is_secret(secret), "{secret}");
    }
    for plain in ["bootstrap.servers", "sasl.mechanisms", "sasl.username", "ssl.ca.location", "ssl.key.location"] {
        assert!(!is_secret(plain), "{plain}");
    }
    let shown = format!("{:?}", Settings::load(ini(ARTICLE)).properties(KAFKA_CLIENT));
    assert!(shown.contains("sasl.password") && !shown.contains("basil"), "{shown}");
}
