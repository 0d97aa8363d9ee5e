//! Law 3: no reader ever sees a record or a row of an unfinished or refused commit.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use super::{
    Subject,
    copier::Copier,
    fixture::{Fixture, at},
    numbers::{Stored, number_in, numbered, text_of},
    stage::Stage,
};
use crate::{Commit, ErrorKind, Log, Offset, Output, Partition, Result, RowChange, Scan, TopicPartition};

/// The numbers of commits that are refused begin here.
const REFUSED_FROM: u64 = 10_000;

fn stage(fixture: &Fixture<'_>) -> Stage {
    let input = fixture.topic("in", 1);
    let outputs = [fixture.topic("first", 1), fixture.topic("second", 1)];
    Stage::new(fixture, "copy", &input, &[&outputs[0], &outputs[1]])
}

/// Not by `read`, not by another group, not in rows; not then, not after a kill.
pub fn nothing_of_a_refused_commit_is_ever_seen(subject: &mut dyn Subject) {
    let mut fixture = Fixture::open(subject, "committed-refused");
    let stage = stage(&fixture);
    let downstream = Stage::new(&fixture, "downstream", &stage.outputs[0], &[]);
    fixture.store(&at(&stage.input, 0), 0..20);
    let mut consumer = stage.join_alone(&fixture);
    for record in consumer.take(20) {
        let bad = refused_commit(&fixture, &stage, REFUSED_FROM + record.number());
        let error = consumer.commit(bad).expect_err("a commit for a partition that is not owned is refused");
        assert!(matches!(error.kind(), ErrorKind::Fenced | ErrorKind::Invalid), "{error}");
        let good = consumer.copy(&[record], &stage.outputs(), Some(&stage.table)).expect("rows can be read");
        fixture.wait(consumer.commit(good).expect("a good commit is taken"));
    }
    let mut reader = downstream.join_alone(&fixture);
    let seen: Vec<_> = reader.take(20).iter().map(Stored::number).collect();
    assert_eq!(seen, (0..20).collect::<Vec<_>>(), "another group sees exactly what was committed");
    stage.expect_all(&fixture, 0..20);
    fixture.kill_and_reopen();
    let _consumer = stage.join_alone(&fixture);
    stage.expect_all(&fixture, 0..20);
}

/// In the name of a partition that the group does not read, so it cannot be owned.
fn refused_commit(fixture: &Fixture<'_>, stage: &Stage, number: u64) -> Commit {
    let outputs =
        stage.outputs.iter().map(|topic| Output { to: at(topic, 0), batch: numbered([number]) }).collect::<Vec<_>>();
    let key = text_of(number).into();
    let value = Some(text_of(1).into());
    let rows = vec![RowChange { table: stage.table.clone(), partition: Partition(0), key, value }];
    let owned = (at(&stage.input, 0), fixture.committed_at(&stage.group, &at(&stage.input, 0)));
    Commit { outputs, rows, offsets: vec![owned, (at(&stage.outputs[0], 0), Offset(0))] }
}

/// Each commit writes to two topics and a row: whatever a reader has seen of it in one, it then finds in the others.
pub fn a_commit_seen_in_one_place_is_seen_in_all(subject: &mut dyn Subject) {
    let fixture = Fixture::open(subject, "committed-all");
    let stage = stage(&fixture);
    let consumer = stage.join_alone(&fixture);
    let copier = Copier::start(&fixture, &stage, stage.spec(&fixture, "instance-1"), consumer);
    let numbers =
        |topic: usize| -> BTreeSet<u64> { fixture.read_numbers(&at(&stage.outputs[topic], 0)).into_iter().collect() };
    let rows = || fixture.counts(&stage.group, &stage.table, Partition(0)).into_keys().collect::<BTreeSet<u64>>();
    for round in 0..30 {
        for number in round * 10..round * 10 + 10 {
            drop(fixture.append(&at(&stage.input, 0), numbered([number])));
        }
        let (in_second, in_rows) = (numbers(1), rows());
        // A log of several machines may show the parts one after the other, but it shows all of them.
        fixture.until("what was seen in the second topic is in the first", || in_second.is_subset(&numbers(0)));
        fixture.until("what was seen in a row is in the second topic", || in_rows.is_subset(&numbers(1)));
        let in_first = numbers(0);
        fixture.until("what was seen in the first topic is in the second", || in_first.is_subset(&numbers(1)));
        fixture.until("what was seen in the first topic is in the rows", || in_first.is_subset(&rows()));
    }
    stage.expect_all(&fixture, 0..300);
    drop(copier);
}

