//! What the cluster does not allow: which call says so, and how.

use std::{sync::Arc, time::Duration};

use kafka_broker::{Broker, Certificates, ClientCertificates, Operation, Options, Resource, Rights};
use linecook_kafka::{KafkaLog, Properties, Scope, Verdict};
use linecook_log::{
    Clock as _, Commit, Error, ErrorKind, Log as _, Member, Offset, Output, Result, SystemClock, TopicSpec,
};

use crate::{
    kitchen::{Kitchen, at, batch_of, read_all},
    stranger,
};

/// A broker that lets `cook` in, who may do what the test says.
struct Guarded {
    broker: Broker,
    kitchen: Kitchen,
    admin: Arc<KafkaLog>,
}

const COOK: &str = "User:cook";

impl Guarded {
    fn start() -> Self {
        let options = Options::default().user("cook", "basil").rights(Rights::Granted);
        let options = options.client_certificates(ClientCertificates::Required);
        let broker = Broker::start(options).unwrap();
        let kitchen = Kitchen::on(&broker.bootstrap_servers());
        let admin = kitchen.open("admin");
        Self { broker, kitchen, admin }
    }

    fn properties(&self, password: &str) -> Properties {
        self.by("PLAIN", password)
    }

    fn by(&self, mechanism: &str, password: &str) -> Properties {
        let mut properties = Properties::of_servers(&self.broker.sasl_ssl_servers().unwrap());
        let given = [
            ("security.protocol", "SASL_SSL"),
            ("sasl.mechanisms", mechanism),
            ("sasl.username", "cook"),
            ("sasl.password", password),
        ];
        add(&mut properties, &given);
        properties
    }

    fn trusting(&self, password: &str) -> Properties {
        self.trust(self.properties(password))
    }

    fn trust(&self, mut properties: Properties) -> Properties {
        let authority = self.broker.certificates().unwrap().authority.display().to_string();
        add(&mut properties, &[("ssl.ca.location", &authority)]);
        properties
    }

    /// Who shows a certificate.
    fn with_certificate(&self) -> Properties {
        let mut properties = Properties::of_servers(&self.broker.ssl_servers().unwrap());
        let client = self.broker.certificates().unwrap().client.display().to_string();
        let given = [
            ("security.protocol", "SSL"),
            ("ssl.keystore.location", client.as_str()),
            ("ssl.keystore.password", Certificates::PASSWORD),
        ];
        add(&mut properties, &given);
        self.trust(properties)
    }

    fn open(&self, properties: Properties) -> Result<KafkaLog> {
        let mut options = self.kitchen.options("cook");
        options.properties = properties;
        KafkaLog::open(options, Arc::<SystemClock>::clone(&self.kitchen.clock))
    }

    fn cook(&self) -> KafkaLog {
        self.open(self.trusting("basil")).unwrap()
    }

    fn allow(&self, operation: Operation, resource: &Resource) {
        self.broker.allow(COOK, operation, resource).unwrap();
    }
}

fn add(properties: &mut Properties, given: &[(&str, &str)]) {
    for (name, value) in given {
        assert_eq!(properties.add(Scope::All, name, value), Verdict::Taken, "{name}");
    }
}

fn check(error: &Error, words: &[&str]) {
    check_kind(error, ErrorKind::Invalid, words);
}

/// What could be stored if there were a right is for later: there may be one by then.
fn check_waits(error: &Error, words: &[&str]) {
    check_kind(error, ErrorKind::Unavailable, words);
}

fn check_kind(error: &Error, kind: ErrorKind, words: &[&str]) {
    assert_eq!(error.kind(), kind, "{}", error.chain());
    words.iter().for_each(|word| assert!(error.chain().contains(word), "{word} is not in: {}", error.chain()));
}

fn open_refused(guarded: &Guarded, properties: Properties) -> Error {
    let began = guarded.kitchen.clock.monotonic();
    let error = guarded.open(properties).map(drop).unwrap_err();
    assert!(guarded.kitchen.clock.monotonic() - began < Duration::from_secs(3), "it is known at once");
    error
}

#[test]
fn who_is_not_let_in_hears_it_from_open() {
    let guarded = Guarded::start();
    check(&open_refused(&guarded, guarded.trusting("oregano")), &["SASL", "Authentication failed"]);
    // Nobody has said which authority to trust.
    check(&open_refused(&guarded, guarded.properties("basil")), &["certificate", "ssl.ca.location"]);
    drop(guarded.cook());
}

