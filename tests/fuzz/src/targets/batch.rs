//! Batches as they lie on a disk, or in a cluster that others write to.

use linecook_log::{Batch, BatchBuilder, Header, NewRecord, Offset, Timestamp};

use crate::Check;

/// What is no batch is refused; what is one can be read to its end, and written again.
pub(super) fn begin() -> Check {
    Box::new(|bytes| {
        let Ok(batch) = Batch::parse(Offset(7), Timestamp(1), bytes.to_vec().into()) else { return };
        assert_eq!(batch.records().count(), batch.count() as usize);
        let Ok(origin) = batch.origin() else { return };
        let mut builder = BatchBuilder::new(&origin, 0);
        for record in batch.records() {
            let headers: Vec<_> = record.headers.collect::<Vec<Header<'_>>>();
            let new =
                NewRecord { key: record.key, value: record.value, timestamp: record.timestamp, headers: &headers };
            builder.push(&new).expect("what was read can be written");
        }
        let again = builder.finish(Offset(7), Timestamp(1));
        let again = Batch::parse(Offset(7), Timestamp(1), again.bytes().clone()).expect("what was written can be read");
        assert!(
            again.records().map(parts).eq(batch.records().map(parts)),
            "it is another batch when it is written again"
        );
        assert_eq!(again.origin().expect("it was written with one"), origin);
    })
}

type Parts<'a> = (Offset, Option<&'a [u8]>, Option<&'a [u8]>, Timestamp, Vec<(&'a str, &'a [u8])>);

fn parts(record: linecook_log::Record<'_>) -> Parts<'_> {
    let headers = record.headers.map(|header| (header.name, header.value)).collect();
    (record.offset, record.key, record.value, record.timestamp, headers)
}
