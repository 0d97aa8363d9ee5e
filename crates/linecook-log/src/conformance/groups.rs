//! Groups and topics, as operators see and move them.

use std::collections::BTreeSet;

use super::{
    Subject,
    consumer::{Consumer, consumed},
    fixture::{Fixture, at, refusal},
    numbers::numbers_of,
    stage::Stage,
};
use crate::{ErrorKind, Figure, GroupDescription, GroupName, GroupSpec, Offset, Partition, Scan, TopicName};

fn described(fixture: &Fixture<'_>, group: &GroupName) -> Option<GroupDescription> {
    let groups = fixture.log.groups().expect("groups can be listed");
    assert!(groups.is_sorted_by(|one, next| one.name < next.name), "groups are listed in order of their names");
    groups.into_iter().find(|description| description.name == *group)
}

/// Leaves, and waits until the log has given up its place.
fn leave(fixture: &Fixture<'_>, consumer: Consumer, group: &GroupName) {
    consumer.leave().expect("a member can leave");
    let is_empty = || described(fixture, group).is_some_and(|group| !group.has_members);
    fixture.until("the group of a member that left has none", is_empty);
}

/// Before it has a member; declared again, it gains topics and keeps its offsets.
pub fn a_declared_group_is_known_and_reads_from_the_start(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "groups-declared");
    let (one, other) = (fixture.topic("one", 2), fixture.topic("other", 1));
    let name = fixture.group("declared");
    let declare = |topics: &[&TopicName]| {
        let topics = topics.iter().copied().cloned().collect();
        fixture.log.declare_groups(&[GroupSpec { name: name.clone(), topics }]).expect("a group can be declared");
    };
    assert!(described(&fixture, &name).is_none());
    declare(&[&one]);
    let group = described(&fixture, &name).expect("a declared group is known");
    assert!(!group.has_members);
    assert_eq!(group.offsets, [(at(&one, 0), Offset(0)), (at(&one, 1), Offset(0))]);

    fixture.store(&at(&one, 1), 0..5);
    let mut consumer = fixture.join_alone(fixture.spec(&name, &[&one]));
    let records = consumer.take(5);
    assert_eq!(numbers_of(&records), [0, 1, 2, 3, 4]);
    fixture.wait(consumer.commit(consumed(&records)).expect("a commit is taken"));
    assert!(described(&fixture, &name).expect("the group is known").has_members);
    leave(&fixture, consumer, &name);

    declare(&[&one, &other]);
    let group = described(&fixture, &name).expect("a declared group is known");
    assert!(!group.has_members);
    let moved = records[4].offset.plus(1);
    assert_eq!(group.offsets, [(at(&one, 0), Offset(0)), (at(&one, 1), moved), (at(&other, 0), Offset(0))]);
}

/// Back and forth; it is durable when the call returns.
pub fn a_reset_moves_a_group_without_members(subject: &mut dyn Subject) {
    let mut fixture = Fixture::open(subject, "groups-reset");
    let topic = fixture.topic("in", 1);
    let name = fixture.group("moved");
    let input = at(&topic, 0);
    fixture.store(&input, 0..10);
    let offsets: Vec<Offset> = fixture.read(&input).iter().map(|record| record.offset).collect();
    let mut consumer = fixture.join_alone(fixture.spec(&name, &[&topic]));
    let records = consumer.take(10);
    fixture.wait(consumer.commit(consumed(&records)).expect("a commit is taken"));
    leave(&fixture, consumer, &name);

    for first in [4, 7, 0] {
        fixture.log.reset(&name, &[(input.clone(), offsets[first])]).expect("a group without members can be reset");
        assert_eq!(fixture.committed_at(&name, &input), offsets[first]);
        fixture.kill_and_reopen();
        let mut consumer = fixture.join_alone(fixture.spec(&name, &[&topic]));
        assert_eq!(numbers_of(&consumer.take(10 - first)), numbers_of(&records[first..]));
        leave(&fixture, consumer, &name);
    }
}

/// With members, for an unknown group, or beyond the end; not even in part.
pub fn a_reset_that_is_refused_moves_nothing(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "groups-refused");
    let topic = fixture.topic("in", 2);
    let name = fixture.group("kept");
    fixture.store_by_key(&topic, 2, 0..20);
    let unknown = fixture.group("unknown");
    let message = refusal(fixture.log.reset(&unknown, &[(at(&topic, 0), Offset(0))]), ErrorKind::Invalid);
    assert!(message.contains(unknown.as_str()), "the group is named: {message}");
    refusal(fixture.log.drop_group(&unknown), ErrorKind::Invalid);

    let mut consumer = fixture.join_alone(fixture.spec(&name, &[&topic]));
    let records = consumer.take(20);
    fixture.wait(consumer.commit(consumed(&records)).expect("a commit is taken"));
    let before = fixture.committed(&name);
    refusal(fixture.log.reset(&name, &[(at(&topic, 0), Offset(0))]), ErrorKind::Invalid);
    refusal(fixture.log.drop_group(&name), ErrorKind::Invalid);
    leave(&fixture, consumer, &name);

    let (_, end) = fixture.describe(&topic)[1];
    let half_right = [(at(&topic, 0), Offset(0)), (at(&topic, 1), end.plus(1))];
    refusal(fixture.log.reset(&name, &half_right), ErrorKind::Invalid);
    assert_eq!(fixture.committed(&name), before, "a refused reset moved something");
    fixture.log.reset(&name, &[(at(&topic, 1), end)]).expect("the end itself is an offset");
}