#[test]
fn who_is_known_by_scram_or_by_a_certificate_is_let_in() {
    let guarded = Guarded::start();
    let topic = guarded.kitchen.topic(&guarded.admin, "orders", 1);
    let resource = Resource::topic(topic.as_str());
    for principal in [COOK, Certificates::CLIENT_PRINCIPAL] {
        guarded.broker.allow(principal, Operation::All, &resource).unwrap();
    }
    let scram = ["SCRAM-SHA-256", "SCRAM-SHA-512"];
    let known = scram.map(|mechanism| guarded.trust(guarded.by(mechanism, "basil")));
    for (number, properties) in (0..).zip(known.into_iter().chain([guarded.with_certificate()])) {
        let log = guarded.open(properties).unwrap();
        guarded.kitchen.until("it may append", || {
            log.append(&at(&topic, 0), batch_of(&[number])).and_then(|it| guarded.kitchen.wait(it)).is_ok()
        });
    }
    assert_eq!(read_all(&guarded.admin, &at(&topic, 0)), [0, 1, 2]);
    for mechanism in scram {
        let wrong = guarded.trust(guarded.by(mechanism, "oregano"));
        check(&open_refused(&guarded, wrong), &["SASL", "Authentication failed"]);
    }
    let mut nobody = Properties::of_servers(&guarded.broker.ssl_servers().unwrap());
    add(&mut nobody, &[("security.protocol", "SSL")]);
    assert!(guarded.open(guarded.trust(nobody)).and_then(|log| log.describe()).is_err(), "it shows no certificate");
}

/// A broker that goes down cuts greetings short, which librdkafka calls a refused login: a worker that heard that stopped
/// for good, and did not go on when the broker was back.
#[test]
fn a_broker_on_its_way_down_or_up_refuses_nobody() {
    let guarded = Guarded::start();
    let source = guarded.kitchen.topic(&guarded.admin, "source", 1);
    let all = |resource: Resource| guarded.allow(Operation::All, &resource.and_all_that_begin_so());
    [Resource::topic("f"), Resource::group("f"), Resource::transactional_id("f")].into_iter().for_each(all);
    let log = guarded.cook();
    let mut member = log.join(guarded.kitchen.spec("chef", "cook", &[&source], &[])).unwrap();
    guarded.kitchen.until_owns(&mut *member, 1);
    let check = |outcome: Result<()>| {
        let Err(error) = outcome else { return };
        assert_ne!(error.kind(), ErrorKind::Invalid, "{}", error.chain());
    };
    for _ in 0..2 {
        guarded.broker.stop().unwrap();
        for _ in 0..10 {
            check(log.describe().map(drop));
            check(member.poll(Duration::from_millis(20), 1).map(drop));
        }
        guarded.broker.restart().unwrap();
        guarded.kitchen.until("the log answers again", || {
            check(member.poll(Duration::from_millis(20), 1).map(drop));
            let described = log.describe().map(drop);
            let is_back = described.is_ok();
            check(described);
            is_back
        });
    }
}

