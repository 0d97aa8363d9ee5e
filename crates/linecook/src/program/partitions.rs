//! How many partitions topics have, and which of them need the same number.

use std::collections::HashMap;

use linecook_log::{Error, ErrorKind, Log, Result, TopicName, TopicSpec};

use super::Prepared;
use crate::{Service, service::Role};

/// The partition count of every topic of a log.
pub(crate) type PartitionCounts = HashMap<TopicName, u32>;

/// What the log says.
pub(super) fn described(log: &dyn Log) -> Result<PartitionCounts> {
    Ok(log.topics()?.into_iter().map(|topic| (topic.name, topic.partition_count)).collect())
}

/// Topics that have the same number of partitions, and why.
struct Equals {
    why: &'static str,
    topics: Vec<TopicName>,
}

fn equals_of(service: &Service) -> Vec<Equals> {
    let stages = service.steps().iter().filter_map(|step| match &step.role {
        Role::Stage { to } => {
            Some(Equals { why: "a stage keeps the partition", topics: vec![step.from.clone(), to.clone()] })
        }
        Role::Table { .. } => None,
    });
    let why = "what is folded into one table lies in partitions of one number";
    let of_repartitions = || service.repartitions().map(|(_, repartition)| repartition);
    let is_plumbing = |topic: &TopicName| of_repartitions().chain(service.control_topics()).any(|it| it == topic);
    let inputs = service.input_specs().into_iter().map(|input| {
        // What was declared is named first.
        let (plumbing, mut topics): (Vec<_>, Vec<_>) = input.topics.into_iter().partition(is_plumbing);
        topics.extend(plumbing);
        Equals { why, topics }
    });
    stages.chain(inputs).collect()
}

/// All topics of the program. Those that are there keep their partitions; a new one gets as many as those that it has to
/// be equal to, or else as the others have, so that what is read together fits together, and only the first start asks
/// the setting.
pub(super) fn topics_to_create(prepared: &Prepared, existing: &PartitionCounts) -> Vec<TopicSpec> {
    let asked = prepared.process.partitions;
    let mut topics = prepared.topology.topic_specs(asked);
    let known = topics.iter().filter_map(|topic| existing.get(&topic.name)).copied().max();
    if let Some(count) = known.filter(|count| *count != asked) {
        tracing::warn!(partitions = asked, existing = count, "topics that exist keep their partitions");
    }
    let equals: Vec<_> = prepared.services.iter().flat_map(|service| equals_of(service)).collect();
    let counts = spread(existing.clone(), &equals);
    for topic in &mut topics {
        topic.partition_count = counts.get(&topic.name).copied().or(known).unwrap_or(asked);
    }
    topics
}

/// Gives a topic without a count that of one that it has to be equal to, from one to the next.
fn spread(mut counts: PartitionCounts, equals: &[Equals]) -> PartitionCounts {
    loop {
        let known_count = counts.len();
        for Equals { topics, .. } in equals {
            let Some(count) = topics.iter().find_map(|topic| counts.get(topic)).copied() else { continue };
            for topic in topics {
                counts.entry(topic.clone()).or_insert(count);
            }
        }
        if counts.len() == known_count {
            return counts;
        }
    }
}

/// Whether the services that run can work on topics of these counts: if not, better no start than workers that end.
///
/// # Errors
/// `Invalid` with what differs. `Unavailable` when a topic is missing: it was created a moment ago.
pub(super) fn check(prepared: &Prepared, counts: &PartitionCounts) -> Result<()> {
    for service in prepared.running_services() {
        for topic in
            service.inputs().iter().map(|input| &input.topic).chain(service.targets()).chain(service.produced())
        {
            count_of(counts, topic)?;
        }
        for Equals { why, topics } in equals_of(service) {
            let first = count_of(counts, &topics[0])?;
            let is_other = |topic: &TopicName| count_of(counts, topic).is_ok_and(|count| count != first);
            let Some(other) = topics.iter().find(|topic| is_other(topic)) else { continue };
            return Err(Error::invalid(format!(
                "{why}, but the counts of two topics differ: service={} {}={first} {other}={}",
                service.name(),
                topics[0],
                count_of(counts, other)?
            )));
        }
    }
    Ok(())
}