/// Whatever a reader has seen, in `read`, in rows or in the offsets of groups, no crash takes back.
pub fn what_was_once_seen_survives_a_kill(subject: &mut dyn Subject) {
    let mut fixture = Fixture::open(subject, "committed-seen");
    let stage = stage(&fixture);
    for round in 0..5 {
        let consumer = stage.join_alone(&fixture);
        let copier = Copier::start(&fixture, &stage, stage.spec(&fixture, "instance-1"), consumer);
        let before = stage.numbers_out(&fixture).len();
        let observer = Observer::start(&fixture, &stage);
        for number in round * 100..round * 100 + 100 {
            drop(fixture.append(&at(&stage.input, 0), numbered([number])));
        }
        fixture.until("a reader sees something new", || observer.count() >= before + 20);
        fixture.kill();
        let seen = observer.stop();
        drop(copier);
        fixture.reopen();
        let _consumer = stage.join_alone(&fixture);
        fixture.settles("what was seen before the kill is there after it", || seen.check(&fixture, &stage));
    }
}

/// What has been seen from outside, at most.
#[derive(Default)]
struct Seen {
    outputs: Vec<u64>,
    rows: Vec<u64>,
    committed: Offset,
}

impl Seen {
    fn check(&self, fixture: &Fixture<'_>, stage: &Stage) -> Result<(), String> {
        let outputs = fixture.read_numbers(&at(&stage.outputs[0], 0));
        if !outputs.starts_with(&self.outputs) {
            return Err(format!("outputs: seen {:?}, there {outputs:?}", self.outputs));
        }
        let rows = fixture.counts(&stage.group, &stage.table, Partition(0));
        if let Some(row) = self.rows.iter().find(|row| !rows.contains_key(row)) {
            return Err(format!("row {row} is gone"));
        }
        let committed = fixture.committed_at(&stage.group, &at(&stage.input, 0));
        if committed < self.committed {
            return Err(format!("offset: seen {}, there {committed}", self.committed));
        }
        stage.check(fixture)
    }
}

/// A thread that looks until the log dies.
struct Observer {
    seen: Arc<Mutex<Seen>>,
    thread: thread::JoinHandle<()>,
}

impl Observer {
    fn start(fixture: &Fixture<'_>, stage: &Stage) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (log, stage, shared) = (Arc::clone(&fixture.log), stage.clone(), Arc::clone(&seen));
        // It ends with the log, which dies before the test does, whatever the test finds: the observer holds no more.
        let clock = Arc::clone(&fixture.timing.clock);
        let deadline = clock.monotonic() + fixture.timing.patience;
        let thread = thread::spawn(move || {
            while clock.monotonic() < deadline {
                let Ok(now) = look(&*log, &stage) else { return };
                *shared.lock().unwrap_or_else(PoisonError::into_inner) = now;
            }
        });
        Self { seen, thread }
    }

    fn count(&self) -> usize {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).outputs.len()
    }

    fn stop(self) -> Seen {
        self.thread.join().expect("a reader can look at a log until it dies");
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn look(log: &dyn Log, stage: &Stage) -> Result<Seen> {
    let rows = log.rows(&stage.group, &stage.table)?.scan(Partition(0), Scan::prefix(b""))?;
    let rows = rows.iter().map(|(key, _)| number_in(key)).collect();
    let input = at(&stage.input, 0);
    let group = log.groups()?.into_iter().find(|group| group.name == stage.group);
    let offsets = group.map(|group| group.offsets).unwrap_or_default();
    let committed = offsets.into_iter().find(|(from, _)| *from == input).map_or(Offset(0), |(_, offset)| offset);
    Ok(Seen { outputs: numbers_in(log, &at(&stage.outputs[0], 0))?, rows, committed })
}

fn numbers_in(log: &dyn Log, from: &TopicPartition) -> Result<Vec<u64>> {
    let mut offset = Offset(0);
    let mut numbers = Vec::new();
    loop {
        let batches = log.read(from, offset, usize::MAX)?;
        let Some(last) = batches.last() else { return Ok(numbers) };
        let records = batches.iter().flat_map(|batch| batch.records_from(offset));
        numbers.extend(records.map(|record| number_in(record.value.unwrap_or_default())));
        offset = last.end();
    }
}
