//! A load on the contract and what has to be true of its log at any moment: appenders, a chain of members that copy and
//! count, an outside observer; and the audit of what is left after a fault.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use linecook_log::{Error, GroupName, Log, Member, Offset, Partition, Poll, Result, Scan, TopicPartition};

use crate::support::{
    Draw, TOTAL, at, bounds, consumed, copy, create, group, number_in, numbers, read_from, spec, table, wait,
};

/// Each stage copies its topic to the next; the last one only counts.
pub(crate) const TOPICS: [&str; 4] = ["chain-0", "chain-1", "chain-2", "chain-3"];
pub(crate) const PARTITIONS: u32 = 2;

pub(crate) fn stage_group(stage: usize) -> GroupName {
    group(&format!("stage-{stage}"))
}

/// What was shown to someone outside; it has to be true for ever.
#[derive(Default)]
pub(crate) struct Shown {
    appended: BTreeMap<u32, BTreeSet<u64>>,
    /// What was read at which offset.
    records: BTreeMap<(usize, u32), BTreeMap<u64, u64>>,
    /// The furthest offset that `groups` said or a ticket acknowledged.
    offsets: BTreeMap<(usize, u32), u64>,
    totals: BTreeMap<(usize, u32), u64>,
}

/// The load on one log. It ends when it is told to; errors make its threads try again until then.
pub(crate) struct Load {
    running: Arc<Running>,
    threads: Vec<JoinHandle<()>>,
}

struct Running {
    log: Arc<dyn Log>,
    shown: Arc<Mutex<Shown>>,
    next_number: Arc<AtomicU64>,
    acknowledged: AtomicU64,
    is_over: AtomicBool,
    seed: u64,
}

impl Load {
    pub(crate) fn start(log: &Arc<dyn Log>, shown: &Arc<Mutex<Shown>>, next: &Arc<AtomicU64>, seed: u64) -> Self {
        create(&**log, &TOPICS, PARTITIONS);
        let running = Arc::new(Running {
            log: Arc::clone(log),
            shown: Arc::clone(shown),
            next_number: Arc::clone(next),
            acknowledged: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            seed,
        });
        let mut threads = Vec::new();
        for stage in 0..TOPICS.len() {
            threads.push(running.spawn(move |running| running.work(stage)));
        }
        for appender in 0..2 {
            threads.push(running.spawn(move |running| running.append(appender)));
        }
        threads.push(running.spawn(Running::observe));
        Self { running, threads }
    }

    /// How many appends and commits were acknowledged.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.running.acknowledged.load(Ordering::Relaxed)
    }

    pub(crate) fn stop(self) {
        self.running.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("no thread of the load panics");
        }
    }
}

