//! Rows of tables: what a member sees of its own, and what the outside sees.

use std::time::Duration;

use bytes::Bytes;

use super::{
    Subject,
    consumer::{Consumer, consumed},
    fixture::{Fixture, at, refusal},
    numbers::text_of,
    stage::Stage,
};
use crate::{
    Commit, Error, ErrorKind, InputSpec, MemberSpec, Offset, Partition, Row, RowChange, Scan, TableName, Ticket,
};

const FIRST: Partition = Partition(0);

/// A row's table, partition and key, and its new value.
type Change<'a> = (&'a TableName, u32, &'a [u8], Option<&'a [u8]>);
type KeyAndValue<'a> = (&'a [u8], &'a [u8]);

fn stage(fixture: &Fixture<'_>, partition_count: u32) -> Stage {
    let input = fixture.topic("in", partition_count);
    Stage::new(fixture, "table", &input, &[])
}

/// Commits the changes in the name of all partitions that the member owns.
fn put(consumer: &mut Consumer, changes: &[Change<'_>]) -> Ticket {
    let rows = changes.iter().map(|(table, partition, key, value)| RowChange {
        table: TableName::clone(table),
        partition: Partition(*partition),
        key: Bytes::copy_from_slice(key),
        value: value.map(Bytes::copy_from_slice),
    });
    let offsets = consumer.owned.iter().map(|owned| (owned.clone(), Offset(0))).collect();
    let commit = Commit { outputs: Vec::new(), rows: rows.collect(), offsets };
    consumer.commit(commit).expect("a commit of rows is taken")
}

fn as_rows(rows: &[KeyAndValue<'_>]) -> Vec<Row> {
    rows.iter().map(|(key, value)| (Bytes::copy_from_slice(key), Bytes::copy_from_slice(value))).collect()
}

/// Without a wait for it to be durable: new, changed and deleted rows, an empty value, the last of two changes.
pub fn a_member_sees_its_own_commit_at_once(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "rows-own");
    let stage = stage(&fixture, 1);
    let table = &stage.table;
    let mut consumer = stage.join_alone(&fixture);
    assert_eq!(consumer.get(table, FIRST, b"a").expect("a row can be read"), None);
    drop(put(
        &mut consumer,
        &[(table, 0, b"a", Some(b"1")), (table, 0, b"b", Some(b"")), (table, 0, b"c", Some(b"3"))],
    ));
    let all = consumer.scan(table, FIRST, Scan::prefix(b"")).expect("rows can be scanned");
    assert_eq!(all, as_rows(&[(b"a", b"1"), (b"b", b""), (b"c", b"3")]));

    let changes: [Change<'_>; 5] = [
        (table, 0, b"a", Some(b"2")),
        (table, 0, b"b", None),
        (table, 0, b"c", None),
        (table, 0, b"c", Some(b"4")),
        (table, 0, b"never", None),
    ];
    let ticket = put(&mut consumer, &changes);
    assert_eq!(consumer.get(table, FIRST, b"a").expect("a row can be read").as_deref(), Some(&b"2"[..]));
    fixture.wait(ticket);
    let left = as_rows(&[(b"a", b"2"), (b"c", b"4")]);
    assert_eq!(consumer.scan(table, FIRST, Scan::prefix(b"")).expect("rows can be scanned"), left);
    assert_eq!(consumer.get(table, FIRST, b"b").expect("a row can be read"), None);
    let reader = fixture.log.rows(&stage.group, table).expect("a reader of rows can be made");
    assert_eq!(reader.scan(FIRST, Scan::prefix(b"")).expect("rows can be scanned"), left);
    assert_eq!(reader.get(FIRST, b"b").expect("a row can be read"), None);
}

/// Of any bytes, below a prefix, behind a key, up to a limit; the same for the member and the outside.
pub fn a_scan_goes_in_the_order_of_keys(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "rows-scan");
    let stage = stage(&fixture, 1);
    let table = &stage.table;
    let mut consumer = stage.join_alone(&fixture);
    let keys: [&[u8]; 8] = [b"\x00", b"\x00\x00", b"a", b"a\x00", b"a\xff", b"b", b"\xff", b"\xff\xff\x01"];
    // Half of them in another commit, and none in order: a log may keep them in different places.
    for half in [[5, 0, 7, 2], [4, 1, 6, 3]] {
        let changes = half.map(|index| (table, 0, keys[index], Some(keys[index])));
        fixture.wait(put(&mut consumer, &changes));
    }
    let reader = fixture.log.rows(&stage.group, table).expect("a reader of rows can be made");
    let mut expect = |scan: Scan<'_>, expected: &[&[u8]]| {
        let expected: Vec<Row> = as_rows(&expected.iter().map(|key| (*key, *key)).collect::<Vec<_>>());
        assert_eq!(consumer.scan(table, FIRST, scan).expect("rows can be scanned"), expected, "a member's {scan:?}");
        assert_eq!(reader.scan(FIRST, scan).expect("rows can be scanned"), expected, "an outsider's {scan:?}");
    };
    expect(Scan::prefix(b""), &keys);
    expect(Scan::prefix(b"a"), &keys[2..5]);
    expect(Scan::prefix(b"\xff"), &keys[6..]);
    expect(Scan::prefix(b"none"), &[]);
    expect(Scan { after: Some(b"a"), ..Scan::prefix(b"a") }, &keys[3..5]);
    expect(Scan { after: Some(b"a\x01"), ..Scan::prefix(b"") }, &keys[4..]);
    expect(Scan { after: Some(b"\x01"), ..Scan::prefix(b"a") }, &keys[2..5]);
    expect(Scan { after: Some(b"b"), ..Scan::prefix(b"a") }, &[]);
    expect(Scan { limit: 3, ..Scan::prefix(b"") }, &keys[..3]);
    expect(Scan { limit: 1, after: Some(b"a"), prefix: b"a" }, &keys[3..4]);
    expect(Scan { limit: 0, ..Scan::prefix(b"") }, &[]);
}

