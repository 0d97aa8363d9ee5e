//! Records of what a member owns.

use std::{sync::Arc, time::Duration};

use linecook_log::{Batch, Error, ErrorKind, Fetch, Partition, Result, TopicPartition};
use rdkafka::{TopicPartitionList, consumer::Consumer as _, error::RDKafkaErrorCode};

use super::{KafkaMember, Open, Over, Owned};
use crate::{
    client, fault,
    fetched::Assembler,
    native::{
        Fault,
        admin::{list, native_offset},
        member::positions,
        record::Message,
    },
};

/// How many records are taken from a queue at once, at most.
const CHUNK_MAX: usize = 8192;
const SEEK_WITHIN: Duration = Duration::from_secs(5);

impl KafkaMember {
    /// What has come. Earlier topics first, but never all of the room for them: a flood of the first must not starve the
    /// others.
    pub(super) fn fetch(&mut self, open: &Open, max_bytes: usize) -> Result<Vec<Fetch>> {
        let mut fetches = Vec::new();
        let mut left = max_bytes;
        for rank in 0..open.queues.len() {
            if !open.queues[rank].queue.has_any() {
                continue;
            }
            let is_last = rank + 1 == open.queues.len();
            let budget = if is_last { left } else { left.div_ceil(2) };
            let begin = fetches.len();
            let taken = self.fetch_topic(open, rank, budget, &mut fetches)?;
            self.note_positions(open, rank, &mut fetches[begin..]);
            left = left.saturating_sub(taken);
        }
        Ok(fetches)
    }

    fn fetch_topic(&mut self, open: &Open, rank: usize, budget: usize, into: &mut Vec<Fetch>) -> Result<usize> {
        let mut taken = std::mem::take(&mut self.taken);
        let max_count = (budget / self.mean_record_bytes.max(1) + 1).min(CHUNK_MAX);
        let (mut bytes, mut count) = (0, 0);
        let mut runs = std::mem::take(&mut self.runs[rank]);
        let mut assembler = Assembler::new(&mut runs);
        let mut outcome = Ok(());
        for message in taken.take(&open.queues[rank].queue, max_count) {
            if outcome.is_err() {
                continue; // they go with what is in hand: the positions are set back
            }
            if message.fault().is_some() {
                outcome = self.faulty(rank, &message);
                continue;
            }
            (bytes, count) = (bytes + message.size_bytes(), count + 1);
            let complete = assembler.add(&message, budget.min(256 << 10));
            outcome = complete.and_then(|batch| batch.into_iter().try_for_each(|it| self.hand_out(rank, it, into)));
        }
        outcome =
            outcome.and_then(|()| assembler.finish().into_iter().try_for_each(|it| self.hand_out(rank, it, into)));
        (self.taken, self.runs[rank]) = (taken, runs);
        if let Err(error) = outcome {
            self.must_rewind = true;
            into.clear();
            return Err(error);
        }
        let mean = bytes.checked_div(count).unwrap_or(self.mean_record_bytes);
        self.mean_record_bytes = (self.mean_record_bytes * 3 + mean) / 4;
        Ok(bytes)
    }

    /// Records of partitions that are not owned any more are dropped.
    ///
    /// # Errors
    ///
    /// `Unknown` when they begin before what was handed out: the client may fetch that once more around a rebalance, and
    /// it does when the topic was created anew. Which of them it is the brokers know: of a topic that is gone they have
    /// forgotten what was committed. So the member joins again.
    fn hand_out(&mut self, rank: usize, (partition, batch): (i32, Batch), into: &mut Vec<Fetch>) -> Result<()> {
        let Ok(partition) = u32::try_from(partition).map(Partition) else { return Ok(()) };
        let mut of_rank = self.owned.iter_mut().filter(|owned| owned.rank == rank);
        let Some(owned) = of_rank.find(|owned| owned.at.partition == partition) else { return Ok(()) };
        if owned.is_paused {
            return Ok(()); // it comes again when it is resumed
        }
        if batch.base() < owned.handed {
            self.over = Some(Over::Unknown);
            let text = format!("records come a second time: partition={}", owned.at);
            let positions = format!("handed_out_up_to={} they_begin_at={}", owned.handed, batch.base());
            return Err(fault::unknown(text, Fault::new(RDKafkaErrorCode::State, positions)));
        }
        owned.fault = None;
        owned.handed = batch.end();
        owned.advance(batch.end());
        into.push(Fetch::new(owned.at.clone(), batch.base(), batch));
        Ok(())
    }

