//! `server.properties`.

use std::{fmt::Write as _, path::Path, time::Duration};

use crate::{Certificates, ClientCertificates, Controller, Options, Result, Rights, options::Behind, ports};

/// The ports of a broker. They stay what they are over its restarts.
#[derive(Debug)]
pub(crate) struct Ports {
    pub(crate) plain: u16,
    pub(crate) controller: u16,
    pub(crate) sasl_ssl: Option<u16>,
    pub(crate) ssl: Option<u16>,
}

impl Ports {
    /// Free ones, but for the one that was asked for.
    pub(crate) fn of(options: &Options) -> Result<Self> {
        let when = |is_wanted: bool| is_wanted.then(ports::free).transpose();
        Ok(Self {
            plain: options.port.map_or_else(ports::free, Ok)?,
            controller: ports::free()?,
            sasl_ssl: when(!options.users.is_empty())?,
            ssl: when(options.client_certificates == ClientCertificates::Required)?,
        })
    }
}

/// Small and quick, for one node: nothing is replicated, nobody waits for those who could join as well, and what was left
/// behind is noticed soon.
///
/// The broker's own session is one of those: a broker that was killed may not register anew while its old session lasts,
/// so that a restart would take 9 s more. With less than 3 s a busy machine would lose its broker for a moment. Records
/// are kept whatever their time says: tests write some of long ago.
const FIXED: &str = "\
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
auto.create.topics.enable=false
log.retention.ms=-1
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=500
log.cleaner.dedupe.buffer.size=16777216
num.io.threads=4
num.network.threads=2
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
transaction.abort.timed.out.transaction.cleanup.interval.ms=500
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
";

/// The id of a controller that is not the broker's own.
pub(crate) const CONTROLLER_APART: u32 = 2;
/// How long a broker counts as there after it was last heard of, unless a property says something else.
pub(crate) const BROKER_SESSION: Duration = Duration::from_secs(3);

/// The properties of a broker that was asked to be like this. Of two of one name Java takes the later.
pub(crate) fn text(options: &Options, ports: &Ports, data: &Path, certificates: Option<&Certificates>) -> String {
    let mut text = FIXED.to_owned();
    let mut set = |name: &str, value: &str| {
        writeln!(text, "{name}={}", value.replace('\\', "\\\\")).expect("a string can be written to");
    };
    let listeners = Listeners::of(options, ports);
    set("listeners", &listeners.at);
    set("advertised.listeners", &listeners.advertised);
    set("listener.security.protocol.map", &listeners.protocols);
    let controller = match options.controller {
        Controller::Inside => 1,
        Controller::Apart => {
            set("process.roles", "broker");
            // On its way down it would give up its partitions, and nobody else is there to lead them: the marks of
            // transactions that end just then would be dropped, and those stay open for ever.
            set("controlled.shutdown.enable", "false");
            CONTROLLER_APART
        }
    };
    set("controller.quorum.voters", &format!("{controller}@127.0.0.1:{}", ports.controller));
    set("inter.broker.listener.name", "PLAINTEXT");
    set("log.dirs", &data.display().to_string());
    set("num.partitions", &options.partitions.unwrap_or(1).to_string());
    if let Some(certificates) = certificates {
        set("ssl.keystore.type", "PKCS12");
        set("ssl.keystore.location", &certificates.broker.display().to_string());
        set("ssl.keystore.password", Certificates::PASSWORD);
        set("ssl.truststore.type", "PEM");
        set("ssl.truststore.location", &certificates.authority.display().to_string());
        set("listener.name.mutual.ssl.client.auth", "required");
    }
    if !options.users.is_empty() {
        let scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
        let known: String =
            options.users.iter().map(|(name, password)| format!(" user_{name}=\"{password}\"")).collect();
        let plain = format!("org.apache.kafka.common.security.plain.PlainLoginModule required{known};");
        set("sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512");
        set("listener.name.secured.plain.sasl.jaas.config", &plain);
        set("listener.name.secured.scram-sha-256.sasl.jaas.config", scram);
        set("listener.name.secured.scram-sha-512.sasl.jaas.config", scram);
    }
    if options.rights == Rights::Granted {
        set("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer");
        set("super.users", "User:ANONYMOUS");
    }
    for (name, value) in &options.properties {
        set(name, value);
    }
    text
}

