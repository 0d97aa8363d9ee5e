//! The services as processes of their own, on a broker.

use std::{collections::BTreeMap, process::Command};

use kafka_broker::{Broker, Options};
use tempfile::TempDir;

use crate::{
    audit::Told,
    http::Client,
    instance::{Instance, program},
    process::until,
    python::{foreign, printed},
    raw::{PIZZA_TOPICS, Raw},
};

/// All services, and the topic in which each shows that it works.
pub(crate) const SERVICES: [(&str, &str); 6] = [
    ("pizza-service", "pizza"),
    ("sauce-service", "pizza-with-sauce"),
    ("cheese-service", "pizza-with-cheese"),
    ("meat-service", "pizza-with-meats"),
    ("veggie-service", "pizza-with-veggies"),
    ("cheese-reporter", "cheese-reporter.cheese-counts.changelog"),
];

/// Those that put something on a pizza.
pub(crate) const STAGES: [&str; 4] = ["sauce-service", "cheese-service", "meat-service", "veggie-service"];

/// Some services with a log in common.
pub(crate) struct Kitchen {
    running: BTreeMap<String, Instance>,
    /// How each service is told where the log is.
    flags: Vec<String>,
    data: TempDir,
}

impl Kitchen {
    /// Nobody in it yet.
    pub(crate) fn empty(servers: &str) -> Self {
        Self::with_flags(&["--log", "kafka", "--bootstrap-servers", servers])
    }

    pub(crate) fn with_flags(flags: &[&str]) -> Self {
        let data = tempfile::tempdir().unwrap();
        Self { running: BTreeMap::new(), flags: flags.iter().map(|&flag| flag.to_owned()).collect(), data }
    }

    /// All six at work.
    pub(crate) fn open(servers: &str) -> Self {
        let mut kitchen = Self::empty(servers);
        kitchen.start_all();
        kitchen.until_ready();
        kitchen
    }

    pub(crate) fn start_all(&mut self) {
        SERVICES.iter().for_each(|(service, _)| self.start(service));
    }

    pub(crate) fn start(&mut self, service: &str) {
        let command = self.command(service, service, &[]);
        self.running.insert(service.to_owned(), Instance::start(service, command));
    }

    /// One more process of a service, with a data directory of its own, which belongs to the caller.
    pub(crate) fn start_another(&self, service: &str, name: &str, arguments: &[&str]) -> Instance {
        Instance::start(name, self.command(service, name, arguments))
    }

    fn command(&self, service: &str, name: &str, arguments: &[&str]) -> Command {
        let mut command = program(service, &self.data.path().join(name));
        command.args(&self.flags).args(["--http-address", "127.0.0.1:0"]).args(arguments);
        command
    }

    pub(crate) fn until_ready(&self) {
        self.running.values().for_each(Instance::until_ready);
    }

    pub(crate) fn instance(&mut self, service: &str) -> &mut Instance {
        self.running.get_mut(service).unwrap_or_else(|| panic!("does not run: {service}"))
    }

    /// Whoever ran there and does no more.
    pub(crate) fn take(&mut self, service: &str) -> Instance {
        self.running.remove(service).unwrap_or_else(|| panic!("does not run: {service}"))
    }

    pub(crate) fn client(&mut self, service: &str) -> Client {
        self.instance(service).client()
    }

    /// Where orders are taken.
    pub(crate) fn url(&mut self) -> String {
        self.instance("pizza-service").url()
    }

    /// Those that have ended: how, and what they said last.
    pub(crate) fn ended(&mut self) -> Vec<String> {
        self.running.values_mut().filter_map(Instance::last_words).collect()
    }

    /// Places orders and waits until they are ready.
    pub(crate) fn serve(&mut self, counts: impl IntoIterator<Item = u64>) {
        let client = self.client("pizza-service");
        let placed: Vec<_> = counts.into_iter().map(|count| place(&client, count)).collect();
        placed.iter().for_each(|location| until_made(&client, location));
    }

    /// What guests were told is so, over HTTP and in the topics, where each pizza is once.
    pub(crate) fn check(&mut self, told: &Told, broker: &Broker) {
        if let Err(broken) = told.check_over_http(&self.client("pizza-service")) {
            let services = SERVICES.map(|(service, _)| service);
            let waiting = printed(foreign("waiting", &broker.bootstrap_servers(), &services));
            let ended = self.ended();
            panic!("{broken:?}\nended: {ended:?}\n{}", String::from_utf8_lossy(&waiting));
        }
        told.check_raw(&raw(broker)).unwrap();
    }

    /// All end well when asked to.
    pub(crate) fn close(mut self) {
        self.running.values_mut().for_each(Instance::stop);
    }
}

/// Where the order is.
pub(crate) fn place(client: &Client, count: u64) -> String {
    let post = || client.try_post(&format!("/order/{count}"), None).filter(|answer| answer.status == 201);
    until("an order is taken", post).location.unwrap()
}

pub(crate) fn until_made(client: &Client, location: &str) {
    until("the order is ready", || client.try_get(location).filter(|answer| answer.is_ready()));
}

/// A broker whose topics have four partitions.
pub(crate) fn broker(options: Options) -> Broker {
    Broker::start(options.partitions(4)).unwrap()
}

/// What a client that is none of ours reads in all topics.
pub(crate) fn raw(broker: &Broker) -> Raw {
    let topics: Vec<_> = ["orders"].into_iter().chain(PIZZA_TOPICS).collect();
    let read = printed(foreign("read", &broker.bootstrap_servers(), &topics));
    let mut values: BTreeMap<&[u8], Vec<&[u8]>> = BTreeMap::new();
    for line in read.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let tab = line.iter().position(|byte| *byte == b'\t').unwrap();
        values.entry(&line[..tab]).or_default().push(&line[tab + 1..]);
    }
    Raw::collect(|topic, see| values.remove(topic.as_bytes()).into_iter().flatten().for_each(see))
}