/// One key in two tables, two partitions and two services is four rows.
pub fn tables_and_partitions_are_separate(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "rows-separate");
    let stage = stage(&fixture, 2);
    let (one, other) = (fixture.table("one"), fixture.table("one-other"));
    let tables = vec![one.clone(), other.clone()];
    let inputs = vec![InputSpec { topics: vec![stage.input.clone()], tables }];
    let mut consumer = fixture.join_alone(MemberSpec { inputs, ..stage.spec(&fixture, "instance-1") });
    let changes: [Change<'_>; 3] =
        [(&one, 0, b"k", Some(b"one-0")), (&one, 1, b"k", Some(b"one-1")), (&other, 0, b"k", Some(b"other-0"))];
    fixture.wait(put(&mut consumer, &changes));
    let expected: [(&TableName, u32, &[KeyAndValue<'_>]); 4] = [
        (&one, 0, &[(b"k", b"one-0")]),
        (&one, 1, &[(b"k", b"one-1")]),
        (&other, 0, &[(b"k", b"other-0")]),
        (&other, 1, &[]),
    ];
    for (table, partition, rows) in expected {
        let partition = Partition(partition);
        let reader = fixture.log.rows(&stage.group, table).expect("a reader of rows can be made");
        assert_eq!(reader.scan(partition, Scan::prefix(b"")).expect("rows can be scanned"), as_rows(rows));
        let own = consumer.scan(table, partition, Scan::prefix(b"")).expect("rows can be scanned");
        assert_eq!(own, as_rows(rows));
    }
    let second = Stage { group: fixture.group("second"), table: one, ..stage };
    let mut consumer = second.join_alone(&fixture);
    let foreign = consumer.scan(&second.table, FIRST, Scan::prefix(b"")).expect("rows can be scanned");
    assert!(foreign.is_empty(), "rows of another service: {foreign:?}");
}

/// By a reader that was made before there was a table.
pub fn the_outside_sees_a_durable_commit(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "rows-outside");
    let stage = stage(&fixture, 1);
    let reader = fixture.log.rows(&stage.group, &stage.table).expect("a reader can be made before the table");
    let mut consumer = stage.join_alone(&fixture);
    for value in [&b"1"[..], b"2", b"3"] {
        fixture.wait(put(&mut consumer, &[(&stage.table, 0, b"k", Some(value))]));
        assert_eq!(reader.get(FIRST, b"k").expect("a row can be read").as_deref(), Some(value));
    }
    fixture.wait(put(&mut consumer, &[(&stage.table, 0, b"k", None)]));
    assert_eq!(reader.get(FIRST, b"k").expect("a row can be read"), None);
}

/// A commit that becomes true between two reads is seen by neither. (It may be waited for in there since nobody wants the
/// rows to be let go.)
pub fn what_is_read_at_one_moment_is_of_one_commit(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "rows-moment");
    let stage = stage(&fixture, 1);
    let table = &stage.table;
    let reader = fixture.log.rows(&stage.group, table).expect("a reader of rows can be made");
    let mut consumer = stage.join_alone(&fixture);
    fixture.wait(put(&mut consumer, &[(table, 0, b"a", Some(b"1")), (table, 0, b"b", Some(b"1"))]));
    let mut reads = 0;
    let read = reader.at_one_moment(FIRST, &mut |rows| {
        reads += 1;
        assert_eq!(rows.get(b"a")?.as_deref(), Some(&b"1"[..]));
        let changes: [Change<'_>; 3] =
            [(table, 0, b"a", None), (table, 0, b"b", Some(b"2")), (table, 0, b"c", Some(b"2"))];
        fixture.wait(put(&mut consumer, &changes));
        assert_eq!(rows.get(b"b")?.as_deref(), Some(&b"1"[..]));
        assert_eq!(rows.get(b"c")?, None);
        assert_eq!(rows.scan(Scan::prefix(b""))?, as_rows(&[(b"a", b"1"), (b"b", b"1")]));
        Ok(())
    });
    read.expect("rows can be read");
    assert_eq!(reads, 1);
    let now = as_rows(&[(b"b", b"2"), (b"c", b"2")]);
    assert_eq!(reader.scan(FIRST, Scan::prefix(b"")).expect("rows can be scanned"), now);
    let refused = reader.at_one_moment(FIRST, &mut |_| Err(Error::new(ErrorKind::Corrupt, "says who reads")));
    refusal(refused, ErrorKind::Corrupt);
}

/// Not before, and then with its rows.
pub fn a_reader_is_caught_up_when_the_input_is_consumed(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "rows-caught-up");
    let stage = stage(&fixture, 1);
    let input = at(&stage.input, 0);
    let reader = fixture.log.rows(&stage.group, &stage.table).expect("a reader of rows can be made");
    let mut consumer = stage.join_alone(&fixture);
    for round in 0..3 {
        fixture.store(&input, round * 10..round * 10 + 10);
        let caught_up = || reader.caught_up(&input).expect("the partition is here");
        let is_done = |ticket: Ticket| ticket.wait(Duration::ZERO, &*fixture.timing.clock).is_ok();
        let ticket = caught_up();
        let records = consumer.take(10);
        assert!(!is_done(caught_up()), "caught up though nothing of the input is consumed");
        let half = consumer.copy(&records[..5], &[], Some(&stage.table)).expect("rows can be read");
        fixture.wait(consumer.commit(half).expect("a commit is taken"));
        assert!(!is_done(caught_up()), "caught up though half of the input is consumed");
        let rest = consumer.copy(&records[5..], &[], Some(&stage.table)).expect("rows can be read");
        drop(consumer.commit(rest).expect("a commit is taken"));
        fixture.wait(ticket);
        let key = text_of(round * 10 + 9);
        let row = reader.get(FIRST, key.as_bytes()).expect("a row can be read");
        assert!(row.is_some(), "caught up without the row of the last record");
        fixture.wait(caught_up());
    }
}

