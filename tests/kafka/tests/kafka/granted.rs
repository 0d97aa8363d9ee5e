//! Who is let in, and what they may do.

use std::process::Output;

use kafka_broker::{Broker, Certificates, ClientCertificates, Operation, Options, Resource, Rights};

use crate::client::{create_topic, kafka_configs};

#[test]
fn users_are_let_in_by_each_mechanism_and_others_are_not() {
    let broker = Broker::start(Options::default().user("alice", "secret").user("bob", "other")).unwrap();
    let known = [("PLAIN", "alice", "secret"), ("SCRAM-SHA-256", "bob", "other"), ("SCRAM-SHA-512", "alice", "secret")];
    for (mechanism, name, password) in known {
        let output = settings_of_broker(&broker, &sasl_ssl(&broker, mechanism, name, password));
        assert!(output.status.success(), "{mechanism} {output:?}");
    }
    for mechanism in ["PLAIN", "SCRAM-SHA-512"] {
        let output = settings_of_broker(&broker, &sasl_ssl(&broker, mechanism, "alice", "wrong"));
        assert!(!output.status.success(), "{mechanism} {output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("SaslAuthenticationException"), "{output:?}");
    }
}

#[test]
fn who_does_not_know_the_authority_does_not_trust_the_broker() {
    let broker = Broker::start(Options::default().user("alice", "secret")).unwrap();
    let properties = sasl_ssl(&broker, "PLAIN", "alice", "secret");
    let without: String = properties.lines().filter(|line| !line.contains("truststore")).fold(String::new(), joined);
    let output = settings_of_broker(&broker, &without);
    assert!(!output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("SslAuthenticationException"), "{output:?}");
}

#[test]
fn a_client_is_known_by_its_certificate() {
    let options = Options::default().client_certificates(ClientCertificates::Required).rights(Rights::Granted);
    let broker = Broker::start(options).unwrap();
    let servers = broker.ssl_servers().unwrap();
    let certificates = broker.certificates().unwrap();
    let authority = certificates.authority.display();
    let without = format!("security.protocol=SSL\nssl.truststore.type=PEM\nssl.truststore.location={authority}\n");
    let (client, password) = (certificates.client.display(), Certificates::PASSWORD);
    let keystore =
        format!("ssl.keystore.type=PKCS12\nssl.keystore.location={client}\nssl.keystore.password={password}\n");
    let describe = ["--describe", "--entity-type", "brokers", "--entity-name", "1"];
    let with = format!("{without}{keystore}");
    broker.allow(Certificates::CLIENT_PRINCIPAL, Operation::DescribeConfigs, &Resource::cluster()).unwrap();
    let output = kafka_configs(&servers, &with, &describe);
    assert!(output.status.success(), "{output:?}");
    let output = kafka_configs(&servers, &without, &describe);
    assert!(!output.status.success(), "{output:?}");
}

#[test]
fn a_user_may_do_what_was_granted_and_not_what_was_taken_away() {
    let broker = Broker::start(Options::default().user("alice", "secret").rights(Rights::Granted)).unwrap();
    assert_eq!(create_topic(&broker.bootstrap_servers(), "pizza-with-sauce").unwrap(), 0);
    let servers = broker.sasl_ssl_servers().unwrap();
    // The topic is not there for who may not see it.
    let describe = || {
        let properties = sasl_ssl(&broker, "SCRAM-SHA-256", "alice", "secret");
        let arguments = ["--describe", "--entity-type", "topics", "--entity-name", "pizza-with-sauce"];
        String::from_utf8(kafka_configs(&servers, &properties, &arguments).stdout).unwrap()
    };
    let (seen, hidden) = ("Dynamic configs for topic pizza-with-sauce are:", "topic 'pizza-with-sauce' doesn't exist");
    let resource = Resource::topic("pizza").and_all_that_begin_so();
    let said = describe();
    assert!(said.contains(hidden), "{said}");
    for operation in [Operation::DescribeConfigs, Operation::Describe] {
        broker.allow("User:alice", operation, &resource).unwrap();
    }
    let said = describe();
    assert!(said.contains(seen), "{said}");
    for operation in [Operation::DescribeConfigs, Operation::Describe] {
        broker.disallow("User:alice", operation, &resource).unwrap();
    }
    let said = describe();
    assert!(said.contains(hidden), "{said}");
}

fn settings_of_broker(broker: &Broker, properties: &str) -> Output {
    let servers = broker.sasl_ssl_servers().unwrap();
    kafka_configs(&servers, properties, &["--describe", "--entity-type", "brokers", "--entity-name", "1"])
}

fn sasl_ssl(broker: &Broker, mechanism: &str, name: &str, password: &str) -> String {
    let module = match mechanism {
        "PLAIN" => "org.apache.kafka.common.security.plain.PlainLoginModule",
        _ => "org.apache.kafka.common.security.scram.ScramLoginModule",
    };
    let login = format!("{module} required username=\"{name}\" password=\"{password}\";");
    let authority = broker.certificates().unwrap().authority.display();
    format!(
        "security.protocol=SASL_SSL\nsasl.mechanism={mechanism}\nsasl.jaas.config={login}\n\
         ssl.truststore.type=PEM\nssl.truststore.location={authority}\n"
    )
}

fn joined(text: String, line: &str) -> String {
    text + line + "\n"
}
