//! How services hang together: which topics there are, who reads and who writes them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use linecook_log::{Error, GroupName, GroupSpec, Result, TopicName, TopicSpec};

use crate::{
    Service,
    service::{DEAD_LETTERS, Role, StepDeclaration},
};

/// What a set of services declares. It prints as a description of them.
///
/// ```
/// use linecook::{Definition, Service, Topic, Topology};
///
/// const ORDERS: Topic<u64, String> = Topic::new("orders");
/// const GREETINGS: Topic<u64, String> = Topic::new("greetings");
/// let build = |service: &mut Service| {
///     service.stage(ORDERS, GREETINGS, |order, _| Ok(format!("thank you for {order}")));
/// };
/// let greeter = Definition::new("greeter", 5001, build).service(&mut Default::default())?;
///
/// let topology = Topology::of([&greeter])?;
/// assert_eq!(topology.to_string(), "greeter\n  orders → greetings\n");
/// assert_eq!(topology.topic_specs(4).len(), 4); // and greeter.dead-letters, and one for what operators say
/// # Ok::<(), linecook_log::Error>(())
/// ```
#[derive(Debug)]
pub struct Topology {
    topics: BTreeMap<TopicName, Uses>,
    services: Vec<Declared>,
}

/// Who uses a topic.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Uses {
    /// Who reads it.
    pub readers: Vec<Use>,
    /// Who writes it.
    pub writers: Vec<Use>,
}

/// How a service uses a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The service.
    pub service: GroupName,
    /// As what.
    pub part: Part,
}

/// What part of a service it is that uses a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A stage.
    Stage,
    /// The table of that name.
    Table(String),
    /// What writes records that failed.
    DeadLetters,
    /// What moves records into the partition of their key, for the tables.
    Repartition,
    /// What operators tell the service to do with records that wait.
    Control,
    /// What appends from outside, such as its HTTP routes.
    Outside,
}

#[derive(Debug)]
struct Declared {
    name: GroupName,
    reads: Vec<TopicName>,
    lines: Vec<String>,
}

impl Topology {
    /// That of these services.
    ///
    /// # Errors
    /// `Invalid` with everything that is wrong with their declarations.
    pub fn of<'a>(services: impl IntoIterator<Item = &'a Service>) -> Result<Self> {
        let mut topology = Self { topics: BTreeMap::new(), services: Vec::new() };
        let mut faults = Vec::new();
        let mut names = BTreeSet::new();
        for service in services {
            faults.extend(service.faults().iter().map(|fault| format!("service {}: {fault}", service.name())));
            if !names.insert(service.name()) {
                faults.push(format!("two services of one name: service={}", service.name()));
            }
            topology.add(service);
        }
        faults.extend(topology.strangers_in_plumbing());
        if faults.is_empty() { Ok(topology) } else { Err(Error::invalid(faults.join("; "))) }
    }

    /// The topics and who uses them, in order of their names.
    pub fn topics(&self) -> impl Iterator<Item = (&TopicName, &Uses)> {
        self.topics.iter()
    }

    /// All topics, to be created with that many partitions each.
    pub fn topic_specs(&self, partition_count: u32) -> Vec<TopicSpec> {
        self.topics.keys().map(|name| TopicSpec { name: name.clone(), partition_count }).collect()
    }

    /// The groups of all services that read something.
    pub fn group_specs(&self) -> Vec<GroupSpec> {
        let readers = self.services.iter().filter(|service| !service.reads.is_empty());
        readers.map(|service| GroupSpec { name: service.name.clone(), topics: service.reads.clone() }).collect()
    }

    fn add(&mut self, service: &Service) {
        for step in service.steps() {
            self.uses(&step.from).readers.push(Use { service: service.name().clone(), part: part_of(step) });
            if let Role::Stage { to } = &step.role {
                self.add_writer(to, service, Part::Stage);
            }
        }
        for (table, to) in service.emitted() {
            self.add_writer(to, service, Part::Table(service.table_at(*table).name().to_string()));
        }
        for to in service.produced() {
            self.add_writer(to, service, Part::Outside);
        }
        for (_, to) in service.repartitions() {
            self.add_writer(to, service, Part::Repartition);
        }
        for topic in service.control_topics() {
            self.uses(topic).readers.push(Use { service: service.name().clone(), part: Part::Control });
            self.add_writer(topic, service, Part::Control);
        }
        let reads: Vec<_> = service.inputs().iter().map(|input| input.topic.clone()).collect();
        if !reads.is_empty() {
            self.add_writer(&service.targets()[DEAD_LETTERS.0], service, Part::DeadLetters);
        }
        self.services.push(Declared { name: service.name().clone(), reads, lines: lines_of(service) });
    }

    /// Who else writes to a topic of the toolkit's own, by accident of the names.
    fn strangers_in_plumbing(&self) -> impl Iterator<Item = String> {
        let is_plumbing = |writer: &Use| matches!(writer.part, Part::Repartition | Part::Control);
        let is_shared = move |uses: &Uses| uses.writers.len() > 1 && uses.writers.iter().any(is_plumbing);
        let shared = self.topics.iter().filter(move |(_, uses)| is_shared(uses));
        shared.map(|(topic, _)| format!("only one service writes to such a topic: topic={topic}"))
    }

    fn add_writer(&mut self, topic: &TopicName, service: &Service, part: Part) {
        self.uses(topic).writers.push(Use { service: service.name().clone(), part });
    }

    fn uses(&mut self, topic: &TopicName) -> &mut Uses {
        self.topics.entry(topic.clone()).or_default()
    }
}

