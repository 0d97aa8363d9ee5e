//! What is done once in a while: watching the disk's free space, dropping what retention no longer keeps, and keeping
//! rows from holding segments back.

use std::{io, sync::Arc, time::Duration};

use linecook_log::{ErrorKind, GroupName, Result};

use crate::{catalog::Catalog, engine::Engine, frame::CommitNumber, published::Ended, segment, segments::Segment};

const EVERY: Duration = Duration::from_secs(1);

/// A segment that nobody can read any more, but that may still be on disk.
type Leaving = Option<Arc<Segment>>;

pub(crate) fn run(engine: &Engine) {
    let mut leaving = None;
    while engine.check().is_ok() {
        match round(engine, &mut leaving) {
            Ok(()) => {}
            Err(error) => tracing::warn!(error = error.chain(), "housekeeping failed; trying again"),
        }
        engine.house_wakeup.wait(EVERY);
    }
}

/// One round.
fn round(engine: &Engine, leaving: &mut Leaving) -> Result<()> {
    // The disk is watched whatever else goes wrong.
    engine.refusal.set(reserve_is_used_up(engine));
    if let Err(error) = engine.store.check() {
        // It is opened again with the log; without this only the next commit would find out.
        engine.fail(&error);
        return Ok(());
    }
    persist_what_holds_back(engine);
    engine.append_refusal.set(drop_old_segments(engine, leaving)?);
    Ok(())
}

fn reserve_is_used_up(engine: &Engine) -> Option<Ended> {
    let reserve = engine.options.reserve_bytes;
    let free = engine.files.free_bytes().ok().filter(|free| *free < reserve)?;
    let message = format!(
        "the disk is nearly full, and nothing is stored until some space is freed: free_bytes={free} reserve_bytes={reserve}"
    );
    Some(Ended { kind: ErrorKind::Full, message })
}

/// The first commit that a restart has to replay should lie in the last segment, so that it reads little and retention
/// is not held back. Commits without rows count: what is not said to be persisted is read.
fn persist_what_holds_back(engine: &Engine) {
    let last = engine.writer().segment.first;
    if CommitNumber(engine.store.persisted().0).next() < last {
        engine.store.persist_soon();
    }
}

/// Why a segment is to be dropped.
enum Due {
    /// All in it is older than the retention.
    Expired,
    /// There is more than `retention_bytes`.
    TooMuch(u64),
}

/// Drops the oldest segments that are due, as far as nobody needs them. What keeps appends from being taken is returned.
fn drop_old_segments(engine: &Engine, leaving: &mut Leaving) -> Result<Option<Ended>> {
    remove(engine, leaving)?;
    for segment in engine.segments.closed() {
        let Some(due) = is_due(engine, &segment)? else { return Ok(None) };
        let Some(next) = engine.segments.after(segment.first) else { return Ok(None) };
        if engine.published.number() < next.first {
            return Ok(None); // the one behind it must be on disk: recovery begins somewhere
        }
        let is_persisted = engine.store.persisted().0 + 1 >= next.first.0;
        // Whoever sets offsets under this lock sees where the log begins, and is seen.
        let writer = engine.writer();
        if let Some(group) = reader_left(engine, &writer.catalog, &next) {
            return Ok(match due {
                Due::Expired => None,
                Due::TooMuch(limit) => Some(held_back_by(&group, limit)),
            });
        }
        if !is_persisted {
            drop(writer);
            engine.store.persist_soon();
            return Ok(None);
        }
        *leaving = engine.segments.pop_front();
        drop(writer);
        remove(engine, leaving)?;
    }
    Ok(None)
}

/// Removes the file of the segment that leaves. No other one leaves before that is durable: with its successors gone and
/// itself still there, there would be a hole in the history.
fn remove(engine: &Engine, leaving: &mut Leaving) -> Result<()> {
    let Some(segment) = leaving else { return Ok(()) };
    let removed = remove_strays(engine, segment.first).and_then(|()| remove_file(engine, &segment.name));
    removed.map_err(|error| segment::unreadable(error, "a segment that is to be removed"))?;
    tracing::info!(file = segment.name, "dropped a segment that retention no longer keeps");
    *leaving = None;
    Ok(())
}

/// Removes what was left between this segment and the next one by segments that could not be created. Only what lies
/// before it tells that such a file never was one.
fn remove_strays(engine: &Engine, first: CommitNumber) -> io::Result<()> {
    let next = engine.segments.oldest().first;
    let is_stray = |name: &String| segment::first_of(name).is_some_and(|it| first < it && it < next);
    engine.files.list()?.iter().filter(|name| is_stray(name)).try_for_each(|name| remove_file(engine, name))
}

/// Removes a file durably.
fn remove_file(engine: &Engine, name: &str) -> io::Result<()> {
    match engine.files.remove(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {} // it was removed before, but perhaps not durably
        outcome => outcome?,
    }
    engine.files.sync_folder()
}

fn is_due(engine: &Engine, segment: &Arc<Segment>) -> Result<Option<Due>> {
    if let Some(limit) = engine.options.retention_bytes
        && engine.segments.size_bytes() > limit
    {
        return Ok(Some(Due::TooMuch(limit)));
    }
    let Some(retention) = engine.options.retention else { return Ok(None) };
    let age = engine.clock.timestamp().since(segment.last_commit_at()?);
    Ok((age > retention).then_some(Due::Expired))
}

/// A group that has not durably read all that lies before `next`. One that is being reset has not from the moment on at
/// which that is written.
fn reader_left(engine: &Engine, catalog: &Catalog, next: &Segment) -> Option<GroupName> {
    let found = catalog.known_groups().find(|(id, group)| {
        group.progress.iter().any(|(partition, progress)| {
            let read = engine.outside.offset(*id, *partition).unwrap_or_default().min(progress.offset);
            let is_behind = next.ends_before.get(partition.0 as usize).is_some_and(|end| read < *end);
            let is_read =
                || catalog.topic_partition(*partition).map(|at| engine.declarations.reads(&group.name, &at.topic));
            is_behind && is_read().unwrap_or(true)
        })
    });
    found.map(|(_, group)| group.name.clone())
}

fn held_back_by(group: &GroupName, limit: u64) -> Ended {
    let message = format!(
        "the log has reached retention_bytes and a group has not read the oldest records: start its service, raise the \
         limit, or forget it with `groups drop {group}`: group={group} retention_bytes={limit}"
    );
    Ended { kind: ErrorKind::Full, message }
}
