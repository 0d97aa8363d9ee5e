//! Batches on their way out: from ours to a message a record.

use std::{collections::HashMap, ffi::CString, sync::Arc};

use linecook_log::{Batch, Error, Record, Result, RowChange, TopicName, TopicPartition};
use rdkafka::error::RDKafkaErrorCode;

use crate::{
    client::Producer,
    native::{
        admin::native_partition,
        produce::{self, Outgoing},
    },
    provenance::{self, Written},
};

/// What sending needs again and again.
#[derive(Default)]
pub(crate) struct Sender {
    names: HashMap<TopicName, CString>,
    header: Written,
}

impl Sender {
    /// Sends the records of a batch. `refused` is asked what to do when one is not taken: after `Ok` it is tried again.
    ///
    /// # Errors
    /// What `refused` says. The records before are sent.
    pub(crate) fn send(
        &mut self,
        producer: &Arc<Producer>,
        to: &TopicPartition,
        batch: &Batch,
        opaque: usize,
        refused: &mut dyn FnMut(RDKafkaErrorCode) -> Result<()>,
    ) -> Result<()> {
        self.header.begin(&batch.origin()?, batch.committed_at());
        let topic = c_name(&mut self.names, &to.topic);
        let mut send_one = |record: &Record<'_>, timestamp: i64, header: Option<&[u8]>| {
            let outgoing = Outgoing {
                topic,
                partition: native_partition(to.partition),
                key: record.key,
                value: record.value,
                timestamp,
                headers: record.headers,
                own_header: header.map(|header| (provenance::NAME, header)),
                opaque,
            };
            while let Err(code) = produce::send(producer, &outgoing) {
                refused(code)?;
            }
            Ok(())
        };
        let mut records = batch.records();
        while let Some(first) = records.next() {
            let run = self.header.run(&first, records.clone());
            send_one(&first, run.timestamp, Some(run.header))?;
            records
                .by_ref()
                .take(run.follower_count)
                .try_for_each(|record| send_one(&record, record.timestamp.0, None))?;
        }
        Ok(())
    }

    /// Sends a row of a table, as a compacted topic keeps it: the key, and the value or none. It has no header.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub(crate) fn send_row(
        &mut self,
        producer: &Arc<Producer>,
        to: &TopicPartition,
        row: &RowChange,
        opaque: usize,
        refused: &mut dyn FnMut(RDKafkaErrorCode) -> Result<()>,
    ) -> Result<()> {
        let outgoing = Outgoing {
            topic: c_name(&mut self.names, &to.topic),
            partition: native_partition(to.partition),
            key: Some(&row.key),
            value: row.value.as_deref(),
            timestamp: 0,
            headers: Default::default(),
            own_header: None,
            opaque,
        };
        while let Err(code) = produce::send(producer, &outgoing) {
            refused(code)?;
        }
        Ok(())
    }
}

fn c_name<'a>(names: &'a mut HashMap<TopicName, CString>, topic: &TopicName) -> &'a CString {
    if !names.contains_key(topic) {
        names.insert(topic.clone(), CString::new(topic.as_str()).expect("a name has no zero byte"));
    }
    &names[topic]
}

/// That no record of a batch is larger than what may be sent.
///
/// # Errors
/// `Invalid`, with the size.
pub(crate) fn check_size(batch: &Batch, max_bytes: usize) -> Result<()> {
    let largest = batch.records().map(|record| record.size_bytes()).max().unwrap_or(0);
    if largest <= max_bytes {
        return Ok(());
    }
    Err(Error::invalid(format!("a record larger than the log takes: bytes={largest} max_bytes={max_bytes}")))
}
