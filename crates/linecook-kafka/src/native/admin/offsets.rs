//! Where partitions begin and end.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use linecook_log::{Offset, TopicPartition};
use rdkafka::{
    Offset as NativeOffset,
    bindings::{self as sys, rd_kafka_IsolationLevel_t as Level, rd_kafka_admin_op_t::*},
    error::RDKafkaErrorCode,
};

use super::{Options, ask, list, partition, results};
use crate::native::{Client, Fault};

/// Which end of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The first offset that is there.
    Start,
    /// The one behind the last.
    End,
}

/// Which records count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// Those before the first of a transaction that is not finished: the last stable offset.
    Committed,
    /// All that are replicated: the high watermark.
    All,
}

/// The start or end of each of these partitions.
pub(crate) fn offsets_at(
    client: &Arc<impl Client>,
    end: End,
    partitions: &[TopicPartition],
    isolation: Isolation,
    timeout: Duration,
) -> Result<BTreeMap<TopicPartition, Result<Offset, RDKafkaErrorCode>>, Fault> {
    if partitions.is_empty() {
        return Ok(BTreeMap::new());
    }
    let options = Options::new(client, RD_KAFKA_ADMIN_OP_LISTOFFSETS, timeout);
    let level = match isolation {
        Isolation::Committed => Level::RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED,
        Isolation::All => Level::RD_KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED,
    };
    let offset = match end {
        End::Start => NativeOffset::Beginning,
        End::End => NativeOffset::End,
    };
    let asked = list(partitions.iter().map(|at| (at, offset)));
    // SAFETY: options and list live as long as the call, which copies them; the answer is ours.
    unsafe {
        let error = sys::rd_kafka_AdminOptions_set_isolation_level(options.native, level);
        sys::rd_kafka_error_destroy(error); // none: the level is one of the two
        let answer = ask(client, &options, |options, queue| {
            sys::rd_kafka_ListOffsets(client.native(), asked.ptr(), options, queue);
        })?;
        let mut count = 0;
        let result = sys::rd_kafka_event_ListOffsets_result(answer.0);
        let infos = results(sys::rd_kafka_ListOffsets_result_infos(result, &raw mut count), count);
        let found = infos.iter().filter_map(|info| {
            let (at, answered) = partition(&*sys::rd_kafka_ListOffsetsResultInfo_topic_partition(*info))?;
            // When the connection is lost under way, librdkafka answers without an error what it was asked: -1 for the
            // end. That is no offset.
            let offset = |offset| u64::try_from(offset).map(Offset).map_err(|_| RDKafkaErrorCode::OffsetNotAvailable);
            Some((at, answered.and_then(offset)))
        });
        Ok(found.collect())
    }
}
