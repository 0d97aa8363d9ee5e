//! What no crash and no bad disk does, but a bug of the log might: frames whose checksums fit and that lie all the same.

use std::{io::IoSlice, sync::Arc};

use bytes::Bytes;
use linecook_log::{
    BatchBuilder, GroupName, NewRecord, Offset, Origin, TableName, Timestamp, TopicName, TopicPartition,
};

use super::{DamageKind, Inspection, Opening, Report};
use crate::{
    catalog::{Catalog, GroupId, PartitionId},
    fault::FaultyFiles,
    files::Files,
    frame::{CommitNumber, Entry, Head},
    payload::{self, Stored},
    segment::{Header, Index, file_name},
};

/// Segments written by hand.
#[derive(Default)]
struct Forged {
    files: FaultyFiles,
    catalog: Catalog,
    number: CommitNumber,
    /// The bytes of the segment that is being written, its name and its index.
    segment: Option<(String, Vec<u8>, Index)>,
}

impl Forged {
    /// One segment with a topic of two partitions, a group that reads it, and a table.
    fn new() -> Self {
        let mut forged = Self::default();
        forged.begin_segment();
        let entries = vec![
            Entry::Topic { name: TopicName::new("orders").unwrap(), partition_count: 2 },
            Entry::Group { name: GroupName::new("kitchen").unwrap() },
            Entry::Table { service: GroupName::new("kitchen").unwrap(), name: TableName::new("stock").unwrap() },
        ];
        forged.frame(entries, &[]);
        forged
    }

    fn begin_segment(&mut self) {
        let first = self.number.next();
        let header = Header { first, synced: CommitNumber(first.0 - 1), catalog: self.catalog.clone() };
        self.segment = Some((file_name(first), header.encode(), Index::default()));
    }

    fn frame(&mut self, entries: Vec<Entry>, payload: &[Stored]) {
        let (_, bytes, index) = self.segment.as_mut().unwrap();
        self.number = self.number.next();
        let payload_length = payload.iter().map(|stored| stored.part.stored).sum();
        let synced = CommitNumber(self.number.0 - 1);
        let committed_at = Timestamp(i64::try_from(self.number.0).unwrap());
        for entry in &entries {
            self.catalog.apply(entry);
            if let Entry::Output { partition, base, .. } = entry {
                index.note(*partition, *base, bytes.len() as u64);
            }
        }
        index.last_commit_at = committed_at;
        bytes.extend(Head { number: self.number, synced, committed_at, payload_length, entries }.encode());
        payload.iter().for_each(|stored| bytes.extend(&stored.bytes));
    }

    /// A frame with a batch of one record, said to have `count` of them.
    fn output(&mut self, base: u64, count: u32) {
        let stored = batch();
        let entry = Entry::Output { partition: PartitionId(0), base: Offset(base), count, part: stored.part };
        self.frame(vec![entry], &[stored]);
    }

    fn offset(&mut self, partition: u32, offset: u64) {
        let (group, partition) = (GroupId(0), PartitionId(partition));
        self.frame(vec![Entry::Offset { group, partition, offset: Offset(offset), epoch: 1 }], &[]);
    }

    fn write(&mut self, close: impl FnOnce(&mut Vec<u8>, Index)) {
        let (name, mut bytes, index) = self.segment.take().unwrap();
        close(&mut bytes, index);
        self.files.create(&name).unwrap().write(0, &mut [IoSlice::new(&bytes)]).unwrap();
    }

    fn report(mut self) -> Report {
        self.write(|_, _| {});
        let files: Arc<dyn Files> = Arc::new(self.files.clone());
        Inspection::open_with_files(&files).unwrap().report()
    }

    /// The one finding.
    fn finding(self) -> DamageKind {
        let commit = self.number;
        let report = self.report();
        assert_eq!(report.damage.len(), 1, "{report}");
        assert!(!report.is_sound());
        assert!(report.damage[0].commit.is_none_or(|it| it == commit), "{report}");
        report.damage[0].kind.clone()
    }
}

fn batch() -> Stored {
    let service = GroupName::new("pizza-service").unwrap();
    let mut batch = BatchBuilder::new(&Origin { service, taken_at: Timestamp(1), attempt: 1, source: None }, 64);
    batch.push(&NewRecord { key: None, value: Some(b"{}"), timestamp: Timestamp(1), headers: &[] }).unwrap();
    payload::store(batch.finish(Offset(0), Timestamp(0)).bytes())
}