#[test]
fn who_may_not_use_a_topic_hears_it_from_each_call() {
    let guarded = Guarded::start();
    let (kitchen, admin) = (&guarded.kitchen, &guarded.admin);
    let source = kitchen.topic(admin, "source", 1);
    let target = kitchen.topic(admin, "target", 1);
    kitchen.append(admin, &at(&source, 0), 0..3);
    let log = guarded.cook();
    let new = TopicSpec { name: kitchen.name("new"), partition_count: 1 };
    check(&log.create_topics(&[new]).unwrap_err(), &[kitchen.name("new").as_str(), "right"]);
    check(&log.join(kitchen.spec("chef", "cook", &[&source], &[])).map(drop).unwrap_err(), &[source.as_str()]);
    assert_eq!(log.describe().unwrap(), []);

    // It sees them, and may neither read nor write.
    [&source, &target].into_iter().for_each(|it| guarded.allow(Operation::Describe, &Resource::topic(it.as_str())));
    guarded.allow(Operation::All, &Resource::group("f").and_all_that_begin_so());
    // Members by their group's name, appends by their service's.
    for name in ["f", "kitchen."] {
        guarded.allow(Operation::All, &Resource::transactional_id(name).and_all_that_begin_so());
    }
    kitchen.until("it sees the topics", || log.describe().unwrap().len() == 2);
    check(&log.read(&at(&source, 0), Offset(0), 1).unwrap_err(), &[source.as_str(), "right"]);
    for size in [1, 2] {
        let numbers: Vec<_> = (0..size).collect();
        let ticket = log.append(&at(&target, 0), batch_of(&numbers)).unwrap();
        check_waits(&kitchen.wait(ticket).unwrap_err(), &[target.as_str(), "right"]);
    }

    let mut member = log.join(kitchen.spec("chef", "cook", &[&source], &[])).unwrap();
    kitchen.until_owns(&mut *member, 1);
    let commit = || {
        let output = Output { to: at(&target, 0), batch: batch_of(&[7]) };
        Commit { outputs: vec![output], offsets: vec![(at(&source, 0), Offset(0))], ..Commit::default() }
    };
    check(&until_invalid(kitchen, &mut *member), &[source.as_str(), "right"]);
    check_waits(&member.commit(commit()).map(drop).unwrap_err(), &["right"]);
    guarded.allow(Operation::Read, &Resource::topic(source.as_str()));
    let mut member = log.join(kitchen.spec("chef", "cook", &[&source], &[])).unwrap();
    kitchen.until_owns(&mut *member, 1);
    check_waits(&member.commit(commit()).map(drop).unwrap_err(), &["right: on the topic"]);
    guarded.allow(Operation::Write, &Resource::topic(target.as_str()));
    let mut member = log.join(kitchen.spec("chef", "cook", &[&source], &[])).unwrap();
    kitchen.until_owns(&mut *member, 1);
    drop(member.commit(commit()).unwrap());
    kitchen.until("it may append", || {
        log.append(&at(&target, 0), batch_of(&[8])).and_then(|ticket| kitchen.wait(ticket)).is_ok()
    });
    assert_eq!(read_all(admin, &at(&target, 0)), [7, 8]);
    assert_eq!(kitchen.take(&mut *member, 3), [0, 1, 2]);
}

/// Polls until that is refused.
fn until_invalid(kitchen: &Kitchen, member: &mut dyn Member) -> Error {
    let mut refusal = None;
    kitchen.until("a poll says what is not allowed", || {
        refusal = member.poll(Duration::from_millis(50), 1 << 20).err();
        refusal.is_some()
    });
    refusal.unwrap()
}

/// Nobody said it: the member's polls were idle for ever.
#[test]
fn who_may_not_join_a_group_hears_it_from_a_poll() {
    let guarded = Guarded::start();
    let kitchen = &guarded.kitchen;
    let source = kitchen.topic(&guarded.admin, "source", 1);
    guarded.allow(Operation::All, &Resource::topic("f").and_all_that_begin_so());
    guarded.allow(Operation::All, &Resource::transactional_id("f").and_all_that_begin_so());
    let log = guarded.cook();
    let group = kitchen.group("chef");
    let spec = || kitchen.spec("chef", "cook", &[&source], &[]);
    let groups = [linecook_log::GroupSpec { name: group.clone(), topics: vec![source.clone()] }];
    check(&log.declare_groups(&groups).unwrap_err(), &[group.as_str(), "right"]);
    let error = match log.join(spec()) {
        Err(error) => error,
        Ok(mut member) => until_invalid(kitchen, &mut *member),
    };
    check(&error, &[group.as_str(), "right"]);
    guarded.allow(Operation::All, &Resource::group("f").and_all_that_begin_so());
    let mut member = log.join(spec()).unwrap();
    kitchen.until_owns(&mut *member, 1);
}

