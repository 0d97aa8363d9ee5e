//! The loop of one stage: take what is there, work, commit.

use std::{collections::BTreeMap, convert::Infallible, ffi::CString, thread, time::Duration};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::Consumer as _,
    error::{KafkaError, RDKafkaErrorCode},
    producer::{BaseProducer, BaseRecord, Producer as _},
};

use super::{
    Fault, Way,
    clients::{self, Consumer},
    native::{Record, RecordQueue, wait_for_deliveries},
};
use crate::{clock, random::Random};

/// So many records are taken at once.
const BATCH_RECORDS: usize = 4096;
/// So many go into one commit, about.
const COMMIT_RECORDS: usize = 20_000;
/// How long a commit gathers while more comes.
const COMMIT_TIME: Duration = Duration::from_millis(100);
/// Nothing waits when nothing has come for so long since the first: partitions come one after the other.
const IDLE_AFTER: Duration = Duration::from_micros(300);
/// How long it sleeps at most when there is nothing to do; it is woken when there is.
const IDLE: Duration = Duration::from_millis(50);
/// How long a request to the broker may take.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Stage {
    way: Way,
    source: CString,
    records: RecordQueue, // before the consumer, which is dropped after it
    consumer: Consumer,
    producer: BaseProducer,
    in_hand: InHand,
}

/// What the next commit has.
#[derive(Default)]
struct InHand {
    record_count: usize,
    /// Where each partition goes on.
    positions: BTreeMap<i32, i64>,
    value: Vec<u8>,
}

impl Stage {
    pub(super) fn join(servers: &str, way: Way) -> Result<Self, Fault> {
        let consumer = clients::consumer(servers, &way.name)?;
        let producer = clients::producer(servers, &way.name)?;
        producer.init_transactions(PATIENCE)?;
        consumer.subscribe(&[&way.from])?;
        let records = RecordQueue::new(&consumer, BATCH_RECORDS);
        let source = CString::new(way.from.as_str())?;
        Ok(Self { way, source, records, consumer, producer, in_hand: InHand::default() })
    }

    pub(super) fn run(&mut self) -> Result<Infallible, Fault> {
        loop {
            self.serve_group()?;
            if self.gather()? {
                self.commit()?;
            }
        }
    }

    /// Rebalances and errors; records come another way.
    fn serve_group(&self) -> Result<(), Fault> {
        if let Some(Err(error)) = self.consumer.poll(Duration::ZERO) {
            return Err(error.into());
        }
        for assigned in self.consumer.context().take() {
            for element in assigned.elements() {
                self.records.forward(&self.source, element.partition());
            }
            self.consumer.incremental_assign(&assigned)?;
        }
        Ok(())
    }

    /// Works on what is there, and returns whether there was anything.
    fn gather(&mut self) -> Result<bool, Fault> {
        let Some(first) = self.records.wait_for_one(IDLE) else { return Ok(false) };
        self.producer.begin_transaction()?;
        let begin = clock::now();
        let Self { way, records, producer, in_hand, .. } = self;
        in_hand.handle(&first, way, producer)?;
        while in_hand.record_count < COMMIT_RECORDS && begin.elapsed() < COMMIT_TIME {
            let taken = records.take();
            if taken.len() == 0 {
                if begin.elapsed() > IDLE_AFTER {
                    break;
                }
                thread::yield_now();
            }
            for record in taken {
                in_hand.handle(&record, way, producer)?;
            }
        }
        Ok(true)
    }

    fn commit(&mut self) -> Result<(), Fault> {
        let mut offsets = TopicPartitionList::new();
        for (partition, position) in &self.in_hand.positions {
            offsets.add_partition_offset(&self.way.from, *partition, Offset::Offset(*position))?;
        }
        let metadata = self.consumer.group_metadata().ok_or("the consumer is in no group")?;
        // The broker takes the offsets while it still takes the records.
        self.producer.send_offsets_to_transaction(&offsets, &metadata, PATIENCE)?;
        wait_for_deliveries(&self.producer);
        self.producer.commit_transaction(PATIENCE)?;
        self.in_hand.record_count = 0;
        self.in_hand.positions.clear();
        Ok(())
    }
}

impl InHand {
    fn handle(&mut self, record: &Record, way: &Way, producer: &BaseProducer) -> Result<(), Fault> {
        if let Some(code) = record.fault() {
            return Err(KafkaError::MessageConsumption(code).into());
        }
        let (partition, offset) = (record.partition(), record.offset());
        let seed = (u64::try_from(partition)? << 40) + u64::try_from(offset)?;
        let mut pizza = serde_json::from_slice(record.value())?;
        way.what.put_on(&mut pizza, &mut Random::seeded(seed));
        self.value.clear();
        serde_json::to_writer(&mut self.value, &pizza)?;
        // What keeps the key keeps the partition.
        send(producer, BaseRecord::to(&way.to).partition(partition).key(record.key()).payload(&self.value))?;
        self.positions.insert(partition, offset + 1);
        self.record_count += 1;
        Ok(())
    }
}

fn send(producer: &BaseProducer, mut record: BaseRecord<'_, [u8], Vec<u8>>) -> Result<(), Fault> {
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                record = again;
                producer.poll(Duration::from_millis(1));
            }
            Err((error, _)) => return Err(error.into()),
        }
    }
}