fn count_of(counts: &PartitionCounts, topic: &TopicName) -> Result<u32> {
    let missing = || Error::new(ErrorKind::Unavailable, format!("the log does not show a topic yet: topic={topic}"));
    counts.get(topic).copied().ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Definition, Program, Table, Topic, settings::Sources};

    const ORDERS: Topic<u64, String> = Topic::new("orders");
    const PIZZA: Topic<u64, String> = Topic::new("pizza");
    const BAKED: Topic<u64, String> = Topic::new("baked");
    const KITCHEN: Table<u64, u64> = Table::new("kitchen");

    fn prepared() -> Prepared {
        let oven = Definition::new("oven", 0, |service| {
            service.stage(PIZZA, BAKED, |pizza, _| Ok(pizza));
        });
        let kitchen = Definition::new("kitchen-service", 0, |service| {
            service.produces(ORDERS);
            service.table(KITCHEN).fold(ORDERS, |_, _, _| Ok(())).fold(BAKED, |_, _, _| Ok(()));
        });
        let program = Program { name: "test", about: "", services: vec![oven, kitchen] };
        Prepared::all_of(&program, Sources::new()).unwrap()
    }

    fn counts(given: &[(&str, u32)]) -> PartitionCounts {
        given.iter().map(|(name, count)| (TopicName::new(name).unwrap(), *count)).collect()
    }

    fn created(existing: &[(&str, u32)]) -> Vec<String> {
        let topics = topics_to_create(&prepared(), &counts(existing));
        let own = topics.iter().filter(|topic| !topic.name.as_str().contains('.'));
        own.map(|topic| format!("{}={}", topic.name, topic.partition_count)).collect()
    }

    #[test]
    fn a_new_topic_gets_as_many_partitions_as_those_that_it_goes_with() {
        assert_eq!(created(&[]), ["baked=4", "orders=4", "pizza=4"]);
        assert_eq!(created(&[("pizza", 6)]), ["baked=6", "orders=6", "pizza=6"]);
        assert_eq!(created(&[("pizza", 6), ("oven.dead-letters", 9)]), ["baked=6", "orders=6", "pizza=6"]);
        assert_eq!(created(&[("oven.dead-letters", 9)]), ["baked=9", "orders=9", "pizza=9"]);
        assert_eq!(created(&[("pizza", 6), ("orders", 2)]), ["baked=6", "orders=2", "pizza=6"]);
        assert_eq!(created(&[("a topic of others".replace(' ', "-").as_str(), 6)])[0], "baked=4");
    }

    #[test]
    fn a_topic_for_misplaced_records_gets_as_many_partitions_as_the_one_that_they_come_from() {
        let topics = topics_to_create(&prepared(), &counts(&[("pizza", 6), ("oven.dead-letters", 9)]));
        let moved: Vec<_> = topics.iter().filter(|topic| topic.name.as_str().ends_with(".repartition")).collect();
        assert_eq!(moved.iter().map(|topic| topic.partition_count).collect::<Vec<_>>(), [6, 6]);
    }

    #[test]
    fn counts_that_do_not_fit_are_refused_with_both() {
        let dead_letters = [("oven.dead-letters", 4), ("kitchen-service.dead-letters", 1)];
        let of_control = ["oven.pizza.control", "kitchen-service.orders.control"];
        let checked = |given: [(&str, u32); 3]| {
            let of_table = ["kitchen-service.orders.repartition", "kitchen-service.baked.repartition"];
            let moved = [(of_table[0], given[0].1), (of_table[1], given[2].1)];
            let control = [(of_control[0], given[1].1), (of_control[1], given[0].1)];
            let all = [given.as_slice(), &moved, &control, &dead_letters].concat();
            check(&prepared(), &counts(&all)).map_err(|error| (error.kind(), error.to_string()))
        };
        assert_eq!(checked([("orders", 4), ("pizza", 4), ("baked", 4)]), Ok(()));
        let (kind, text) = checked([("orders", 2), ("pizza", 4), ("baked", 4)]).unwrap_err();
        assert_eq!(kind, ErrorKind::Invalid);
        assert!(text.contains("service=kitchen-service orders=2 baked=4"), "{text}");
        let (_, text) = checked([("orders", 4), ("pizza", 8), ("baked", 4)]).unwrap_err();
        assert!(text.contains("service=oven pizza=8 baked=4"), "{text}");
        let missing = check(&prepared(), &counts(&[("pizza", 4)])).unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::Unavailable);
    }
}