/// The properties of the controller of a broker that has it apart.
pub(crate) fn text_of_controller(options: &Options, ports: &Ports, data: &Path) -> String {
    let mut text = FIXED.to_owned();
    let port = ports.controller;
    let of_role = [
        ("process.roles", "controller".to_owned()),
        ("node.id", CONTROLLER_APART.to_string()),
        ("listeners", format!("CONTROLLER://127.0.0.1:{port}")),
        ("listener.security.protocol.map", "CONTROLLER:PLAINTEXT".to_owned()),
        ("controller.quorum.voters", format!("{CONTROLLER_APART}@127.0.0.1:{port}")),
        ("log.dirs", data.display().to_string()),
    ];
    let given = options.properties.iter().map(|(name, value)| (name.as_str(), value.clone()));
    for (name, value) in of_role.into_iter().chain(given) {
        writeln!(text, "{name}={value}").expect("a string can be written to");
    }
    text
}

/// A user as the tool that formats a folder wants to have it, once a mechanism.
pub(crate) fn scram_users(options: &Options) -> Vec<String> {
    let of =
        |mechanism: &str, (name, password): &(String, String)| format!("{mechanism}=[name={name},password={password}]");
    options
        .users
        .iter()
        .flat_map(|user| ["SCRAM-SHA-256", "SCRAM-SHA-512"].map(|mechanism| of(mechanism, user)))
        .collect()
}

#[derive(Default)]
struct Listeners {
    at: String,
    advertised: String,
    protocols: String,
}

impl Listeners {
    fn of(options: &Options, ports: &Ports) -> Self {
        let mut listeners = Self::default();
        listeners.add("PLAINTEXT", "PLAINTEXT", Some(ports.plain), Some(ports.plain));
        let own_controller = (options.controller == Controller::Inside).then_some(ports.controller);
        listeners.add("CONTROLLER", "PLAINTEXT", own_controller, None);
        for (number, Behind { port, advertised }) in options.behind.iter().enumerate() {
            listeners.add(&format!("BEHIND{number}"), "PLAINTEXT", Some(*port), Some(*advertised));
        }
        for (name, protocol, port) in [("SECURED", "SASL_SSL", ports.sasl_ssl), ("MUTUAL", "SSL", ports.ssl)] {
            if port.is_some() {
                listeners.add(name, protocol, port, port);
            }
        }
        listeners
    }

    /// One at this port, if it is the broker's own, which clients find where it says.
    fn add(&mut self, name: &str, protocol: &str, port: Option<u16>, advertised: Option<u16>) {
        if let Some(port) = port {
            push(&mut self.at, &format!("{name}://127.0.0.1:{port}"));
        }
        if let Some(advertised) = advertised {
            push(&mut self.advertised, &format!("{name}://127.0.0.1:{advertised}"));
        }
        push(&mut self.protocols, &format!("{name}:{protocol}"));
    }
}

fn push(list: &mut String, item: &str) {
    if !list.is_empty() {
        list.push(',');
    }
    list.push_str(item);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_of_the_caller_come_last() {
        let options = Options::default().property("num.io.threads", "1");
        let ports = Ports { plain: 1, controller: 2, sasl_ssl: None, ssl: None };
        let text = text(&options, &ports, Path::new("/data"), None);
        assert!(text.ends_with("num.partitions=1\nnum.io.threads=1\n"), "{text}");
    }

    #[test]
    fn each_user_is_known_by_both_scram_mechanisms() {
        let options = Options::default().user("cook", "salt");
        let users = ["SCRAM-SHA-256=[name=cook,password=salt]", "SCRAM-SHA-512=[name=cook,password=salt]"];
        assert_eq!(scram_users(&options), users);
    }
}