fn orders(partition: u32) -> TopicPartition {
    TopicPartition::new(&TopicName::new("orders").unwrap(), linecook_log::Partition(partition))
}

#[test]
fn what_is_forged_well_is_sound() {
    let mut forged = Forged::new();
    forged.output(0, 1);
    forged.offset(0, 1);
    forged.write(|bytes, index| bytes.extend(index.encode_with_trailer(bytes.len() as u64)));
    forged.begin_segment();
    forged.output(1, 1);
    let report = forged.report();
    assert!(report.is_sound() && report.damage.is_empty(), "{report}");
    assert_eq!((report.topics[0].record_count(), report.groups[0].partitions[0].lag), (2, 1));
}

#[test]
fn an_offset_left_out_or_given_twice_is_found() {
    for found in [0, 2] {
        let mut forged = Forged::new();
        forged.output(0, 1);
        forged.output(found, 1);
        let (expected, found) = (Offset(1), Offset(found));
        assert_eq!(forged.finding(), DamageKind::OffsetGap { partition: orders(0), expected, found });
    }
}

#[test]
fn a_batch_that_is_none_or_has_another_number_of_records_is_found() {
    let mut forged = Forged::new();
    forged.output(0, 2);
    let DamageKind::BatchUnreadable { partition, reason } = forged.finding() else { panic!() };
    assert_eq!((partition, reason.contains("found=1 expected=2")), (Some(orders(0)), true), "{reason}");

    let mut forged = Forged::new();
    let stored = payload::store(&Bytes::from_static(b"\x09\0no batch"));
    let entry = Entry::Output { partition: PartitionId(0), base: Offset(0), count: 1, part: stored.part };
    forged.frame(vec![entry], &[stored]);
    let DamageKind::BatchUnreadable { reason, .. } = forged.finding() else { panic!() };
    assert!(reason.contains("found=9 known=1"), "{reason}");
}

#[test]
fn rows_that_are_none_are_found() {
    let mut forged = Forged::new();
    let stored = payload::store(&Bytes::from_static(b"no rows"));
    forged.frame(vec![Entry::Rows { count: 1, part: stored.part }], &[stored]);
    assert!(matches!(forged.finding(), DamageKind::RowsUnreadable { .. }));
}

#[test]
fn a_group_that_has_consumed_what_is_not_there_is_found() {
    let mut forged = Forged::new();
    forged.offset(1, 1);
    let DamageKind::OffsetBeyondEnd { group, partition, offset, end } = forged.finding() else { panic!() };
    assert_eq!((group.as_str(), partition, offset), ("kitchen", orders(1), Offset(1)));
    assert_eq!(end, Offset(0));
}

#[test]
fn a_frame_that_names_what_does_not_exist_is_found() {
    let mut forged = Forged::new();
    let stored = batch();
    let entry = Entry::Output { partition: PartitionId(7), base: Offset(0), count: 1, part: stored.part };
    forged.frame(vec![entry], &[stored]);
    assert!(matches!(forged.finding(), DamageKind::FrameContradicts { .. }));

    let mut forged = Forged::new();
    forged.offset(7, 0);
    assert!(matches!(forged.finding(), DamageKind::FrameContradicts { .. }));
}

#[test]
fn an_index_that_points_elsewhere_is_found() {
    for (position, what) in [(1, "points at no frame"), (0, "first batch")] {
        let mut forged = Forged::new();
        forged.output(0, 1);
        forged.write(|bytes, mut index| {
            if position == 0 {
                let mut empty = Index::default();
                empty.last_commit_at = index.last_commit_at;
                index = empty;
            } else {
                index.note(PartitionId(1), Offset(0), position);
            }
            bytes.extend(index.encode_with_trailer(bytes.len() as u64));
        });
        forged.begin_segment();
        let DamageKind::IndexContradicts { reason } = forged.finding() else { panic!() };
        assert!(reason.contains(what), "{reason}");
    }
}

#[test]
fn a_header_that_says_something_else_than_the_frames_is_found() {
    let mut forged = Forged::new();
    forged.output(0, 1);
    forged.write(|bytes, index| bytes.extend(index.encode_with_trailer(bytes.len() as u64)));
    forged.catalog.ends[1] = Offset(3);
    forged.begin_segment();
    assert_eq!(forged.finding(), DamageKind::HeaderContradicts);
}

