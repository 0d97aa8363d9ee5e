//! Who a consumer is in its group.

use std::sync::Arc;

use linecook_log::Offset;
use rdkafka::{TopicPartitionList, bindings as sys};

use super::Client;

/// Whether the consumer is in its group, as far as it knows: it has a member id of this generation, and its partitions
/// were not taken from it.
///
/// Without this, a consumer that was put out has neither generation nor member id, and a broker takes offsets from one
/// that says so as from one that needs no group.
pub(crate) fn is_in_group(consumer: &Arc<impl Client>) -> bool {
    // SAFETY: the client is alive; the metadata is a copy of ours, whose member id lives as long.
    unsafe {
        let metadata = sys::rd_kafka_consumer_group_metadata(consumer.native());
        if metadata.is_null() {
            return false;
        }
        let generation = sys::rd_kafka_consumer_group_metadata_generation_id(metadata);
        let member_id = sys::rd_kafka_consumer_group_metadata_member_id(metadata);
        let is_named = !member_id.is_null() && *member_id != 0;
        sys::rd_kafka_consumer_group_metadata_destroy(metadata);
        generation >= 0 && is_named && sys::rd_kafka_assignment_lost(consumer.native()) == 0
    }
}

/// Where a consumer stands in each of these partitions: behind what was taken of it, and behind what follows that and is
/// no record. `None` where nothing was taken since it was assigned.
pub(crate) fn positions(
    consumer: &Arc<impl Client>,
    partitions: &TopicPartitionList,
) -> impl Iterator<Item = Option<Offset>> {
    let list = partitions.ptr();
    // SAFETY: client and list are alive; the list's elements stay where they are.
    let count = unsafe {
        sys::rd_kafka_position(consumer.native(), list);
        usize::try_from((*list).cnt).unwrap_or(0)
    };
    (0..count).map(move |index| {
        // SAFETY: the list is borrowed until the iterator is gone, and has that many elements.
        let offset = unsafe { (*(*list).elems.add(index)).offset };
        u64::try_from(offset).ok().map(Offset)
    })
}
