//! From messages to batches.

use linecook_log::{Batch, BatchBuilder, Header, NewRecord, Offset, Result, Timestamp};

use crate::{
    native::record::Message,
    provenance::{self, Parts, Told},
    runs::{Runs, Shared},
};

/// Puts messages of a topic together to batches: as far as their offsets have no gap and they come from the same commit.
pub(crate) struct Assembler<'a> {
    runs: &'a mut Runs,
    open: Option<Open>,
}

struct Open {
    partition: i32,
    base: Offset,
    next: Offset,
    /// What the headers of its runs have in common; `None` for records of others.
    shared: Option<Shared>,
    committed_at: Timestamp,
    builder: BatchBuilder,
}

/// Of which partition, and the batch.
pub(crate) type Assembled = (i32, Batch);

impl<'a> Assembler<'a> {
    /// The runs are those of the topic, as far as it was read before.
    pub(crate) fn new(runs: &'a mut Runs) -> Self {
        Self { runs, open: None }
    }

    /// Adds a message; returns the batch before, if the message does not belong to it.
    ///
    /// # Errors
    /// `Corrupt`: it was written in a format that is not known.
    pub(crate) fn add(&mut self, message: &Message, room_bytes: usize) -> Result<Option<Assembled>> {
        let known = self.open.as_ref().and_then(|open| open.shared.as_ref());
        let Belonging { shared, timestamp, others } = belonging(self.runs, message, known)?;
        let partition = message.partition();
        let offset = Offset(u64::try_from(message.offset()).unwrap_or(0));
        let is_next = |open: &Open| open.partition == partition && open.next == offset && open.shared == shared;
        let mut before = None;
        if !self.open.as_ref().is_some_and(is_next) {
            before = self.finish();
            self.open = Some(Open::begin(partition, offset, shared, timestamp, room_bytes));
        }
        let open = self.open.as_mut().expect("it was begun");
        open.builder.push(&NewRecord { key: message.key(), value: message.value(), timestamp, headers: &others })?;
        open.next = offset.plus(1);
        Ok(before)
    }

    /// Passes a message over that lies before those that are wanted: they may be of its run. Nobody has asked for it, so
    /// that it cannot be read is nothing to them.
    pub(crate) fn pass(&mut self, message: &Message) {
        let _ = belonging(self.runs, message, None);
    }

    /// The batch that is open.
    pub(crate) fn finish(&mut self) -> Option<Assembled> {
        let open = self.open.take()?;
        Some((open.partition, open.builder.finish(open.base, open.committed_at)))
    }
}

impl Open {
    fn begin(partition: i32, base: Offset, shared: Option<Shared>, timestamp: Timestamp, room_bytes: usize) -> Self {
        let told = shared.as_deref().and_then(provenance::read);
        let Told { origin, committed_at } = told.unwrap_or_else(|| provenance::foreign(timestamp));
        let builder = BatchBuilder::new(&origin, room_bytes);
        Self { partition, base, next: base, shared, committed_at, builder }
    }
}

/// What a message belongs to, and what is its own.
struct Belonging<'a> {
    /// What it has in common with the others of its commit; `None` for one of others.
    shared: Option<Shared>,
    timestamp: Timestamp,
    /// Its headers without ours.
    others: Vec<Header<'a>>,
}

/// `known` is what the message before has in common with those of its commit.
fn belonging<'a>(runs: &mut Runs, message: &'a Message, known: Option<&Shared>) -> Result<Belonging<'a>> {
    let (own, others) = own_header(message, known)?;
    let shared = match own {
        Some(own) => Some(runs.begin(message.place(), own.shared, known, own.followers)),
        None => runs.follow(message.place(), || provenance::digest(message.key(), message.value())),
    };
    let timestamp = own.and_then(|own| own.timestamp).or_else(|| message.timestamp()).unwrap_or_default();
    Ok(Belonging { shared, timestamp, others })
}

/// Our header, if the last is one, and those before it. One whose common part is `known` was read already.
fn own_header<'a>(message: &'a Message, known: Option<&Shared>) -> Result<(Option<Parts<'a>>, Vec<Header<'a>>)> {
    let mut headers: Vec<_> = Vec::new();
    let mut all = message.headers().peekable();
    while let Some((name, value)) = all.next() {
        if all.peek().is_none()
            && name.as_bytes() == provenance::NAME.to_bytes()
            && let Some(own) = provenance::split(value)?
            && (known.is_some_and(|known| **known == *own.shared) || provenance::read(own.shared).is_some())
        {
            return Ok((Some(own), headers));
        }
        headers.push(Header { name, value });
    }
    Ok((None, headers))
}
