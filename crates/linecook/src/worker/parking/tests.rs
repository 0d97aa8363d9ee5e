use linecook_log::{Headers, Offset};

use super::*;
use crate::{testing::at, trial::Memory};

const PARTITION: Partition = Partition(3);

fn parking() -> Parking {
    let service = GroupName::new("oven").unwrap();
    Parking::new(&service, &TableName::new("baked.parked").unwrap(), Duration::from_millis(1_000), 100_000)
}

fn record<'a>(key: &'a str, offset: u64) -> Record<'a> {
    let key = (!key.is_empty()).then_some(key.as_bytes());
    Record { offset: Offset(offset), timestamp: Timestamp(5), key, value: Some(b"v"), headers: Headers::default() }
}

fn begin(parking: &mut Parking, record: Record<'_>, due: i64) {
    let from = at("pizza/3");
    let (first_failed_at, last_failed_at) = (Timestamp(1), Timestamp(1));
    let parked = Parked { from: &from, record, attempts: 1, first_failed_at, last_failed_at, reason: "cold" };
    parking.begin(&parked, Some(Timestamp(due)));
}

fn is_behind(parking: &mut Parking, record: Record<'_>) -> bool {
    parking.queue_behind(&at("pizza/3"), &record)
}

fn commit(parking: &mut Parking, memory: &mut Memory) {
    let mut rows = Vec::new();
    parking.take(&mut rows);
    memory.commit(linecook_log::Commit { rows, ..Default::default() }).map(drop).unwrap();
    parking.committed();
}

fn first_due(parking: &Parking, now: i64) -> Option<(Timestamp, Partition, &LaneName)> {
    parking.first_due_of_each(Timestamp(now)).min_by_key(|(due, ..)| *due)
}

/// When each lane is due, and how many records it has.
fn lanes(parking: &Parking) -> Vec<(i64, u64)> {
    let lanes = parking.lanes.values().flat_map(|lanes| lanes.by_name.values());
    let mut lanes: Vec<_> = lanes.map(|lane| (lane.due.unwrap().0, lane.length())).collect();
    lanes.sort_unstable();
    lanes
}

#[test]
fn what_is_read_is_what_was_committed() {
    let (mut parking, mut memory) = (parking(), Memory::default());
    begin(&mut parking, record("7", 1), 30);
    begin(&mut parking, record("", 2), 20);
    assert!(is_behind(&mut parking, record("7", 3)));
    assert!(!is_behind(&mut parking, record("8", 4)), "nothing of its key waits");
    assert!(!is_behind(&mut parking, record("", 5)), "without a key it waits behind nobody");
    commit(&mut parking, &mut memory);
    assert_eq!((lanes(&parking), parking.record_count(PARTITION)), (vec![(20, 1), (30, 2)], 3));
    let mut other = self::parking();
    other.assign(PARTITION);
    assert!(!other.is_empty(), "it has yet to be read");
    other.read(&mut memory).unwrap();
    assert_eq!((lanes(&other), other.record_count(PARTITION)), (lanes(&parking), 3));
    assert_eq!(first_due(&other, 0).map(|(due, ..)| due), Some(Timestamp(20)));
}

#[test]
fn what_was_not_committed_is_undone() {
    let (mut parking, mut memory) = (parking(), Memory::default());
    begin(&mut parking, record("7", 1), 30);
    assert!(is_behind(&mut parking, record("7", 2)));
    commit(&mut parking, &mut memory);
    begin(&mut parking, record("8", 3), 10);
    assert!(is_behind(&mut parking, record("7", 4)) && is_behind(&mut parking, record("8", 5)));
    let lane = first_due(&parking, 0).unwrap().2.clone();
    parking.finish_first(PARTITION, &lane, Timestamp(50));
    let seven = parking.lanes[&PARTITION].by_name.keys().find(|name| **name != lane).unwrap().clone();
    (0..3).for_each(|_| parking.finish_first(PARTITION, &seven, Timestamp(50)));
    assert_eq!(lanes(&parking), [(50, 1)]);
    parking.clear();
    assert_eq!((lanes(&parking), parking.record_count(PARTITION)), (vec![(30, 2)], 2));
    let mut rows = Vec::new();
    parking.take(&mut rows);
    assert!(rows.is_empty() && parking.size_bytes() == 0, "{rows:?}");
}

#[test]
fn a_lane_ends_with_its_last_record_and_leaves_no_row() {
    let (mut parking, mut memory) = (parking(), Memory::default());
    begin(&mut parking, record("7", 1), 30);
    assert!(is_behind(&mut parking, record("7", 2)));
    commit(&mut parking, &mut memory);
    for offset in [1, 2] {
        let lane = first_due(&parking, 0).unwrap().2.clone();
        assert_eq!(parking.first(PARTITION, &lane, &mut memory).unwrap().unwrap().batch.base(), Offset(offset));
        parking.finish_first(PARTITION, &lane, Timestamp(50));
        commit(&mut parking, &mut memory);
    }
    assert!(parking.is_empty());
    let everything = memory.scan(&parking.table, PARTITION, Scan::prefix(b"")).unwrap();
    assert_eq!(everything, []);
}

#[test]
fn more_lanes_than_fit_into_one_scan_are_all_read() {
    let (mut parking, mut memory) = (parking(), Memory::default());
    for offset in 0..2 * PAGE_ROWS as u64 {
        begin(&mut parking, record(&offset.to_string(), offset), 30);
    }
    commit(&mut parking, &mut memory);
    let mut other = self::parking();
    other.assign(PARTITION);
    other.read(&mut memory).unwrap();
    assert_eq!(other.record_count(PARTITION), 2 * PAGE_ROWS as u64);
}

#[test]
fn a_partition_that_is_given_up_is_forgotten() {
    let mut parking = parking();
    begin(&mut parking, record("7", 1), 30);
    parking.give_up(PARTITION);
    assert!(parking.is_empty() && first_due(&parking, 0).is_none());
    assert!(!is_behind(&mut parking, record("7", 2)));
}

/// What waits was tried in the order of the times alone, and the rest of a lane kept the time of its first record: as long as
/// its key had a backlog, no other lane was.
#[test]
fn who_has_waited_for_longer_comes_before_the_rest_of_a_lane() {
    let mut parking = parking();
    begin(&mut parking, record("7", 1), 10);
    assert!(is_behind(&mut parking, record("7", 2)));
    begin(&mut parking, record("8", 3), 20);
    let first = first_due(&parking, 50).unwrap().2.clone();
    parking.finish_first(PARTITION, &first, Timestamp(50));
    assert_ne!(first_due(&parking, 50).unwrap().2, &first);
}

/// A clock that was a day ahead for a moment made a key wait for a day.
#[test]
fn nobody_waits_for_much_longer_than_the_policy_lets_them() {
    let mut parking = parking();
    begin(&mut parking, record("7", 1), 1_040 + 120_000);
    assert_eq!(first_due(&parking, 40).unwrap().0, Timestamp(1_040 + 120_000), "its handler took that long");
    assert_eq!(first_due(&parking, 39).unwrap().0, Timestamp(39), "the clock was put back");
}
