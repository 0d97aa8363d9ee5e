//! What is done once in a while: watching the disk's free space, dropping what retention no longer keeps, and keeping
//! rows from holding segments back.

use std::{sync::Arc, time::Duration};

use linecook_log::{ErrorKind, GroupName, Result};

use crate::{core::Core, frame::CommitNumber, published::Ended, segments::Segment};

const EVERY: Duration = Duration::from_secs(1);

pub(crate) fn run(core: &Core) {
    while core.check().is_ok() {
        match round(core) {
            Ok(()) => {}
            Err(error) => tracing::warn!(error = error.chain(), "housekeeping failed; trying again"),
        }
        core.house_wakeup.wait(EVERY);
    }
}

/// One round.
pub(crate) fn round(core: &Core) -> Result<()> {
    // The disk is watched whatever else goes wrong.
    core.refuse_writes(reserve_is_used_up(core));
    if let Err(error) = core.store.snapshot() {
        // It is opened again with the log; without this only the next commit would find out.
        core.fail(&crate::rows::error(error));
        return Ok(());
    }
    persist_what_holds_back(core);
    core.refuse_appends(drop_old_segments(core)?);
    Ok(())
}

fn reserve_is_used_up(core: &Core) -> Option<Ended> {
    let reserve = core.options.reserve_bytes;
    let free = core.files.free_bytes().ok().filter(|free| *free < reserve)?;
    let message = format!(
        "the disk is nearly full: free some space and it goes on by itself: free_bytes={free} reserve_bytes={reserve}"
    );
    Some(Ended { kind: ErrorKind::Full, message })
}

/// The first commit that a restart has to replay should lie in the last segment, so that it reads little and retention
/// is not held back. Commits without rows count: what is not said to be persisted is read.
fn persist_what_holds_back(core: &Core) {
    let last = core.writer().segment.first;
    if CommitNumber(core.store.persisted().0).next() < last {
        core.store.persist_soon();
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
fn drop_old_segments(core: &Core) -> Result<Option<Ended>> {
    for segment in core.segments.closed() {
        let Some(due) = is_due(core, &segment)? else { return Ok(None) };
        let Some(next) = core.segments.after(segment.first) else { return Ok(None) };
        if core.published.number() < next.first {
            return Ok(None); // the one behind it must be on disk: recovery begins somewhere
        }
        if let Some(group) = reader_left(core, &next) {
            return Ok(match due {
                Due::Expired => None,
                Due::TooMuch(limit) => Some(held_back_by(&group, limit)),
            });
        }
        if core.store.persisted().0 + 1 < next.first.0 {
            core.store.persist_soon();
            return Ok(None);
        }
        core.segments.pop_front();
        let removed = core.files.remove(&segment.name).and_then(|()| core.files.sync_folder());
        removed.map_err(|error| crate::segment::unreadable(error, "a segment that is to be removed"))?;
        tracing::info!(file = segment.name, "dropped a segment that retention no longer keeps");
    }
    Ok(None)
}

fn is_due(core: &Core, segment: &Arc<Segment>) -> Result<Option<Due>> {
    if let Some(limit) = core.options.retention_bytes
        && core.segments.size_bytes() > limit
    {
        return Ok(Some(Due::TooMuch(limit)));
    }
    let Some(retention) = core.options.retention else { return Ok(None) };
    let age = core.clock.timestamp().since(segment.last_commit_at()?);
    Ok((age > retention).then_some(Due::Expired))
}

/// A group that has not durably read all that lies before `next`.
fn reader_left(core: &Core, next: &Segment) -> Option<GroupName> {
    let writer = core.writer();
    let found = writer.catalog.known_groups().find(|(id, group)| {
        group.progress.keys().any(|partition| {
            let read = core.outside.offset(*id, *partition).unwrap_or_default();
            next.ends_before.get(partition.0 as usize).is_some_and(|end| read < *end)
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