impl Running {
    fn spawn(self: &Arc<Self>, run: impl FnOnce(&Self) + Send + 'static) -> JoinHandle<()> {
        let running = Arc::clone(self);
        thread::spawn(move || run(&running))
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    fn note(&self, note: impl FnOnce(&mut Shown)) {
        note(&mut self.shown.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Whatever goes wrong, somebody else waits a moment and tries again until it is over.
    fn keep_trying(&self, mut round: impl FnMut() -> Result<()>) {
        while !self.is_over() {
            if round().is_err() {
                thread::park_timeout(Duration::from_micros(500));
            }
        }
    }

    fn append(&self, appender: u64) {
        let mut draw = Draw(self.seed ^ (appender << 32));
        self.keep_trying(|| {
            let mut tickets = Vec::new();
            for _ in 0..=draw.below(4) {
                let partition = draw.below(u64::from(PARTITIONS)) as u32;
                let count = 1 + draw.below(3);
                let first = self.next_number.fetch_add(count, Ordering::Relaxed);
                let ticket = self.log.append(&at(TOPICS[0], partition), numbers(first..first + count))?;
                tickets.push((partition, first..first + count, ticket));
            }
            for (partition, range, ticket) in tickets {
                wait(&ticket)?;
                self.acknowledged.fetch_add(1, Ordering::Relaxed);
                self.note(|shown| shown.appended.entry(partition).or_default().extend(range));
            }
            Ok(())
        });
    }

    fn work(&self, stage: usize) {
        let mut draw = Draw(self.seed.wrapping_add(stage as u64));
        self.keep_trying(|| {
            let mut member = self.log.join(spec(&stage_group(stage), &[TOPICS[stage]], 0))?;
            while !self.is_over() {
                self.step(stage, &mut *member, &mut draw)?;
            }
            Ok(())
        });
    }

    fn step(&self, stage: usize, member: &mut dyn Member, draw: &mut Draw) -> Result<()> {
        let max_bytes = 1 + draw.below(4096) as usize;
        let Poll::Records(fetches) = member.poll(Duration::from_millis(1), max_bytes)? else { return Ok(()) };
        let commit = copy(member, &fetches, TOPICS.get(stage + 1).copied())?;
        let offsets = commit.offsets.clone();
        let ticket = member.commit(commit)?;
        if draw.below(4) == 0 {
            wait(&ticket)?;
            self.acknowledged.fetch_add(1, Ordering::Relaxed);
            for (at, offset) in offsets {
                self.note(|shown| raise(&mut shown.offsets, (stage, at.partition.0), offset.0));
            }
        }
        Ok(())
    }

    fn observe(&self) {
        self.keep_trying(|| {
            for partition in 0..PARTITIONS {
                for (stage, name) in TOPICS.iter().enumerate() {
                    self.look(stage, &at(name, partition))?;
                }
            }
            thread::park_timeout(Duration::from_millis(1));
            Ok(())
        });
    }

    fn look(&self, stage: usize, from: &TopicPartition) -> Result<()> {
        let place = (stage, from.partition.0);
        let offset = consumed(&*self.log, &stage_group(stage), from)?;
        self.note(|shown| raise(&mut shown.offsets, place, offset.0));
        let rows = self.log.rows(&stage_group(stage), &table())?;
        if let Some(total) = rows.get(from.partition, TOTAL)? {
            self.note(|shown| raise(&mut shown.totals, place, number_in(&total)));
        }
        let mut known = 0;
        self.note(|shown| {
            let last = shown.records.get(&place).and_then(|records| records.last_key_value());
            known = last.map_or(0, |(offset, _)| offset + 1);
        });
        let start = known.max(bounds(&*self.log, from)?.0.0);
        let read = read_from(&*self.log, from, Offset(start))?;
        self.note(|shown| shown.records.entry(place).or_default().extend((start..).zip(read)));
        Ok(())
    }
}

fn raise(of: &mut BTreeMap<(usize, u32), u64>, place: (usize, u32), value: u64) {
    let known = of.entry(place).or_default();
    *known = value.max(*known);
}

/// What is wrong with a log after a fault, given what was shown before. The load must be over.
pub(crate) fn audit(log: &dyn Log, shown: &Shown) -> Result<(), String> {
    let read = |error: Error| format!("it cannot be read: {}", error.chain());
    for partition in 0..PARTITIONS {
        let mut before: Option<(u64, BTreeMap<u64, u64>)> = None;
        for (stage, name) in TOPICS.iter().enumerate() {
            let place = (stage, partition);
            let from = at(name, partition);
            let (start, end, numbers) = loop {
                let (start, end) = bounds(log, &from).map_err(read)?;
                match read_from(log, &from, start) {
                    Ok(numbers) => break (start, end, numbers),
                    // Retention may drop the oldest while it is read.
                    Err(_) if bounds(log, &from).is_ok_and(|(now, _)| now > start) => {}
                    Err(error) => return Err(read(error)),
                }
            };
            let found: BTreeMap<_, _> = (start.0..).zip(numbers).collect();
            check(found.len() as u64 == end.0 - start.0, || format!("{from}: {} of {start}..{end}", found.len()))?;
            if let Some((consumed, input)) = &before {
                check(end.0 == *consumed, || format!("{from} ends at {end}, but {consumed} were consumed for it"))?;
                for (offset, number) in &found {
                    let is_copy = input.get(offset).is_none_or(|source| source == number);
                    check(is_copy, || format!("{from} has {number} at {offset} instead of {:?}", input.get(offset)))?;
                }
            }
            let distinct: BTreeSet<_> = found.values().collect();
            check(distinct.len() == found.len(), || format!("{from}: a number is there twice"))?;
            for (offset, number) in shown.records.get(&place).into_iter().flatten().filter(|(at, _)| **at >= start.0) {
                let now = found.get(offset);
                check(now == Some(number), || format!("{from} was shown {number} at {offset}: now {now:?}"))?;
            }
            if stage == 0 {
                for number in shown.appended.get(&partition).into_iter().flatten() {
                    // Numbers of one appender ascend, but not over all: one that is gone may have been dropped by then.
                    let is_there = distinct.contains(number) || start > Offset(0);
                    check(is_there, || format!("{from}: {number} was acknowledged and is gone"))?;
                }
            }
            let offset = consumed(log, &stage_group(stage), &from).map_err(read)?.0;
            let promised = shown.offsets.get(&place).copied().unwrap_or_default();
            check(offset >= promised, || format!("{from}: consumed {offset}, but {promised} was shown"))?;
            audit_rows(log, (stage, partition), (start.0, offset), &found)?;
            let total = shown.totals.get(&place).copied().unwrap_or_default();
            check(offset >= total, || format!("{from}: consumed {offset}, but a count of {total} was shown"))?;
            before = Some((offset, found));
        }
    }
    Ok(())
}

/// Rows and offsets are one cut: each consumed number is counted once, no other is.
fn audit_rows(
    log: &dyn Log,
    (stage, partition): (usize, u32),
    (start, consumed): (u64, u64),
    input: &BTreeMap<u64, u64>,
) -> Result<(), String> {
    let read = |error: Error| format!("rows cannot be read: {}", error.chain());
    let rows = log.rows(&stage_group(stage), &table()).map_err(read)?;
    let rows = rows.scan(Partition(partition), Scan::prefix(b"")).map_err(read)?;
    let (totals, counts): (Vec<_>, Vec<_>) = rows.iter().partition(|(key, _)| &key[..] == TOTAL);
    let total = totals.first().map_or(0, |(_, value)| number_in(value));
    let what =
        || format!("stage {stage} partition {partition}: consumed {consumed}, total {total}, rows {}", counts.len());
    check(total == consumed && counts.len() as u64 == consumed, what)?;
    let counted: BTreeMap<_, _> = counts.iter().map(|(key, value)| (number_in(key), number_in(value))).collect();
    check(counted.values().all(|count| *count == 1), || format!("{}: a number counted twice", what()))?;
    for (_, number) in input.range(start..consumed.max(start)) {
        check(counted.contains_key(number), || format!("{}: {number} is not counted", what()))?;
    }
    Ok(())
}

fn check(is_true: bool, wrong: impl FnOnce() -> String) -> Result<(), String> {
    if is_true { Ok(()) } else { Err(wrong()) }
}