#[test]
fn who_may_not_use_a_transactional_id_hears_it_from_join() {
    let guarded = Guarded::start();
    let kitchen = &guarded.kitchen;
    let source = kitchen.topic(&guarded.admin, "source", 1);
    guarded.allow(Operation::All, &Resource::topic("f").and_all_that_begin_so());
    guarded.allow(Operation::All, &Resource::group("f").and_all_that_begin_so());
    let log = guarded.cook();
    let spec = || kitchen.spec("chef", "cook", &[&source], &[]);
    let id = format!("{}.{}.0", kitchen.group("chef"), kitchen.instance("cook"));
    check(&log.join(spec()).map(drop).unwrap_err(), &[&id, "right"]);
    let ticket = log.append(&at(&source, 0), batch_of(&[1, 2])).unwrap();
    check_waits(&kitchen.wait(ticket).unwrap_err(), &["transactional_id", "right"]);
    guarded.allow(Operation::All, &Resource::transactional_id("f").and_all_that_begin_so());
    let mut member = log.join(spec()).unwrap();
    kitchen.until_owns(&mut *member, 1);
}

/// A producer that may write to no topic at all is over for good, and nothing was ever appended again, whatever rights
/// were given later.
#[test]
fn who_gets_the_right_to_write_after_an_append_can_append() {
    let guarded = Guarded::start();
    let kitchen = &guarded.kitchen;
    let orders = kitchen.topic(&guarded.admin, "orders", 1);
    guarded.allow(Operation::Describe, &Resource::topic(orders.as_str()));
    let log = guarded.cook();
    let append = || log.append(&at(&orders, 0), batch_of(&[1])).and_then(|ticket| kitchen.wait(ticket));
    check_waits(&append().unwrap_err(), &[orders.as_str(), "right"]);
    guarded.allow(Operation::Write, &Resource::topic(orders.as_str()));
    kitchen.until("it may append", || append().is_ok());
}

#[test]
fn what_the_broker_finds_too_large_is_refused_with_its_size_and_the_member_goes_on() {
    let kitchen = Kitchen::shared();
    let log = kitchen.open("cook");
    let source = kitchen.topic(&log, "source", 1);
    let target = kitchen.name("target");
    stranger::create_topic(kitchen.servers(), &target, Some(("max.message.bytes", "2000")));
    kitchen.append(&log, &at(&source, 0), 0..3);
    let mut member = log.join(kitchen.spec("chef", "cook", &[&source], &[])).unwrap();
    kitchen.until_owns(&mut *member, 1);
    assert_eq!(kitchen.take(&mut *member, 3), [0, 1, 2]);
    let commit = |numbers: &[u64], large: usize| {
        let mut batch = batch_of(numbers);
        let value = vec![b'x'; large];
        let record = linecook_log::NewRecord {
            key: None,
            value: Some(&value),
            timestamp: linecook_log::Timestamp(1),
            headers: &[],
        };
        if large > 0 {
            batch.push(&record).unwrap();
        }
        let output = Output { to: at(&target, 0), batch };
        Commit { outputs: vec![output], offsets: vec![(at(&source, 0), Offset(3))], ..Commit::default() }
    };
    let error = member.commit(commit(&[5], 5_000)).map(drop).unwrap_err();
    check(&error, &["larger", "=5000", target.as_str()]);
    assert_eq!(kitchen.take(&mut *member, 3), [0, 1, 2]);
    kitchen.wait(member.commit(commit(&[6], 0)).unwrap()).unwrap();
    assert_eq!(read_all(&log, &at(&target, 0)), [6]);
    // Of an append, too.
    let mut batch = batch_of(&[]);
    let value = vec![b'x'; 5_000];
    batch
        .push(&linecook_log::NewRecord {
            key: None,
            value: Some(&value),
            timestamp: linecook_log::Timestamp(1),
            headers: &[],
        })
        .unwrap();
    let ticket = log.append(&at(&target, 0), batch).unwrap();
    check(&kitchen.wait(ticket).unwrap_err(), &["larger", "=5000", target.as_str()]);
    kitchen.append(&log, &at(&target, 0), [7]);
    assert_eq!(read_all(&log, &at(&target, 0)), [6, 7]);
}

/// A cluster on its way up says that none of its brokers is there. A service that was started at that moment ended with
/// that for its reason.
#[test]
fn topics_for_which_there_are_too_few_brokers_are_waited_for() {
    let broker = Broker::start(Options::default().property("default.replication.factor", "3")).unwrap();
    let kitchen = Kitchen::on(&broker.bootstrap_servers());
    let log = kitchen.open("cook");
    let error = log.create_topics(&[TopicSpec { name: kitchen.name("orders"), partition_count: 1 }]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", error.chain());
    assert!(error.chain().contains("replication factor"), "{}", error.chain());
}
