//! Random operations, faults among them, against a model in which a log is a list of commits.

use std::{collections::BTreeMap, time::Duration};

use linecook_log::{Commit, ErrorKind, Log, Member, Offset, Output, Partition, Poll, Scan, Ticket};

use crate::support::{
    Draw, Place, Seed, at, bounds, consumed, create, group, number_in, numbers, numbers_of, read_all, row, seeds, spec,
    store, table, tiny, topic, until, wait,
};

const GROUP: &str = "g";

/// What one commit does. The log is what all of them add up to.
#[derive(Debug, Clone)]
enum Step {
    Append(Vec<u64>),
    Commit { outputs: Vec<u64>, rows: Vec<(u8, Option<u64>)>, offset: u64 },
    Reset(u64),
}

/// What there is after some steps: records of `a` and `b`, rows, the committed offset.
#[derive(Debug, Default, Clone, PartialEq)]
struct Model {
    a: Vec<u64>,
    b: Vec<u64>,
    rows: BTreeMap<u8, u64>,
    offset: u64,
}

impl Model {
    fn follow(&mut self, step: &Step) {
        match step {
            Step::Append(numbers) => self.a.extend(numbers),
            Step::Reset(offset) => self.offset = *offset,
            Step::Commit { outputs, rows, offset } => {
                self.b.extend(outputs);
                self.offset = *offset;
                for (key, value) in rows {
                    match value {
                        Some(value) => self.rows.insert(*key, *value),
                        None => self.rows.remove(key),
                    };
                }
            }
        }
    }

    fn of(steps: &[Step]) -> Self {
        let mut model = Self::default();
        steps.iter().for_each(|step| model.follow(step));
        model
    }

    /// What the outside sees of a log.
    fn seen(log: &dyn Log) -> Self {
        let rows = log.rows(&group(GROUP), &table()).unwrap().scan(Partition(0), Scan::prefix(b"")).unwrap();
        Self {
            a: read_all(log, &at("a", 0)),
            b: read_all(log, &at("b", 0)),
            rows: rows.iter().map(|(key, value)| (key[0], number_in(value))).collect(),
            offset: consumed(log, &group(GROUP), &at("a", 0)).unwrap().0,
        }
    }
}

struct Run {
    place: Place,
    log: Option<std::sync::Arc<dyn Log>>,
    member: Option<Box<dyn Member>>,
    /// The next record that the member is to poll.
    position: u64,
    steps: Vec<Step>,
    /// The number of steps that must survive whatever comes.
    durable: usize,
    tickets: Vec<(usize, Ticket)>,
    next: u64,
    draw: Draw,
}

impl Run {
    fn log(&self) -> &dyn Log {
        &**self.log.as_ref().unwrap()
    }

    fn start(&mut self) {
        self.log = Some(self.place.open());
        create(self.log(), &["a", "b"], 1);
        let groups = [linecook_log::GroupSpec { name: group(GROUP), topics: vec![topic("a")] }];
        self.log().declare_groups(&groups).unwrap();
    }

    fn model(&self) -> Model {
        Model::of(&self.steps)
    }

    fn took(&mut self, step: Step, ticket: Ticket) {
        self.steps.push(step);
        self.tickets.push((self.steps.len(), ticket));
    }

    fn step(&mut self) {
        match self.draw.below(40) {
            0..12 => self.append(),
            12..24 => self.poll_and_commit(),
            24..28 => self.wait(),
            28..31 => self.look_as_member(),
            31..33 => self.look_from_outside(),
            33 => self.leave(),
            34 => self.reset(),
            35 => self.refused(),
            36 => self.fault(Fault::Close),
            37 => self.fault(Fault::Kill),
            _ => self.fault(Fault::PowerCut),
        }
    }

    fn new_numbers(&mut self, below: u64) -> Vec<u64> {
        let first = self.next;
        self.next += self.draw.below(below);
        (first..self.next).collect()
    }

    fn append(&mut self) {
        self.next += 1;
        let mut all = self.new_numbers(5);
        all.push(self.next);
        self.next += 1;
        let ticket = self.log().append(&at("a", 0), numbers(all.iter().copied())).unwrap();
        if self.member.is_some() {
            // A commit writes what was queued before it, but a poll may come before: only what is durable is sure.
            wait(&ticket).unwrap();
        }
        self.took(Step::Append(all), ticket);
    }

    fn member(&mut self) -> &mut dyn Member {
        if self.member.is_none() {
            let mut member = self.log().join(spec(&group(GROUP), &["a"], 0)).unwrap();
            until("it is assigned", || matches!(member.poll(Duration::from_millis(5), 1).unwrap(), Poll::Assigned(_)));
            self.member = Some(member);
            self.position = self.model().offset;
        }
        &mut **self.member.as_mut().unwrap()
    }

