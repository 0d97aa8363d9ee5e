//! From messages to batches.

use linecook_log::{Batch, BatchBuilder, Header, NewRecord, Offset, Result, Timestamp};

use crate::{
    native::record::Message,
    provenance::{self, Told},
};

/// Puts messages of a partition together to batches: as far as their offsets have no gap and they come from the same
/// commit.
#[derive(Default)]
pub(crate) struct Assembler {
    open: Option<Open>,
}

struct Open {
    partition: i32,
    base: Offset,
    next: Offset,
    /// The header that its records have in common; `None` for records of others.
    shared: Option<Vec<u8>>,
    committed_at: Timestamp,
    builder: BatchBuilder,
}

/// Of which partition, and the batch.
pub(crate) type Assembled = (i32, Batch);

impl Assembler {
    /// Adds a message; returns the batch before, if the message does not belong to it.
    ///
    /// # Errors
    /// `Corrupt`: it was written in a format that is not known.
    pub(crate) fn add(&mut self, message: &Message, room_bytes: usize) -> Result<Option<Assembled>> {
        let known = self.open.as_ref().and_then(|open| open.shared.as_deref());
        let (own, others) = own_header(message, known)?;
        let (shared, own_timestamp) = own.map_or((None, None), |(shared, timestamp)| (Some(shared), timestamp));
        let offset = Offset(u64::try_from(message.offset()).unwrap_or(0));
        let is_next = |open: &Open| {
            open.partition == message.partition() && open.next == offset && open.shared.as_deref() == shared
        };
        let timestamp = own_timestamp.or_else(|| message.timestamp()).unwrap_or_default();
        let mut before = None;
        if !self.open.as_ref().is_some_and(is_next) {
            before = self.finish();
            self.open = Some(Open::begin(message.partition(), offset, shared, timestamp, room_bytes));
        }
        let open = self.open.as_mut().expect("it was begun");
        let (key, value) = (message.key(), message.value());
        open.builder.push(&NewRecord { key, value, timestamp, headers: &others })?;
        open.next = offset.plus(1);
        Ok(before)
    }

    /// The batch that is open.
    pub(crate) fn finish(&mut self) -> Option<Assembled> {
        let open = self.open.take()?;
        Some((open.partition, open.builder.finish(open.base, open.committed_at)))
    }
}

impl Open {
    fn begin(partition: i32, base: Offset, shared: Option<&[u8]>, timestamp: Timestamp, room_bytes: usize) -> Self {
        let told = shared.and_then(provenance::read);
        let Told { origin, committed_at } = told.unwrap_or_else(|| provenance::foreign(timestamp));
        let builder = BatchBuilder::new(&origin, room_bytes);
        Self { partition, base, next: base, shared: shared.map(<[u8]>::to_vec), committed_at, builder }
    }
}

/// The common part of our header, and a timestamp if it has one.
type Own<'a> = (&'a [u8], Option<Timestamp>);

/// Our header, if the last is one, and those before it. One whose common part is `known` was read already.
fn own_header<'a>(message: &'a Message, known: Option<&[u8]>) -> Result<(Option<Own<'a>>, Vec<Header<'a>>)> {
    let mut headers: Vec<_> = Vec::new();
    let mut all = message.headers().peekable();
    while let Some((name, value)) = all.next() {
        if all.peek().is_none()
            && name.as_bytes() == provenance::NAME.to_bytes()
            && let Some(own) = provenance::split(value)?
            && (known == Some(own.0) || provenance::read(own.0).is_some())
        {
            return Ok((Some(own), headers));
        }
        headers.push(Header { name, value });
    }
    Ok((None, headers))
}
