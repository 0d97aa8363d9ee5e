//! Records from any offset on, without a group.

use std::{ffi::CString, sync::Arc, time::Duration};

use linecook_log::{Batch, Clock, Error, ErrorKind, Offset, Result, TopicPartition, waiting::Wakeup};
use parking_lot::Mutex;
use rdkafka::error::RDKafkaErrorCode;

use crate::{
    Options, client,
    client::Consumer,
    cluster::{ANSWER_WITHIN, Cluster},
    fault,
    fetched::Assembler,
    native::{
        Fault,
        admin::{End, Isolation, native_partition},
        reader::PartitionReader,
        record::Taken,
    },
    provenance::RUN,
    runs::Runs,
};

/// How many records are taken at a time.
const CHUNK: usize = 256;

/// The client that reads; one partition at a time, as a client can have a partition once only.
pub(crate) struct Reader {
    client: Mutex<Option<Arc<Consumer>>>,
    cluster: Arc<Cluster>,
    clock: Arc<dyn Clock>,
}

impl Reader {
    pub(crate) fn new(cluster: &Arc<Cluster>, clock: &Arc<dyn Clock>) -> Self {
        Self { client: Mutex::new(None), cluster: Arc::clone(cluster), clock: Arc::clone(clock) }
    }

    /// See [`Log::read`](linecook_log::Log::read).
    pub(crate) fn read(
        &self,
        options: &Options,
        from: &TopicPartition,
        offset: Offset,
        max_bytes: usize,
    ) -> Result<Vec<Batch>> {
        self.cluster.check_partition(from)?;
        let end = self.bound(End::End, from)?;
        if offset >= end {
            return Ok(Vec::new());
        }
        let mut kept = self.client.lock();
        let client = match &*kept {
            Some(client) => Arc::clone(client),
            None => Arc::clone(kept.insert(Arc::new(client::reading(options, &self.cluster.news)?))),
        };
        // The lock is held meanwhile: see above. A client that has lost its brokers may not find them again.
        let read = self.read_up_to(&client, from, (offset, end), max_bytes);
        read.inspect_err(|error| drop(kept.take_if(|_| error.kind() == ErrorKind::Unavailable)))
    }

    /// Lets the client go.
    pub(crate) fn close(&self) {
        self.client.lock().take();
    }

    fn read_up_to(
        &self,
        client: &Arc<Consumer>,
        from: &TopicPartition,
        (offset, end): (Offset, Offset),
        max_bytes: usize,
    ) -> Result<Vec<Batch>> {
        let wakeup = Arc::<Wakeup>::default();
        let topic = CString::new(from.topic.as_str()).expect("a name has no zero byte");
        let start = i64::try_from(self.start_for(from, offset)?.0).unwrap_or(i64::MAX);
        let failed = |fault| fault::error(format!("the partition cannot be read: partition={from}"), fault);
        let reader = PartitionReader::start(client, (&topic, native_partition(from.partition)), start, &wakeup)
            .map_err(|code| failed(Fault::of_code(code)))?;
        let deadline = self.clock.monotonic() + ANSWER_WITHIN;
        let mut runs = Runs::default();
        let (mut taken, mut assembler, mut batches, mut bytes) =
            (Taken::default(), Assembler::new(&mut runs), Vec::new(), 0);
        loop {
            let mut is_any = false;
            for message in taken.take(reader.queue(), CHUNK.min(max_bytes / 64 + 1)) {
                if let Some((code, text)) = message.fault() {
                    return match code {
                        RDKafkaErrorCode::AutoOffsetReset => Err(self.too_old(from, offset)),
                        _ => Err(failed(Fault::new(code, text))),
                    };
                }
                is_any = true;
                if u64::try_from(message.offset()).is_ok_and(|at| at < offset.0) {
                    assembler.pass(&message)?;
                    continue;
                }
                bytes += message.size_bytes();
                batches.extend(assembler.add(&message, max_bytes.min(64 << 10))?);
            }
            let position = reader.position().map_or(offset, |position| Offset(u64::try_from(position).unwrap_or(0)));
            // What has come is enough unless there is nothing yet: who wants more asks again.
            let has_come = !is_any && bytes > 0;
            if bytes >= max_bytes || position >= end || has_come {
                batches.extend(assembler.finish());
                return Ok(batches.into_iter().map(|(_, batch)| batch).collect());
            }
            if is_any {
                continue;
            }
            if self.clock.monotonic() >= self.cluster.news.deadline(deadline) {
                let fault = Fault::of_code(RDKafkaErrorCode::OperationTimedOut);
                return Err(failed(client::reason(fault, &self.cluster.news)));
            }
            wakeup.wait(Duration::from_millis(20));
        }
    }

    /// So far before an offset that the run is seen which the record there may belong to.
    fn start_for(&self, from: &TopicPartition, offset: Offset) -> Result<Offset> {
        let before = Offset(offset.0.saturating_sub(RUN as u64));
        Ok(if before == offset { offset } else { before.max(self.bound(End::Start, from)?).min(offset) })
    }

    fn too_old(&self, from: &TopicPartition, offset: Offset) -> Error {
        match self.bound(End::Start, from) {
            Ok(start) if offset < start => {
                let text =
                    format!("the offset is older than what is kept: partition={from} offset={offset} start={start}");
                Error::invalid(text)
            }
            Ok(_) => Error::new(ErrorKind::Unavailable, format!("the partition has changed: partition={from}")),
            Err(error) => error,
        }
    }

    fn bound(&self, end: End, at: &TopicPartition) -> Result<Offset> {
        let found = self.cluster.offsets_at(end, std::slice::from_ref(at), Isolation::Committed)?;
        found.get(at).copied().ok_or_else(|| crate::progress::not_here(at))
    }
}