/// It goes on behind what was there, with the rows that it had: nothing is done twice.
pub fn a_dropped_group_goes_on_behind_what_was_there(subject: &mut dyn Subject) {
    let mut fixture = Fixture::open(subject, "groups-dropped");
    let topic = fixture.topic("in", 1);
    let stage = Stage::new(&fixture, "dropped", &topic, &[]);
    fixture.store(&at(&topic, 0), 0..5);
    let mut consumer = stage.join_alone(&fixture);
    let records = consumer.take(5);
    let commit = consumer.copy(&records, &[], Some(&stage.table)).expect("rows can be read");
    fixture.wait(consumer.commit(commit).expect("a commit is taken"));
    leave(&fixture, consumer, &stage.group);
    fixture.store(&at(&topic, 0), 5..7);

    fixture.log.drop_group(&stage.group).expect("a group without members can be dropped");
    assert!(described(&fixture, &stage.group).is_none(), "a dropped group is still listed");
    refusal(fixture.log.reset(&stage.group, &[(at(&topic, 0), Offset(0))]), ErrorKind::Invalid);
    refusal(fixture.log.drop_group(&stage.group), ErrorKind::Invalid);

    fixture.kill_and_reopen();
    fixture.store(&at(&topic, 0), 7..10);
    let mut consumer = stage.join_alone(&fixture);
    assert_eq!(numbers_of(&consumer.take(3)), [7, 8, 9], "what was there when it was dropped is not read");
    let rows = consumer.scan(&stage.table, Partition(0), Scan::prefix(b"")).expect("rows can be scanned");
    assert_eq!(rows.len(), 5, "the rows of a dropped group stay");
}

/// Names that a metrics page can take, each once and with its sentence.
pub fn an_open_log_takes_writes_and_names_its_figures(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "groups-status");
    fixture.store(&at(&fixture.topic("in", 1), 0), 0..5);
    let status = fixture.log.status();
    assert!(status.refuses_writes.is_none(), "writes are refused: {:?}", status.refuses_writes);
    let names: BTreeSet<_> = status.figures.iter().map(|figure| figure.name).collect();
    assert_eq!(names.len(), status.figures.len(), "a figure is there twice: {:?}", status.figures);
    for Figure { name, help, value } in status.figures {
        let characters_fit = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        assert!(!name.is_empty() && characters_fit, "a metric cannot be named {name:?}");
        assert!(!help.is_empty(), "{name} has no help");
        assert!(value.is_finite(), "{name} is {value}");
    }
}

/// In order of their names; the end lies behind the last record.
pub fn topics_are_described_with_start_and_end(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "groups-topics");
    let topic = fixture.topic("in", 3);
    assert_eq!(fixture.describe(&topic), [(Offset(0), Offset(0)); 3]);
    fixture.store(&at(&topic, 1), 0..5);
    let last = fixture.read(&at(&topic, 1)).last().map(|record| record.offset).expect("there are records");
    let partitions = fixture.describe(&topic);
    assert_eq!(partitions[0], (Offset(0), Offset(0)));
    assert_eq!(partitions[1].0, Offset(0));
    assert!(partitions[1].1 > last, "the end {} is behind the last record {last}", partitions[1].1);
    let topics = fixture.log.describe().expect("topics can be described");
    assert!(topics.is_sorted_by(|one, next| one.name < next.name), "topics are listed in order of their names");
}

/// As when all are asked for, without the others.
pub fn who_asks_about_some_topics_and_groups_hears_of_those(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "groups-some");
    let topics = ["other", "one", "two"].map(|name| fixture.topic(name, 2));
    let groups = ["others", "ones", "twos"].map(|name| fixture.group(name));
    for (topic, group) in topics.iter().zip(&groups) {
        fixture.store(&at(topic, 1), 0..3);
        let spec = GroupSpec { name: group.clone(), topics: vec![topic.clone()] };
        fixture.log.declare_groups(&[spec]).expect("a group can be declared");
    }
    let [_, one, two] = topics;
    let all = fixture.log.describe().expect("topics can be described");
    let wanted = [two.clone(), fixture.topic_name("nowhere"), one.clone()];
    let some = fixture.log.describe_only(&wanted).expect("topics can be described");
    assert_eq!(some, all.into_iter().filter(|topic| wanted.contains(&topic.name)).collect::<Vec<_>>());
    assert_eq!(some.len(), 2);

    let [_, ones, twos] = groups;
    let all = fixture.log.groups().expect("groups can be listed");
    let wanted = [twos, fixture.group("nobody"), ones];
    let some = fixture.log.groups_only(&wanted).expect("groups can be listed");
    assert_eq!(some, all.into_iter().filter(|group| wanted.contains(&group.name)).collect::<Vec<_>>());
    assert_eq!(some.len(), 2);
}