/// Partition 0 of another topic of the group is another's. Its owner would write these rows beside theirs.
pub fn rows_belong_to_the_partitions_of_their_tables_topics(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "rows-input");
    let (left, right) = (fixture.topic("left", 1), fixture.topic("right", 1));
    let stage = Stage::new(&fixture, "two", &left, &[]);
    let right_input = InputSpec { topics: vec![right.clone()], ..Default::default() };
    let join = |instance| {
        let mut spec = stage.spec(&fixture, instance);
        spec.inputs.push(right_input.clone());
        fixture.join(spec)
    };
    let mut members = [join("instance-1"), join("instance-2")];
    fixture.until("each of two members has one of two inputs", || {
        members.iter_mut().for_each(Consumer::step_early);
        members.iter().all(|member| member.owned.len() == 1)
    });
    members.sort_by_key(|member| member.owned.contains(&at(&right, 0)));
    let [owner, stranger] = &mut members;
    refusal(stranger.get(&stage.table, FIRST, b"k"), ErrorKind::Fenced);
    refusal(stranger.scan(&stage.table, FIRST, Scan::prefix(b"")), ErrorKind::Fenced);
    let row = RowChange {
        table: stage.table.clone(),
        partition: FIRST,
        key: Bytes::from_static(b"k"),
        value: Some(Bytes::from_static(b"stranger")),
    };
    let offsets = vec![(at(&right, 0), Offset(0))];
    refusal(stranger.commit(Commit { outputs: Vec::new(), rows: vec![row], offsets }), ErrorKind::Invalid);
    fixture.wait(put(owner, &[(&stage.table, 0, b"k", Some(b"owner"))]));
    let row = owner.get(&stage.table, FIRST, b"k").expect("an owned row can be read");
    assert_eq!(row.as_deref(), Some(&b"owner"[..]));
}