fn part_of(step: &StepDeclaration) -> Part {
    match step.role {
        Role::Stage { .. } => Part::Stage,
        Role::Table { .. } => Part::Table(step.name.clone()),
    }
}

/// One line a stage, a table and an outside topic, and one for the topics of moved records.
fn lines_of(service: &Service) -> Vec<String> {
    let produced = service.produced().iter().map(|topic| format!("→ {topic}"));
    let stages = service.steps().iter().filter_map(|step| match &step.role {
        Role::Stage { to } => Some(format!("{} → {to}", step.from)),
        Role::Table { .. } => None,
    });
    let tables = (0..service.tables().count()).map(|table| table_line(service, table));
    let moved: Vec<_> = service.repartitions().map(|(_, to)| to.as_str()).collect();
    let moved = (!moved.is_empty()).then(|| format!("misplaced records → {}", moved.join(", ")));
    produced.chain(stages).chain(tables).chain(moved).collect()
}

fn table_line(service: &Service, table: usize) -> String {
    let folded = service.steps().iter().filter(|step| step.role == Role::Table { table });
    let folded = folded.filter(|step| !service.is_repartition(&step.from));
    let folded: Vec<_> = folded.map(|step| step.from.as_str()).collect();
    let emitted = service.emitted().iter().filter(|(by, _)| *by == table);
    let emitted: Vec<_> = emitted.map(|(_, to)| to.as_str()).collect();
    let mut line = format!("{} → table {}", folded.join(", "), service.table_at(table).name());
    if !emitted.is_empty() {
        line += &format!(" → {}", emitted.join(", "));
    }
    line
}

impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for service in &self.services {
            writeln!(f, "{}", service.name)?;
            service.lines.iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use linecook_log::InputSpec;

    use super::*;
    use crate::{Definition, PartialCounts, Table, Topic};

    const ORDERS: Topic<u64, u32> = Topic::new("orders");
    const PIZZA: Topic<u64, String> = Topic::new("pizza");
    const BAKED: Topic<u64, String> = Topic::new("baked");
    const KITCHEN: Table<u64, u64> = Table::new("kitchen");
    const COUNTS: PartialCounts<String> = PartialCounts::new("counts");

    fn service(name: &'static str, build: fn(&mut Service)) -> Service {
        Definition::new(name, 0, build).service(&mut Default::default()).unwrap()
    }

    fn kitchen() -> Service {
        service("kitchen-service", |service| {
            service.produces(ORDERS);
            service.table(KITCHEN).emits(PIZZA).fold(ORDERS, |_, _, _| Ok(())).fold(BAKED, |_, _, _| Ok(()));
            service.count(COUNTS, PIZZA, |name: String| name);
        })
    }

    fn oven() -> Service {
        service("oven", |service| {
            service.stage(PIZZA, BAKED, |pizza, _| Ok(pizza));
        })
    }

    #[test]
    fn a_topology_reads_like_the_diagram() {
        let text = Topology::of([&kitchen(), &oven()]).unwrap().to_string();
        let lines = [
            "kitchen-service",
            "  → orders",
            "  orders, baked → table kitchen → pizza",
            "  pizza → table counts",
            "  misplaced records → kitchen-service.orders.repartition, kitchen-service.baked.repartition",
            "oven",
            "  pizza → baked",
            "",
        ];
        assert_eq!(text, lines.join("\n"));
    }

    #[test]
    fn it_tells_who_reads_and_who_writes_a_topic() {
        let topology = Topology::of([&kitchen(), &oven()]).unwrap();
        let (_, pizza) = topology.topics().find(|(name, _)| name.as_str() == "pizza").unwrap();
        let parts = |uses: &[Use]| uses.iter().map(|by| by.part.clone()).collect::<Vec<_>>();
        assert_eq!(parts(&pizza.readers), [Part::Table("counts".into()), Part::Stage]);
        assert_eq!(parts(&pizza.writers), [Part::Table("kitchen".into())]);
        let names: Vec<_> = topology.topic_specs(4).into_iter().map(|spec| spec.name.to_string()).collect();
        let expected = [
            "baked",
            "kitchen-service.baked.repartition",
            "kitchen-service.dead-letters",
            "kitchen-service.orders.control",
            "kitchen-service.orders.repartition",
            "kitchen-service.pizza.control",
            "orders",
            "oven.dead-letters",
            "oven.pizza.control",
            "pizza",
        ];
        assert_eq!(names, expected);
        let (_, moved) = topology.topics().find(|(name, _)| name.as_str() == expected[4]).unwrap();
        assert_eq!(parts(&moved.readers), [Part::Table("kitchen".into())]);
        assert_eq!(parts(&moved.writers), [Part::Repartition]);
        let groups: Vec<_> = topology.group_specs().into_iter().map(|spec| spec.topics.len()).collect();
        assert_eq!(groups, [7, 2]);
    }

    #[test]
    fn topics_that_share_a_table_are_co_partitioned_in_the_order_of_their_declaration() {
        let sets = kitchen().input_specs();
        let topics = |set: &InputSpec| set.topics.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let moved = |topic: &str| format!("kitchen-service.{topic}.repartition {topic}");
        let together = ["kitchen-service.orders.control", &moved("orders"), &moved("baked")].join(" ");
        let alone = "kitchen-service.pizza.control pizza".to_owned();
        assert_eq!(sets.iter().map(topics).collect::<Vec<_>>(), [together, alone]);
        let tables = |set: &InputSpec| set.tables.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        assert_eq!(sets.iter().map(tables).collect::<Vec<_>>(), ["kitchen kitchen.parked", "counts counts.parked"]);
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let wrong = service("wrong", |service| {
            service.stage(PIZZA, BAKED, |pizza, _| Ok(pizza));
            service.stage(PIZZA, BAKED, |pizza, _| Ok(pizza));
            service.table(KITCHEN).fold(ORDERS, |_, _, _| Ok(())).fold(ORDERS, |_, _, _| Ok(()));
            service.count(PartialCounts::<String>::new("kitchen"), PIZZA, |name: String| name);
        });
        let error = Topology::of([&wrong, &oven(), &oven()]).unwrap_err().to_string();
        let faults = ["two stages from=pizza", "a table folds a topic once", "two tables of one name", "service=oven"];
        assert!(faults.iter().all(|fault| error.contains(fault)), "{error}");
    }
    #[test]
    fn a_tables_partitions_are_those_of_a_topic_that_it_declares() {
        let inputs = kitchen().inputs_of_tables();
        assert!(matches!(inputs["kitchen"].as_str(), "orders" | "baked"), "{inputs:?}");
        assert_eq!(inputs["counts"].as_str(), "pizza");
    }

    #[test]
    fn a_topic_of_moved_records_needs_a_name_and_no_other_writer() {
        let long = service("kitchen-service", |service| {
            let topic = Topic::<u64, u32>::named("x".repeat(190)).unwrap();
            service.table(KITCHEN).fold(topic, |_, _, _| Ok(()));
        });
        let error = Topology::of([&long]).unwrap_err().to_string();
        assert!(error.contains("no room for the topic of moved records: from=xxx"), "{error}");
        let stranger = service("stranger", |service| {
            service.produces(Topic::<u64, u32>::new("kitchen-service.orders.repartition"));
        });
        let error = Topology::of([&kitchen(), &stranger]).unwrap_err().to_string();
        assert!(error.ends_with("topic=kitchen-service.orders.repartition"), "{error}");
    }
}
