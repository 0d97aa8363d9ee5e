//! How much a catalog holds: every segment begins with all of it, and it is in memory as a whole.

use linecook_log::{Error, Result};

use crate::{
    catalog::Catalog,
    frame::Entry,
    segment::{HEADER_FIXED_BYTES, HEADER_MAX_BYTES},
    writer::Prepared,
};

/// The partitions of a topic. Each takes memory and a place in each segment's header whether it is used or not, and no
/// process has as many workers.
const PARTITIONS_A_TOPIC_MAX: u32 = 10_000;
/// The partitions of all topics, for the same reasons.
const PARTITIONS_MAX: u64 = 100_000;
/// A catalog, as a header has it. What is left of a header is for groups that are dropped, which is never refused.
const CATALOG_BYTES_MAX: usize = HEADER_MAX_BYTES / 2;
const OFFSET_ENTRY_BYTES: usize = 25;
const END_BYTES: usize = 8;

/// Refuses what would make a catalog that is too large. Groups and tables count, too: a header that is longer than one
/// may be is not read, and the log could not be opened again.
pub(crate) fn check(catalog: &Catalog, prepared: &Prepared) -> Result<()> {
    let is_added = |entry: &Entry| !matches!(entry, Entry::GroupDropped { .. });
    // The epoch of who has a partition is not 0.
    if !prepared.definitions.iter().any(is_added) && prepared.offsets.iter().all(|offset| offset.epoch > 0) {
        return Ok(());
    }
    let mut partition_count = catalog.ends.len() as u64;
    let before = partition_count;
    for definition in &prepared.definitions {
        let Entry::Topic { name, partition_count: wanted } = definition else { continue };
        if *wanted > PARTITIONS_A_TOPIC_MAX {
            let text = format!(
                "a topic with too many partitions: topic={name} partition_count={wanted} max={PARTITIONS_A_TOPIC_MAX}"
            );
            return Err(Error::invalid(text));
        }
        partition_count += u64::from(*wanted);
        if partition_count > PARTITIONS_MAX {
            let text = format!(
                "too many partitions of all topics together: topic={name} partition_count={wanted} \
                 all={partition_count} max={PARTITIONS_MAX}"
            );
            return Err(Error::invalid(text));
        }
    }
    let mut bytes = Vec::new();
    catalog.encode(&mut bytes);
    prepared.definitions.iter().for_each(|definition| definition.encode(&mut bytes));
    let ends = usize::try_from(partition_count - before).expect("they are few") * END_BYTES;
    let size = HEADER_FIXED_BYTES + bytes.len() + ends + prepared.offsets.len() * OFFSET_ENTRY_BYTES;
    if size > CATALOG_BYTES_MAX {
        let text = format!(
            "too many topics, tables, and groups that read many partitions: use fewer partitions, or \
             fewer groups: bytes={size} max_bytes={CATALOG_BYTES_MAX}"
        );
        return Err(Error::invalid(text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use linecook_log::{ErrorKind, GroupName, Offset, TopicName};

    use super::*;
    use crate::{
        catalog::{GroupId, PartitionId},
        frame::CommitNumber,
        segment::Header,
        writer::PreparedOffset,
    };

    fn apply(catalog: &mut Catalog, prepared: &Prepared) {
        prepared.definitions.iter().for_each(|entry| catalog.apply(entry).unwrap());
        for it in &prepared.offsets {
            let (group, partition, offset, epoch) = (it.group, it.partition, it.offset, it.epoch);
            catalog.apply(&Entry::Offset { group, partition, offset, epoch }).unwrap();
        }
    }

    /// Enough groups that read enough partitions made a header longer than one that is read. The log went on until it was
    /// closed, and could never be opened again.
    #[test]
    fn a_catalog_that_no_header_has_room_for_is_refused() {
        let mut catalog = Catalog::default();
        let topics = (0..10).map(|number| {
            let name = TopicName::new(format!("topic-{number}")).unwrap();
            Entry::Topic { name, partition_count: PARTITIONS_A_TOPIC_MAX }
        });
        apply(&mut catalog, &Prepared { definitions: topics.collect(), ..Prepared::default() });
        let mut group_count = 0;
        let refused = loop {
            let name = GroupName::new(format!("group-{group_count}")).unwrap();
            let offset = |partition| PreparedOffset {
                group: GroupId(group_count),
                partition: PartitionId(partition),
                offset: Offset(0),
                epoch: 0,
            };
            let offsets = (0..100_000).map(offset).collect();
            let prepared = Prepared { definitions: vec![Entry::Group { name }], offsets, ..Prepared::default() };
            if group_count >= 12
                && let Err(error) = check(&catalog, &prepared)
            {
                break error;
            }
            apply(&mut catalog, &prepared);
            group_count += 1;
        };
        assert_eq!(refused.kind(), ErrorKind::Invalid);
        assert!(group_count > 12, "{group_count}");
        let drop_group =
            Prepared { definitions: vec![Entry::GroupDropped { group: GroupId(0) }], ..Prepared::default() };
        check(&catalog, &drop_group).unwrap();
        let header = Header { first: CommitNumber(1), synced: CommitNumber(0), catalog };
        assert!(header.encode().len() <= CATALOG_BYTES_MAX + 100);
    }
}