/// Those of another member, and those not assigned yet.
pub fn rows_of_a_partition_not_owned_are_fenced(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "rows-fenced");
    let stage = stage(&fixture, 2);
    fixture.store_by_key(&stage.input, 2, 0..10);
    let mut consumer = fixture.join(stage.spec(&fixture, "instance-1"));
    refusal(consumer.get(&stage.table, FIRST, b"k"), ErrorKind::Fenced);
    refusal(consumer.scan(&stage.table, FIRST, Scan::prefix(b"")), ErrorKind::Fenced);
    consumer.until_owns(&[at(&stage.input, 0), at(&stage.input, 1)]);
    assert_eq!(consumer.get(&stage.table, FIRST, b"k").expect("an owned row can be read"), None);
    refusal(consumer.get(&stage.table, Partition(2), b"k"), ErrorKind::Fenced);
    let records = consumer.take(10);
    fixture.wait(consumer.commit(consumed(&records)).expect("a commit without rows is taken"));
}

/// By somebody who owns nothing, and when nobody does: of changed and deleted rows what they are now.
pub fn rows_can_be_looked_at_whoever_owns_them(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "rows-anywhere");
    let stage = stage(&fixture, 2);
    let table = &stage.table;
    let look = |partition, scan: Scan<'_>| {
        let rows = fixture.log.scan_rows(&stage.group, table, Partition(partition), scan);
        rows.expect("rows can be scanned")
    };
    assert_eq!(look(0, Scan::prefix(b"")), [], "nobody has written any yet");
    let mut consumer = stage.join_alone(&fixture);
    drop(put(
        &mut consumer,
        &[(table, 0, b"a", Some(b"1")), (table, 0, b"b", Some(b"")), (table, 1, b"a", Some(b"3"))],
    ));
    fixture.wait(put(&mut consumer, &[(table, 0, b"a", Some(b"2")), (table, 0, b"c", Some(b"4"))]));
    let expected = [(&b"a"[..], &b"2"[..]), (b"b", b""), (b"c", b"4")];
    assert_eq!(look(0, Scan::prefix(b"")), as_rows(&expected));
    fixture.wait(put(&mut consumer, &[(table, 0, b"b", None)]));
    consumer.leave().expect("a member can leave");
    assert_eq!(look(0, Scan::prefix(b"")), as_rows(&[expected[0], expected[2]]));
    assert_eq!(look(0, Scan { after: Some(b"a"), ..Scan::prefix(b"") }), as_rows(&expected[2..]));
    assert_eq!(look(0, Scan { limit: 1, ..Scan::prefix(b"") }), as_rows(&expected[..1]));
    assert_eq!(look(0, Scan::prefix(b"c")), as_rows(&expected[2..]));
    assert_eq!(look(1, Scan::prefix(b"")), as_rows(&[(b"a", b"3")]));
}
