//! A consumer in its group: who it is, where it stands, and how it gives up partitions.

use std::sync::Arc;

use linecook_log::Offset;
use rdkafka::{TopicPartitionList, bindings as sys};

use super::{Client, Fault, error_in, text_of};

/// The consumer's id in its group, as far as it knows; `None` when it is out, or on its way in.
///
/// A consumer that was put out has neither generation nor member id, and while its group has no members a broker takes
/// offsets from one that says so as from one that needs no group. One that has come back has another id, and others may
/// have had its partitions meanwhile without its being told: it compares what it had with what it gets.
pub(crate) fn member_id(consumer: &Arc<impl Client>) -> Option<String> {
    membership(consumer).map(|(id, _)| id)
}

/// Which of the group's generations the consumer is in: one for each time that it has shared out. `None` as above.
pub(crate) fn generation(consumer: &Arc<impl Client>) -> Option<i32> {
    membership(consumer).map(|(_, generation)| generation)
}

fn membership(consumer: &Arc<impl Client>) -> Option<(String, i32)> {
    // SAFETY: the client is alive; the metadata is a copy of ours, whose member id lives as long.
    unsafe {
        let metadata = sys::rd_kafka_consumer_group_metadata(consumer.native());
        if metadata.is_null() {
            return None;
        }
        let generation = sys::rd_kafka_consumer_group_metadata_generation_id(metadata);
        let id = text_of(sys::rd_kafka_consumer_group_metadata_member_id(metadata));
        sys::rd_kafka_consumer_group_metadata_destroy(metadata);
        let is_lost = sys::rd_kafka_assignment_lost(consumer.native()) != 0;
        (generation >= 0 && !id.is_empty() && !is_lost).then_some((id, generation))
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

/// Gives up partitions that the group wants back: first it is answered with nothing, then they are removed.
///
/// librdkafka tells of the assignment that follows a revocation when the partitions that the answer has removed have
/// stopped. When the consumer is fenced until then and has no others left, it calls itself until the stack ends. An answer
/// without partitions has nothing to wait for, as long as offsets are given with each assignment and none are committed by
/// the client itself. The group hears no sooner: the client joins again when all that it is to stop has stopped.
///
/// # Errors
/// The consumer is in no state to give anything up.
pub(crate) fn give_up(consumer: &Arc<impl Client>, partitions: &TopicPartitionList) -> Result<(), Fault> {
    unassign(consumer, &TopicPartitionList::new())?;
    if partitions.count() == 0 { Ok(()) } else { unassign(consumer, partitions) }
}

/// Takes note of it that partitions were lost. Nothing follows that but that the client joins again.
///
/// # Errors
/// The consumer is in no state for it.
pub(crate) fn lose(consumer: &Arc<impl Client>, partitions: &TopicPartitionList) -> Result<(), Fault> {
    unassign(consumer, partitions)
}

/// Removes partitions from those that the consumer reads; the first time after the group has wanted something that is the
/// answer.
fn unassign(consumer: &Arc<impl Client>, partitions: &TopicPartitionList) -> Result<(), Fault> {
    // SAFETY: client and list are alive, and the list is copied; the error is ours.
    unsafe {
        let error = sys::rd_kafka_incremental_unassign(consumer.native(), partitions.ptr());
        let fault = error_in(error);
        sys::rd_kafka_error_destroy(error);
        fault.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests;