    fn poll_and_commit(&mut self) {
        self.wait();
        let max_bytes = self.draw.below(3000) as usize;
        let poll = self.member().poll(Duration::ZERO, max_bytes).unwrap();
        let end = self.model().a.len() as u64;
        let Poll::Records(fetches) = poll else {
            assert_eq!(self.position, end, "{poll:?}");
            return;
        };
        for fetch in &fetches {
            assert_eq!(fetch.position, Offset(self.position));
            let found: Vec<_> = numbers_of(&fetch.batch, fetch.position).collect();
            self.position = fetch.batch.end().0;
            let from = fetch.position.0 as usize;
            assert_eq!(found, self.model().a[from..from + found.len()]);
        }
        let outputs = self.new_numbers(4);
        let mut rows = Vec::new();
        for _ in 0..self.draw.below(4) {
            let value = (self.draw.below(3) > 0).then(|| self.draw.below(1000));
            rows.push((self.draw.below(20) as u8, value));
        }
        let mut commit = Commit { offsets: vec![(at("a", 0), Offset(self.position))], ..Commit::default() };
        commit.outputs.push(Output { to: at("b", 0), batch: numbers(outputs.iter().copied()) });
        commit.rows.extend(rows.iter().map(|(key, value)| {
            let mut change = row(Partition(0), &[*key], value.unwrap_or_default());
            change.value = change.value.filter(|_| value.is_some());
            change
        }));
        let ticket = self.member().commit(commit).unwrap();
        let offset = self.position;
        self.took(Step::Commit { outputs, rows, offset }, ticket);
    }

    fn wait(&mut self) {
        for (count, ticket) in std::mem::take(&mut self.tickets) {
            wait(&ticket).unwrap();
            self.durable = self.durable.max(count);
        }
    }

    fn look_as_member(&mut self) {
        let model = self.model();
        let key = self.draw.below(20) as u8;
        let found = self.member().get(&table(), Partition(0), &[key]).unwrap();
        assert_eq!(found.as_deref().map(number_in), model.rows.get(&key).copied());
        let found = self.member().scan(&table(), Partition(0), Scan::prefix(b"")).unwrap();
        let found: BTreeMap<_, _> = found.iter().map(|(key, value)| (key[0], number_in(value))).collect();
        assert_eq!(found, model.rows);
    }

    fn look_from_outside(&mut self) {
        self.wait();
        assert_eq!(Model::seen(self.log()), self.model());
        let (start, end) = bounds(self.log(), &at("a", 0)).unwrap();
        assert_eq!((start.0, end.0), (0, self.model().a.len() as u64));
    }

    fn leave(&mut self) {
        if let Some(member) = self.member.take() {
            member.leave().unwrap();
        }
    }

    fn reset(&mut self) {
        self.wait();
        self.leave();
        let offset = self.draw.below(self.model().a.len() as u64 + 1);
        self.log().reset(&group(GROUP), &[(at("a", 0), Offset(offset))]).unwrap();
        self.steps.push(Step::Reset(offset));
        self.durable = self.steps.len();
    }

    fn refused(&mut self) {
        self.wait();
        let beyond = Offset(self.model().a.len() as u64 + 1);
        let mut commit = Commit { offsets: vec![(at("a", 0), beyond)], ..Commit::default() };
        commit.outputs.push(Output { to: at("b", 0), batch: numbers([1]) });
        commit.rows.push(row(Partition(0), b"x", 1));
        let error = self.member().commit(commit).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        self.position = self.model().offset; // it is polled again
    }

    fn fault(&mut self, fault: Fault) {
        let log = self.log.take().unwrap();
        match fault {
            Fault::Close => {
                log.close().unwrap();
                self.durable = self.steps.len();
            }
            Fault::Kill => self.place.kill(log),
            Fault::PowerCut => self.place.cut_power(log, self.draw.below(u64::MAX)),
        }
        self.member = None;
        self.tickets.clear();
        self.start();
        let seen = Model::seen(self.log());
        let is_prefix = |count: &usize| Model::of(&self.steps[..*count]) == seen;
        let kept = (self.durable..=self.steps.len()).rev().find(is_prefix);
        let kept = kept.unwrap_or_else(|| {
            panic!("after {fault:?}: no prefix of {} steps from {} on: {seen:?}", self.steps.len(), self.durable)
        });
        self.steps.truncate(kept);
        self.durable = kept;
    }
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    Close,
    Kill,
    PowerCut,
}

#[test]
fn a_log_is_a_prefix_of_its_commits_whatever_is_done_to_it() {
    for seed in seeds(0..200) {
        let _seed = Seed(seed);
        let mut options = tiny();
        options.segment_bytes = 4096 + 1024 * (seed % 8);
        options.hot_bytes = [0, 2000, 100_000][seed as usize % 3];
        let mut run = Run {
            place: Place::new(options),
            log: None,
            member: None,
            position: 0,
            steps: Vec::new(),
            durable: 0,
            tickets: Vec::new(),
            next: 0,
            draw: Draw(seed),
        };
        run.start();
        for _ in 0..60 {
            run.step();
        }
        run.fault(Fault::Close);
    }
}

/// A stale frame behind the cut, longer ago than the cut: only the numbers tell.
#[test]
fn a_history_that_was_cut_is_never_taken_up_again() {
    for seed in seeds(500..520) {
        let _seed = Seed(seed);
        let mut place = Place::new(tiny());
        let log = place.open();
        create(&*log, &["a"], 1);
        store(&*log, &at("a", 0), [0]);
        place.files.set_syncs(linecook_embedded::fault::Syncs::Failing);
        for number in 100..110 {
            drop(log.append(&at("a", 0), numbers(number..number + 20)));
        }
        until("it failed", || log.status().refuses_writes.is_some());
        place.files.set_syncs(linecook_embedded::fault::Syncs::Honest);
        until("it is open again", || log.status().refuses_writes.is_none());
        store(&*log, &at("a", 0), [1]);
        store(&*log, &at("a", 0), [2]);
        place.cut_power(log, seed);
        assert_eq!(read_all(&*place.open(), &at("a", 0)), [0, 1, 2]);
    }
}
