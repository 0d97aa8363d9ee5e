//! How many partitions there can be.

use linecook_log::{ErrorKind, Log, Result, TopicSpec};

use crate::support::{Place, at, create, read_all, refusal, store, tiny, topic};

fn create_one(log: &dyn Log, name: &str, partition_count: u32) -> Result<()> {
    log.create_topics(&[TopicSpec { name: topic(name), partition_count }])
}

/// Any number of partitions was taken. Four billion of them ended the process for want of memory, and so did each start
/// after it.
#[test]
fn a_topic_with_too_many_partitions_is_refused_and_named() {
    let mut place = Place::new(tiny());
    let log = place.open();
    let told = refusal(create_one(&*log, "huge", 10_001), ErrorKind::Invalid);
    assert!(told.contains("topic=huge partition_count=10001 max=10000"), "{told}");
    let names: Vec<_> = (0..10).map(|number| format!("large-{number}")).collect();
    create(&*log, &names.iter().map(String::as_str).collect::<Vec<_>>(), 10_000);
    let told = refusal(create_one(&*log, "one-more", 1), ErrorKind::Invalid);
    assert!(told.contains("topic=one-more") && told.contains("max=100000"), "{told}");
    refusal(create_one(&*log, "huge", u32::MAX), ErrorKind::Invalid);
    store(&*log, &at("large-9", 9_999), [1]);
    place.kill(log);
    let log = place.open();
    assert_eq!(log.describe().unwrap().len(), 10, "nothing of what was refused");
    assert_eq!(read_all(&*log, &at("large-9", 9_999)), [1]);
}