#[test]
fn the_list_of_findings_is_bounded() {
    let mut forged = Forged::new();
    for _ in 0..Report::DAMAGE_MAX + 5 {
        forged.output(0, 1);
    }
    let report = forged.report();
    assert_eq!((report.damage.len(), report.unlisted_damage_count), (Report::DAMAGE_MAX, 4));
    assert!(!report.is_sound() && report.to_string().ends_with("  … and 4 more\n"));
}

#[test]
fn no_changed_byte_goes_unseen_and_no_cut_is_too_much_for_it() {
    let mut forged = Forged::new();
    forged.output(0, 1);
    forged.write(|bytes, index| bytes.extend(index.encode_with_trailer(bytes.len() as u64)));
    forged.begin_segment();
    forged.output(1, 1);
    forged.offset(0, 2);
    forged.write(|_, _| {});
    let files: Arc<dyn Files> = Arc::new(forged.files.clone());
    let read = || {
        let inspection = Inspection::open_with_files(&files).unwrap();
        if let Ok(records) = inspection.records(&TopicName::new("orders").unwrap(), None, Offset(0)) {
            assert!(records.flatten().count() <= 2);
        }
        inspection.report()
    };
    assert!(read().damage.is_empty());
    for name in files.list().unwrap() {
        let file = files.open(&name).unwrap();
        let mut whole = vec![0; usize::try_from(file.length_bytes().unwrap()).unwrap()];
        file.read(0, &mut whole).unwrap();
        for position in 0..whole.len() {
            for mask in [0x01, 0x10, 0xff] {
                file.write(position as u64, &mut [IoSlice::new(&[whole[position] ^ mask])]).unwrap();
                let report = read();
                assert!(!report.damage.is_empty(), "file={name} position={position} mask={mask}\n{report}");
            }
            file.write(0, &mut [IoSlice::new(&whole)]).unwrap();
        }
        for length in 0..whole.len() as u64 {
            file.cut(length, length).unwrap();
            read();
        }
        file.write(0, &mut [IoSlice::new(&whole)]).unwrap();
    }
}

/// A change of these names breaks who reads them.
#[test]
fn the_report_for_programs_has_not_changed() {
    let mut forged = Forged::new();
    forged.output(0, 1);
    forged.offset(0, 1);
    forged.write(|bytes, index| {
        bytes.extend(index.encode_with_trailer(bytes.len() as u64));
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
    });
    forged.begin_segment();
    let report = forged.report();
    assert_eq!(report.damage[0].opening, Opening::MakesAgain);
    let json = serde_json::to_value(&report).unwrap();
    let file = "00000000000000000001.log";
    let (position, stored) = (report.damage[0].position, batch().part.stored);
    let expected = serde_json::json!({
        "is_sound": true,
        "rows_up_to_commit": null,
        "synced_commit": 3,
        "end": { "file": "00000000000000000004.log", "position": report.segments[1].bytes, "last_commit": 3 },
        "topics": [{
            "topic": "orders", "record_count": 1, "stored_bytes": stored, "raw_bytes": stored,
            "partitions": [
                { "partition": 0, "start": 0, "end": 1, "record_count": 1, "stored_bytes": stored, "raw_bytes": stored },
                { "partition": 1, "start": 0, "end": 0, "record_count": 0, "stored_bytes": 0, "raw_bytes": 0 },
            ],
        }],
        "groups": [{
            "group": "kitchen",
            "partitions": [{ "topic": "orders", "partition": 0, "offset": 1, "lag": 0, "epoch": 1 }],
        }],
        "tables": [{ "service": "kitchen", "table": "stock" }],
        "segments": [
            {
                "file": file, "first_commit": 1, "last_commit": 3, "bytes": position,
                "file_bytes": report.segments[0].file_bytes, "is_closed": false,
                "first_commit_at": 1, "last_commit_at": 3,
            },
            {
                "file": "00000000000000000004.log", "first_commit": 4, "last_commit": null,
                "bytes": report.segments[1].bytes, "file_bytes": report.segments[1].bytes, "is_closed": false,
                "first_commit_at": null, "last_commit_at": null,
            },
        ],
        "damage": [{
            "kind": "index_damaged", "file": file, "position": position, "commit": null,
            "text": "the index of a closed segment is damaged", "opening": "makes_again",
        }],
        "unlisted_damage_count": 0,
    });
    assert_eq!(json, expected, "{json:#}");
}
