use linecook_log::ErrorKind;

use super::*;
use crate::Event;

fn name(name: &str) -> TopicName {
    TopicName::new(name).unwrap()
}

fn outputs() -> Outputs {
    let service = GroupName::new("sauce-service").unwrap();
    let mut outputs = Outputs::new(&service, vec![(name("same"), 4), (name("fewer"), 2)]);
    outputs.begin_source(&TopicPartition::new(&name("pizza"), Partition(3)), 4, Timestamp(7), 1);
    outputs
}

fn record(offset: u64) -> Record<'static> {
    let headers = linecook_log::Headers::default();
    Record { offset: Offset(offset), timestamp: Timestamp(5), key: Some(b"k"), value: Some(b"v"), headers }
}

fn push(outputs: &mut Outputs, to: usize, offset: u64, value: &str) {
    outputs.push(TargetIndex(to), &record(offset), |out| value.to_owned().encode(out)).unwrap();
}

#[test]
fn a_batch_tells_which_records_it_was_made_from() {
    let mut outputs = outputs();
    for offset in [40, 41, 43] {
        outputs.mark(Offset(offset));
        push(&mut outputs, 0, offset, "a");
    }
    outputs.mark(Offset(44));
    push(&mut outputs, 0, 44, "dropped");
    outputs.rollback();
    let [Output { to, batch }] = outputs.take().try_into().unwrap();
    assert_eq!((to.topic.as_str(), to.partition), ("same", Partition(3)));
    let origin = batch.finish(Offset(0), Timestamp(0)).origin().unwrap();
    let source = origin.source.unwrap();
    assert_eq!((source.first, source.last, origin.taken_at), (Offset(40), Offset(43), Timestamp(7)));
}

#[test]
fn a_rollback_drops_what_came_since_the_mark_and_nothing_else() {
    let mut outputs = outputs();
    outputs.mark(Offset(0));
    push(&mut outputs, 0, 0, "kept");
    let size = outputs.size_bytes();
    outputs.mark(Offset(1));
    push(&mut outputs, 0, 1, "dropped");
    outputs.push_as_is(TargetIndex(1), &record(1), &[]).unwrap();
    outputs.rollback();
    assert_eq!(outputs.size_bytes(), size);
    let [kept] = outputs.take().try_into().unwrap();
    assert_eq!((kept.to.topic.as_str(), kept.batch.count()), ("same", 1));
    assert_eq!(outputs.size_bytes(), 0);
}

#[test]
fn a_rollback_may_be_followed_by_records_of_the_same_mark() {
    let mut outputs = outputs();
    outputs.mark(Offset(0));
    push(&mut outputs, 0, 0, "dropped");
    outputs.rollback();
    push(&mut outputs, 0, 0, "dropped too");
    outputs.rollback();
    assert!(outputs.take().is_empty());
}

#[test]
fn the_records_own_key_keeps_its_partition_only_where_the_counts_are_equal() {
    let outputs = outputs();
    assert_eq!(outputs.partition_for(TargetIndex(0), b"k", KeyOwner::Record), Partition(3));
    assert_eq!(outputs.partition_for(TargetIndex(1), b"k", KeyOwner::Record), partition_of(b"k", 2));
    assert_eq!(outputs.partition_for(TargetIndex(0), b"k", KeyOwner::Other), partition_of(b"k", 4));
}

#[test]
fn sources_do_not_share_a_batch() -> Result<(), ErrorKind> {
    let mut outputs = outputs();
    outputs.mark(Offset(1));
    push(&mut outputs, 0, 1, "of 3");
    outputs.begin_source(&TopicPartition::new(&name("pizza"), Partition(2)), 4, Timestamp(8), 1);
    outputs.mark(Offset(9));
    push(&mut outputs, 0, 9, "of 2");
    let partitions: Vec<_> = outputs.take().iter().map(|output| output.to.partition.0).collect();
    assert_eq!(partitions, [3, 2]);
    Ok(())
}

/// What waits is tried in the order in which it is due. A batch of what came of it said that it was made of the records from
/// a later one to an earlier one, and says so for ever.
#[test]
fn a_batch_is_of_records_from_one_to_a_later_one() {
    let mut outputs = outputs();
    for offset in [9, 3, 4] {
        outputs.mark(Offset(offset));
        push(&mut outputs, 0, offset, "a");
    }
    let source = |output: Output| output.batch.finish(Offset(0), Timestamp(0)).origin().unwrap().source.unwrap();
    let sources: Vec<_> = outputs.take().into_iter().map(source).collect();
    let ranges: Vec<_> = sources.iter().map(|source| (source.first.0, source.last.0)).collect();
    assert_eq!(ranges, [(9, 9), (3, 4)]);
}
