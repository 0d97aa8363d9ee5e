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
    kept: Mutex<Option<Kept>>,
    cluster: Arc<Cluster>,
    clock: Arc<dyn Clock>,
}

/// What is of use for the next who reads.
struct Kept {
    client: Arc<Consumer>,
    /// Where the last one ended: who goes on there knows the runs.
    end: Option<(TopicPartition, Offset)>,
    runs: Runs,
}

impl Reader {
    pub(crate) fn new(cluster: &Arc<Cluster>, clock: &Arc<dyn Clock>) -> Self {
        Self { kept: Mutex::new(None), cluster: Arc::clone(cluster), clock: Arc::clone(clock) }
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
        let mut kept = self.kept.lock();
        let mut last = match kept.take() {
            Some(last) => last,
            None => {
                let client = Arc::new(client::reading(options, &self.cluster.news)?);
                Kept { client, end: None, runs: Runs::default() }
            }
        };
        let goes_on = last.end.take().is_some_and(|(partition, end)| partition == *from && end == offset);
        let start = if goes_on { offset } else { self.start_for(from, offset)? };
        if !goes_on {
            last.runs = Runs::default();
        }
        // The lock is held meanwhile: see above. A client that has lost its brokers may not find them again.
        let read = self.read_up_to(&last.client, &mut last.runs, from, (start, offset, end), max_bytes);
        if read.as_ref().is_err_and(|error| error.kind() == ErrorKind::Unavailable) {
            return read;
        }
        last.end = read.as_ref().ok().and_then(|batches| batches.last()).map(|batch| (from.clone(), batch.end()));
        *kept = Some(last);
        read
    }

    /// Lets the client go.
    pub(crate) fn close(&self) {
        self.kept.lock().take();
    }

    fn read_up_to(
        &self,
        client: &Arc<Consumer>,
        runs: &mut Runs,
        from: &TopicPartition,
        (start, offset, end): (Offset, Offset, Offset),
        max_bytes: usize,
    ) -> Result<Vec<Batch>> {
        let wakeup = Arc::<Wakeup>::default();
        let topic = CString::new(from.topic.as_str()).expect("a name has no zero byte");
        let native_start = i64::try_from(start.0).unwrap_or(i64::MAX);
        let failed = |fault| fault::error(format!("the partition cannot be read: partition={from}"), fault);
        let reader = PartitionReader::start(client, (&topic, native_partition(from.partition)), native_start, &wakeup)
            .map_err(|code| failed(Fault::of_code(code)))?;
        let mut deadline = self.clock.monotonic() + ANSWER_WITHIN;
        let (mut taken, mut assembler, mut batches, mut bytes) =
            (Taken::default(), Assembler::new(&mut *runs), Vec::new(), 0);
        loop {
            let (mut is_any, mut is_run_gone) = (false, false);
            for message in taken.take(reader.queue(), CHUNK.min(max_bytes / 64 + 1)) {
                if let Some((code, text)) = message.fault() {
                    return match code {
                        // What lay before it is gone by now.
                        RDKafkaErrorCode::AutoOffsetReset if start < offset => {
                            is_run_gone = true;
                            break;
                        }
                        RDKafkaErrorCode::AutoOffsetReset => Err(self.too_old(from, offset)),
                        _ => Err(failed(Fault::new(code, text))),
                    };
                }
                is_any = true;
                if u64::try_from(message.offset()).is_ok_and(|at| at < offset.0) {
                    assembler.pass(&message);
                    continue;
                }
                bytes += message.size_bytes();
                batches.extend(assembler.add(&message, max_bytes.min(64 << 10))?);
            }
            if is_run_gone {
                drop((taken, reader, assembler));
                return self.read_up_to(client, runs, from, (offset, offset, end), max_bytes);
            }
            let position = reader.position().map_or(offset, |position| Offset(u64::try_from(position).unwrap_or(0)));
            // What has come is enough unless there is nothing yet: who wants more asks again.
            let has_come = !is_any && bytes > 0;
            if bytes >= max_bytes || position >= end || has_come {
                batches.extend(assembler.finish());
                return Ok(batches.into_iter().map(|(_, batch)| batch).collect());
            }
            if is_any {
                deadline = self.clock.monotonic() + ANSWER_WITHIN;
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
