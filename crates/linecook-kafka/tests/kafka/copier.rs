//! A stage that copies numbered records, and what has to be true of it when all is done.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use linecook_kafka::KafkaLog;
use linecook_log::{
    Commit, ErrorKind, Log as _, Member, MemberSpec, Offset, Output, Partition, Poll, Result, RowChange, TableName,
    TopicName,
};

use crate::kitchen::{Kitchen, at, batch_of, number_of, numbers_in, read_all, rows_of, text_of};

/// From where to where.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) source: TopicName,
    pub(crate) target: TopicName,
    table: TableName,
}

impl Stage {
    /// With its topics.
    pub(crate) fn new(kitchen: &Kitchen, log: &KafkaLog) -> Self {
        let table = TableName::new("seen").unwrap();
        Self { source: kitchen.topic(log, "source", 1), target: kitchen.topic(log, "target", 1), table }
    }

    pub(crate) fn spec(&self, kitchen: &Kitchen, instance: &str) -> MemberSpec {
        kitchen.spec("copier", instance, &[&self.source], &[&self.table])
    }

    /// The commit that copies the numbers and counts each in its row.
    pub(crate) fn copy(&self, member: &mut dyn Member, numbers: &[u64], next: Offset) -> Result<Commit> {
        let mut rows = Vec::new();
        for number in numbers {
            let key = text_of(*number);
            let count = member.get(&self.table, Partition(0), key.as_bytes())?.map_or(0, |value| number_of(&value));
            let (key, value) = (key.into(), Some(text_of(count + 1).into()));
            rows.push(RowChange { table: self.table.clone(), partition: Partition(0), key, value });
        }
        let output = Output { to: at(&self.target, 0), batch: batch_of(numbers) };
        Ok(Commit { outputs: vec![output], rows, offsets: vec![(at(&self.source, 0), next)] })
    }

    /// That all numbers below `count` were copied once and in order, that their rows say so, and that the group is behind
    /// them.
    pub(crate) fn check(&self, kitchen: &Kitchen, log: &KafkaLog, count: u64) {
        let all: Vec<_> = (0..count).collect();
        assert_eq!(read_all(log, &at(&self.target, 0)), all, "copied");
        let mut member = log.join(self.spec(kitchen, "auditor")).unwrap();
        let owned = kitchen.until_owns(&mut *member, 1);
        let rows = rows_of(&mut *member, &self.table, Partition(0));
        assert_eq!(rows, all.into_iter().map(|number| (number, 1)).collect::<BTreeMap<_, _>>(), "rows");
        let read = log.read(&at(&self.source, 0), owned[&at(&self.source, 0)], 1 << 20).unwrap();
        assert!(read.is_empty(), "the group has consumed all: {owned:?}");
    }
}

/// A worker on a thread of its own, which joins again when it has to. Dropping it stops it without a farewell.
pub(crate) struct Copier {
    is_stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Copier {
    pub(crate) fn start(kitchen: &Kitchen, log: &Arc<KafkaLog>, stage: &Stage, instance: &str) -> Self {
        let is_stopped = Arc::<AtomicBool>::default();
        let worker = Worker {
            log: Arc::clone(log),
            stage: stage.clone(),
            spec: stage.spec(kitchen, instance),
            is_stopped: Arc::clone(&is_stopped),
        };
        Self { is_stopped, thread: Some(thread::spawn(move || worker.run())) }
    }
}

impl Drop for Copier {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::Relaxed);
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join)
            && !thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

struct Worker {
    log: Arc<KafkaLog>,
    stage: Stage,
    spec: MemberSpec,
    is_stopped: Arc<AtomicBool>,
}

impl Worker {
    fn run(&self) {
        while !self.is_stopped() {
            match self.log.join(self.spec.clone()) {
                Ok(mut member) => {
                    self.work(&mut *member);
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", error.chain());
                    thread::park_timeout(Duration::from_millis(100));
                }
            }
        }
    }

    fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    /// Until it is over.
    fn work(&self, member: &mut dyn Member) {
        while !self.is_stopped() {
            let Err(error) = self.step(member) else { continue };
            tracing::info!(error = error.chain(), kind = ?error.kind(), "a copier was refused");
            match error.kind() {
                ErrorKind::Fenced => {}
                ErrorKind::Unavailable => thread::park_timeout(Duration::from_millis(20)),
                ErrorKind::Unknown => return,
                _ => panic!("a valid step was refused: {}", error.chain()),
            }
        }
    }

    fn step(&self, member: &mut dyn Member) -> Result<()> {
        if let Poll::Records(fetches) = member.poll(Duration::from_millis(50), 4 << 10)? {
            for fetch in fetches {
                let numbers = numbers_in(&fetch.batch, fetch.position);
                let commit = self.stage.copy(member, &numbers, fetch.next)?;
                drop(member.commit(commit)?);
            }
        }
        Ok(())
    }
}
