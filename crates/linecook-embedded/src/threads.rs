//! The log's own threads: one syncs, one applies rows, one keeps house. Each owns its loop and ends with the log.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering},
    thread::{self, JoinHandle},
    time::Duration,
};

use linecook_log::{Error, ErrorKind, Offset};

use crate::{engine::Engine, frame::CommitNumber, housekeeping, published::Ended, row_store::NotApplied};

/// How long the sync thread sleeps when nobody wakes it.
const IDLE: Duration = Duration::from_secs(1);

/// A thread that is to be started: its name, and what it runs.
type Start = (&'static str, fn(&Engine));

const ALL: [Start; 3] = [("log-sync", sync_loop), ("log-rows", apply_loop), ("log-house", housekeeping::run)];

/// Starts them, all or none.
pub(crate) fn start(engine: &Arc<Engine>) -> io::Result<Vec<JoinHandle<()>>> {
    start_by(engine, spawn)
}

fn start_by(
    engine: &Arc<Engine>,
    mut spawn: impl FnMut(Arc<Engine>, Start) -> io::Result<JoinHandle<()>>,
) -> io::Result<Vec<JoinHandle<()>>> {
    let mut started = Vec::with_capacity(ALL.len());
    for thread in ALL {
        match spawn(Arc::clone(engine), thread) {
            Ok(handle) => started.push(handle),
            Err(error) => {
                let message = "a thread of the log could not be started".to_owned();
                engine.end(Ended { kind: ErrorKind::Unavailable, message });
                started.into_iter().for_each(|handle| drop(handle.join()));
                return Err(error);
            }
        }
    }
    Ok(started)
}

fn spawn(engine: Arc<Engine>, (name, run): Start) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        // Without this thread the others would wait for ever.
        if catch_unwind(AssertUnwindSafe(|| run(&engine))).is_err() {
            engine.fail(&Error::new(ErrorKind::Unknown, format!("a thread of the log panicked: thread={name}")));
            end_outside(&engine);
        }
    })
}

/// Makes durable what was written, over and over, and publishes it.
fn sync_loop(engine: &Engine) {
    while engine.check().is_ok() {
        let is_closing = engine.is_closing.load(Ordering::Acquire);
        match sync_round(engine) {
            Ok(true) => {}
            Ok(false) if is_closing => {
                engine.end(Ended { kind: ErrorKind::Closed, message: Error::closed().to_string() });
            }
            Ok(false) => engine.sync_wakeup.wait(IDLE),
            Err(error) => {
                // Never again: the page cache may call clean what the disk does not have.
                engine.fail(&Error::new(ErrorKind::Unavailable, "a sync failed").with_source(error));
            }
        }
    }
}

/// What one round makes durable.
struct Round {
    number: CommitNumber,
    ends: Vec<Offset>,
}

/// One round; false when there was nothing to do.
fn sync_round(engine: &Engine) -> io::Result<bool> {
    let (round, closed, is_folder_unsynced, current) = {
        let mut writer = engine.writer();
        engine.write_appends(&mut writer);
        if writer.number == engine.published.number() {
            return Ok(false);
        }
        let round = Round { number: writer.number, ends: writer.catalog.ends.clone() };
        let closed = std::mem::take(&mut writer.unsynced);
        let is_folder_unsynced = std::mem::take(&mut writer.is_folder_unsynced);
        (round, closed, is_folder_unsynced, Arc::clone(&writer.segment))
    };
    let started = engine.clock.monotonic();
    // Older segments and names first: what is published must be found again by reading front to back.
    for segment in closed {
        segment.file.sync()?;
        segment.is_unsynced.store(false, Ordering::Release);
    }
    if is_folder_unsynced {
        engine.files.sync_folder()?;
    }
    current.file.sync()?;
    let nanos = u64::try_from((engine.clock.monotonic() - started).as_nanos()).unwrap_or(u64::MAX);
    engine.figures.sync_count.fetch_add(1, Ordering::Relaxed);
    engine.figures.sync_nanos.fetch_add(nanos, Ordering::Relaxed);
    engine.published.publish(round.number, round.ends);
    Ok(true)
}

/// Applies the rows of published commits, in order, and shows them to the outside.
fn apply_loop(engine: &Engine) {
    let mut applied = engine.outside.number();
    while let Some(published) = engine.published.wait_beyond(applied) {
        for written in engine.to_apply.take_up_to(published) {
            if !apply(engine, &written) {
                return end_outside(engine);
            }
            applied = written.number;
        }
        applied = applied.max(published);
    }
    end_outside(engine);
}

/// Nothing more becomes visible; said last, so that what was published has become so.
fn end_outside(engine: &Engine) {
    if let Some(ended) = engine.published.ended() {
        engine.outside.end(ended, engine.published.number());
    }
}

/// Applies one commit, trying until the store takes it; false when the log is over before.
fn apply(engine: &Engine, written: &crate::writer::Written) -> bool {
    let rows = || written.rows.iter().map(|(key, value)| (key.as_ref(), value.clone()));
    let mut is_reported = false;
    while let Err(not_applied) = engine.store.apply(linecook_rows::Number(written.number.0), rows()) {
        let error = match not_applied {
            NotApplied::ForNow(error) => error,
            NotApplied::ForGood(error) => {
                // It is opened again with the log, which replays what is missing.
                engine.fail(&error);
                return false;
            }
        };
        if !std::mem::replace(&mut is_reported, true) {
            tracing::error!(error = error.chain(), "rows cannot be applied; trying again");
        }
        if engine.check().is_err() {
            return false;
        }
        engine.sync_wakeup.raise();
        thread::park_timeout(Duration::from_millis(100));
    }
    engine.to_apply.applied(written);
    engine.outside.advance(written.number, &written.consumed);
    true
}

#[cfg(test)]
mod tests {
    use linecook_log::SystemClock;

    use super::*;
    use crate::{
        fault::FaultyFiles,
        options::Options,
        recovery::{self, Until},
        row_store::RowStore,
    };

    fn engine(folder: &std::path::Path) -> Arc<Engine> {
        let (options, files) = (Options::default(), Arc::new(FaultyFiles::default()));
        let from = (CommitNumber(0), Until::LastWhole);
        let recovered = recovery::recover(&*files, &options, from, &mut |_, _| Ok(())).unwrap();
        let store = linecook_rows::Store::open(folder, linecook_rows::Options::default()).unwrap();
        let store = Arc::new(RowStore::new(store));
        Arc::new(Engine::new((options, files, Arc::new(SystemClock::new())), (store, Arc::default()), recovered))
    }

    /// When the system had no thread left for one of them, those before it ran on for ever, on files that the next try to
    /// open the log wrote to.
    #[test]
    fn when_a_thread_cannot_be_started_none_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let engine = engine(folder.path());
        let outcome = start_by(&engine, |engine, thread| match thread.0 {
            "log-house" => Err(io::ErrorKind::WouldBlock.into()),
            _ => spawn(engine, thread),
        });
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(Arc::strong_count(&engine), 1, "no thread has it");
    }
}
