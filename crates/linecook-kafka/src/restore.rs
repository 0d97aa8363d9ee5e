//! Bringing the rows of a partition up to date, before its new owner is told that it has it.
//!
//! 1. The committed offsets are known and stable: no transaction is open that moves them (the member sees to that).
//! 2. The changelog's *high watermark* is asked for. What was committed with those offsets lies before it; the *last stable*
//!    offset may still be before that, since a transaction's marks come to its partitions one after the other.
//! 3. What is committed is read until the position has reached that. If somebody's transaction is open before it, that
//!    is when it has ended.

use std::{ffi::CString, sync::Arc, time::Duration};

use linecook_log::{Clock, Error, Offset, Result, TopicPartition, waiting::Wakeup};
use rdkafka::error::RDKafkaErrorCode;

use crate::{
    client::Consumer,
    fault,
    native::{
        Fault,
        admin::native_partition,
        reader::PartitionReader,
        record::{Message, Taken},
    },
    tables::{Bounds, LocalTable},
};

/// How many rows are applied at a time.
const CHUNK: usize = 4096;

/// How far rows have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// All are here.
    Complete,
    /// Some have come.
    Further,
    /// None have come.
    Still,
}

/// Rows on their way.
pub(crate) struct Restore {
    from: TopicPartition,
    table: Arc<LocalTable>,
    reader: PartitionReader<Consumer>,
    /// The position at which they are complete.
    until: Offset,
}

impl Restore {
    /// Begins, at the changelog's start at the earliest; `None` when there is nothing to do. `wakeup` is raised when
    /// something has come.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(crate) fn begin(
        client: &Arc<Consumer>,
        from: TopicPartition,
        table: Arc<LocalTable>,
        Bounds { start, end: until }: Bounds,
        wakeup: &Arc<Wakeup>,
    ) -> Result<Option<Self>> {
        let next = table.next()?.max(start);
        if next >= until {
            return Ok(None);
        }
        let topic = CString::new(from.topic.as_str()).expect("a name has no zero byte");
        let start = i64::try_from(next.0).unwrap_or(i64::MAX);
        let reader = PartitionReader::start(client, (&topic, native_partition(from.partition)), start, wakeup);
        let reader = reader.map_err(|code| failed(&from, Fault::of_code(code)))?;
        Ok(Some(Self { from, table, reader, until }))
    }

    /// Applies what has come, for about that long.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(crate) fn step(&self, taken: &mut Taken, clock: &dyn Clock, time: Duration) -> Result<Step> {
        let deadline = clock.monotonic() + time;
        let mut step = Step::Still;
        loop {
            let messages: Vec<_> = taken.take(self.reader.queue(), CHUNK).collect();
            if let Some((code, text)) = messages.iter().find_map(Message::fault) {
                return Err(self.fault(code, text));
            }
            if let Some(last) = messages.last() {
                let next = Offset(u64::try_from(last.offset()).unwrap_or(0)).plus(1);
                let rows = messages.iter().map(|message| (message.key().unwrap_or_default(), message.value()));
                let written_at = last.timestamp().unwrap_or_default();
                self.table.apply(next, rows, written_at)?;
                step = Step::Further;
            }
            let position = self.reader.position().and_then(|position| u64::try_from(position).ok());
            if position.is_some_and(|position| Offset(position) >= self.until) {
                return Ok(Step::Complete);
            }
            if messages.is_empty() || clock.monotonic() >= deadline {
                return Ok(step);
            }
        }
    }

    /// Whose rows they are.
    pub(crate) fn changelog(&self) -> &TopicPartition {
        &self.from
    }

    fn fault(&self, code: RDKafkaErrorCode, text: String) -> Error {
        failed(&self.from, Fault::new(code, text))
    }
}

fn failed(from: &TopicPartition, fault: Fault) -> Error {
    fault::error(format!("rows cannot be restored: changelog={from}"), fault)
}