    /// Where the consumer stands: behind marks of transactions and what was aborted, too.
    fn note_positions(&mut self, open: &Open, rank: usize, fetches: &mut [Fetch]) {
        let of_rank = self.owned.iter_mut().filter(|owned| owned.rank == rank);
        let mut of_rank: Vec<_> = of_rank.collect();
        let asked = list(of_rank.iter().map(|owned| (&owned.at, rdkafka::Offset::Invalid)));
        for (owned, position) in of_rank.iter_mut().zip(positions(&open.consumer, &asked)) {
            let Some(position) = position.filter(|position| *position > owned.position) else { continue };
            owned.advance(position);
            if let Some(last) = fetches.iter_mut().rev().find(|fetch| fetch.from == owned.at) {
                last.next = position;
            }
            self.shared.progress.reach(&self.spec.group, &owned.at, owned.reached());
        }
    }

    /// What is no record says that its partition cannot be read.
    fn faulty(&mut self, rank: usize, message: &Message) -> Result<()> {
        let Some((code, text)) = message.fault() else { return Ok(()) };
        let partition = u32::try_from(message.partition()).map(Partition);
        let is_it = |owned: &&mut Owned| owned.rank == rank && Ok(owned.at.partition) == partition;
        let Some(owned) = self.owned.iter_mut().find(is_it) else { return Ok(()) };
        if code == RDKafkaErrorCode::AutoOffsetReset {
            // The client has stopped reading it, and takes no position in what is stopped. Who joins again begins where
            // there are records, or hears what is missing.
            let text = format!("the partition has not the records any more that come next: partition={}", owned.at);
            self.over = Some(Over::Unknown);
            return Err(fault::unknown(text, Fault::new(code, format!("read_up_to={}", owned.position))));
        }
        owned.fault = Some((code, text));
        Ok(())
    }

    /// After a commit that did not happen: what it was to consume comes again.
    pub(super) fn rewind(&mut self, open: &Open) -> Result<()> {
        self.rewind_some(open, |_| true)
    }

    fn rewind_some(&mut self, open: &Open, is_wanted: impl Fn(&Owned) -> bool) -> Result<()> {
        let mut wanted: Vec<_> = self.owned.iter_mut().filter(|owned| is_wanted(owned)).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let to = list(wanted.iter().map(|owned| (&owned.at, native_offset(owned.committed))));
        seek(open, &to).inspect_err(|_| self.over = Some(Over::Unknown))?;
        for owned in &mut wanted {
            (owned.handed, owned.position) = (owned.committed, owned.committed);
        }
        Ok(())
    }

    /// Nothing of that partition is fetched from here on, or what is not committed is fetched again.
    ///
    /// Both outdate what the client has fetched of it. Who is not paused is not set back: what was polled of it would come
    /// once more. (The client tells of a partition that it does not know, and of no other fault.)
    pub(super) fn set_paused(&mut self, at: &TopicPartition, is_paused: bool) -> Result<()> {
        self.check_going_on()?;
        let Some(owned) = self.owned.iter_mut().find(|owned| owned.at == *at) else {
            return Err(Error::new(ErrorKind::Fenced, format!("the partition is not owned: partition={at}")));
        };
        if std::mem::replace(&mut owned.is_paused, is_paused) == is_paused {
            return Ok(());
        }
        let clients = Arc::clone(&self.clients);
        let open = clients.open.lock();
        let open = open.as_ref().ok_or_else(|| self.shared.ended())?;
        let which = list([(at, rdkafka::Offset::Invalid)]);
        let done = if is_paused {
            open.consumer.pause(&which)
        } else {
            self.rewind_some(open, |owned| owned.at == *at)?;
            open.consumer.resume(&which)
        };
        done.map_err(|error| {
            self.over = Some(Over::Unknown);
            fault::unknown("a partition cannot be paused, or resumed: join again", client::fault_in(&error))
        })
    }

    /// These partitions are given up. The client would take a pause along to when it gets them again.
    pub(super) fn end_pauses(&self, open: &Open, partitions: &[TopicPartition]) {
        let is_paused = |owned: &&Owned| owned.is_paused && partitions.contains(&owned.at);
        let paused: Vec<_> = self.owned.iter().filter(is_paused).collect();
        if paused.is_empty() {
            return;
        }
        let paused = list(paused.iter().map(|owned| (&owned.at, rdkafka::Offset::Invalid)));
        if let Err(error) = open.consumer.resume(&paused) {
            tracing::warn!(group = %self.spec.group, %error, "the pause of partitions that are given up does not end");
        }
    }
}

fn seek(open: &Open, to: &TopicPartitionList) -> Result<()> {
    let failed = |fault| fault::unknown("positions cannot be set back: join again", fault);
    let sought = open.consumer.seek_partitions(to.clone(), SEEK_WITHIN);
    let sought = sought.map_err(|error| failed(client::fault_in(&error)))?;
    for element in sought.elements() {
        element.error().map_err(|error| failed(client::fault_in(&error)))?;
    }
    Ok(())
}
