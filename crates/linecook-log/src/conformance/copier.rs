//! A worker: a thread that owns a member of a stage and copies what comes, until it is told to stop or its log dies.

use std::{
    ops::ControlFlow,
    panic::resume_unwind,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use super::{
    consumer::{Consumer, Step},
    fixture::{Fixture, Timing},
    numbers::Stored,
    stage::Stage,
};
use crate::{Error, ErrorKind, Log, MemberSpec, Result};

/// A running worker. Dropping it stops the thread without leaving the group.
pub(super) struct Copier {
    is_stopped: Arc<AtomicBool>,
    /// Gives the member back, unless its log died.
    thread: Option<JoinHandle<Option<Consumer>>>,
}

struct Worker {
    log: Arc<dyn Log>,
    spec: MemberSpec,
    stage: Stage,
    timing: Timing,
    is_stopped: Arc<AtomicBool>,
}

impl Copier {
    /// A worker with a new member on that instance.
    pub(super) fn join(fixture: &Fixture<'_>, stage: &Stage, instance: &str) -> Self {
        let spec = stage.spec(fixture, instance);
        let consumer = fixture.join(spec.clone());
        Self::start(fixture, stage, spec, consumer)
    }

    /// A worker with a member that has joined by that spec.
    pub(super) fn start(fixture: &Fixture<'_>, stage: &Stage, spec: MemberSpec, consumer: Consumer) -> Self {
        let is_stopped = Arc::new(AtomicBool::new(false));
        let worker = Worker {
            log: Arc::clone(&fixture.log),
            spec,
            stage: stage.clone(),
            timing: fixture.timing.clone(),
            is_stopped: Arc::clone(&is_stopped),
        };
        Self { is_stopped, thread: Some(thread::spawn(move || worker.run(consumer))) }
    }

    /// Stops it between two polls.
    pub(super) fn stop(mut self) -> Option<Consumer> {
        self.is_stopped.store(true, Ordering::Relaxed);
        let thread = self.thread.take().expect("a copier is stopped once");
        thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    }
}

impl Drop for Copier {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::Relaxed);
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join)
            && !thread::panicking()
        {
            resume_unwind(panic);
        }
    }
}

impl Worker {
    fn run(&self, mut consumer: Consumer) -> Option<Consumer> {
        while !self.is_stopped.load(Ordering::Relaxed) {
            if let Err(error) = self.step(&mut consumer) {
                consumer = self.join_again(&error)?;
            }
        }
        Some(consumer)
    }

    fn step(&self, consumer: &mut Consumer) -> Result<()> {
        let records = match consumer.step() {
            Ok(Step::Records(records)) => records,
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Unavailable && !self.is_stopped.load(Ordering::Relaxed) => {
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        // One commit a partition: as little as can be is refused together.
        for records in records.chunk_by(|one, next| one.from == next.from) {
            if self.commit(consumer, records)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Breaks when it was fenced. Partitions that are still owned come again from what is committed, so what is in hand is
    /// dropped: it may have more of the partition that was refused, and to commit that would pass over this.
    fn commit(&self, consumer: &mut Consumer, records: &[Stored]) -> Result<ControlFlow<()>> {
        loop {
            let copied = consumer
                .copy(records, &self.stage.outputs(), Some(&self.stage.table))
                .and_then(|commit| consumer.commit(commit));
            match copied {
                Ok(_) => return Ok(ControlFlow::Continue(())),
                Err(error) if error.kind() == ErrorKind::Fenced => return Ok(ControlFlow::Break(())),
                Err(error) if is_temporary(&error) && !self.is_stopped.load(Ordering::Relaxed) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// A new member; none when the log is dead.
    fn join_again(&self, error: &Error) -> Option<Consumer> {
        assert_ne!(error.kind(), ErrorKind::Invalid, "a valid commit was refused: {error}");
        Consumer::join(&*self.log, self.spec.clone(), &self.timing).ok()
    }
}

fn is_temporary(error: &Error) -> bool {
    error.kind() == ErrorKind::Unavailable
}
