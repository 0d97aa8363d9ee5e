//! Records as they are stored.

use std::hint::black_box;

use linecook_log::{Batch, BatchBuilder, GroupName, NewRecord, Offset, Origin, Timestamp};

use super::events::{encoded, order_of};
use crate::Work;

const RECORDS_OF_A_BATCH: usize = 1_000;

pub(super) fn origin() -> Origin {
    let service = GroupName::new("micro").expect("a name");
    Origin { service, taken_at: Timestamp(1_700_000_000_000), attempt: 1, source: None }
}

pub(super) type KeyAndValue = (Vec<u8>, Vec<u8>);

pub(super) fn pizzas(records: u32) -> Vec<KeyAndValue> {
    (0..records).map(|number| (order_of(number).to_string().into_bytes(), encoded(number))).collect()
}

pub(super) fn builder(pizzas: &[KeyAndValue]) -> BatchBuilder {
    let mut builder = BatchBuilder::new(&origin(), 200 * pizzas.len());
    for (key, value) in pizzas {
        let timestamp = Timestamp(1_700_000_000_000);
        builder.push(&NewRecord { key: Some(key), value: Some(value), timestamp, headers: &[] }).expect("no headers");
    }
    builder
}

pub(super) fn build(records: u32) -> Work {
    let all = pizzas(records);
    Box::new(move || {
        for some in all.chunks(RECORDS_OF_A_BATCH) {
            black_box(builder(some).finish(Offset(0), Timestamp(0)));
        }
        Box::new(all)
    })
}

/// From its bytes, as after a read of the disk: every record is looked at by `parse`, and once more by who reads it.
pub(super) fn read(records: u32) -> Work {
    let all = pizzas(records);
    let finish = |some: &[KeyAndValue]| builder(some).finish(Offset(0), Timestamp(0)).bytes().clone();
    let all: Vec<_> = all.chunks(RECORDS_OF_A_BATCH).map(finish).collect();
    Box::new(move || {
        for bytes in &all {
            let batch = Batch::parse(Offset(0), Timestamp(0), bytes.clone()).expect("it is a batch");
            for record in batch.records() {
                black_box(record.value);
            }
        }
        Box::new(all)
    })
}
