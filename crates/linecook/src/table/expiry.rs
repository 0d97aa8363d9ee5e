//! Deleting what has been kept long enough, some rows at a time.

use bytes::Bytes;
use linecook_log::{Member, Result, RowChange, Scan, Timestamp};

use super::{
    Place,
    layout::{self, EXPIRY, Minute},
};

const MINUTE_MS: i64 = 60_000;

impl Minute {
    /// The minute that this moment lies in.
    pub(super) fn of(moment: Timestamp) -> Self {
        Self(u64::try_from(moment.0.div_euclid(MINUTE_MS)).unwrap_or(0))
    }
}

/// The changes that delete what is due at `now` in the oldest expiry row, of `limit` rows or some more; empty when
/// nothing is due. After them there may be more.
///
/// A key whose records wait, by `waits`, is looked at again a minute later: what waits is for the entry as it is, and an entry
/// that is gone would take it for something else.
///
/// The items of a key go before its state. So a record of that key which comes in between folds into the entry that is
/// going, not into a new one that the rest of the deletion would then tear apart.
pub(crate) fn expired(
    member: &mut dyn Member,
    place: Place<'_>,
    now: Timestamp,
    limit: usize,
    waits: impl Fn(&[u8]) -> bool,
) -> Result<Vec<RowChange>> {
    let oldest = Scan { limit: 1, ..Scan::prefix(&[EXPIRY]) };
    let Some((row_key, value)) = member.scan(place.table, place.partition, oldest)?.into_iter().next() else {
        return Ok(Vec::new());
    };
    // What expires within a minute is deleted when the minute is over: late by less than a minute, never early.
    if layout::minute_of(&row_key).is_none_or(|minute| minute >= Minute::of(now)) {
        return Ok(Vec::new());
    }
    let keys = layout::expired_keys(&value)?;
    let mut deletion = Deletion { member, place, changes: Vec::new(), limit };
    let (mut done, mut kept) = (0, Vec::new());
    while let Some(key) = keys.get(done) {
        if waits(key) {
            kept.push(*key);
        } else if !deletion.delete(key)? {
            break;
        }
        done += 1;
    }
    if !kept.is_empty() {
        deletion.keep(layout::expiry_key_at(Minute::of(now), &row_key), &kept)?;
    }
    let rest = &keys[done..];
    let value = (!rest.is_empty()).then(|| layout::expiry_value(rest.iter().copied()).into());
    deletion.change(row_key, value);
    Ok(deletion.changes)
}

struct Deletion<'a> {
    member: &'a mut dyn Member,
    place: Place<'a>,
    changes: Vec<RowChange>,
    limit: usize,
}

impl Deletion<'_> {
    /// Deletes the rows of a key as far as the limit allows. Returns whether none is left.
    fn delete(&mut self, key: &[u8]) -> Result<bool> {
        let room = self.limit.saturating_sub(self.changes.len());
        if room == 0 {
            return Ok(false);
        }
        let mut state_key = Vec::new();
        // A key that does not fit has no rows.
        let Some(()) = layout::put_state_key(key, &mut state_key) else { return Ok(true) };
        let prefix = layout::items_prefix_beside(&state_key);
        let scan = Scan { limit: room, ..Scan::prefix(&prefix) };
        let items = self.member.scan(self.place.table, self.place.partition, scan)?;
        let is_all = items.len() < room;
        for (key, _) in items {
            self.change(key, None);
        }
        if is_all {
            self.change(state_key.into(), None);
        }
        Ok(is_all)
    }

    /// Puts keys into an expiry row, beside those that are there.
    fn keep(&mut self, row_key: Vec<u8>, keys: &[&[u8]]) -> Result<()> {
        let there = self.member.get(self.place.table, self.place.partition, &row_key)?;
        let others = there.as_deref().map_or(Ok(Vec::new()), layout::expired_keys)?;
        let value = layout::expiry_value(keys.iter().copied().chain(others));
        self.change(row_key.into(), Some(layout::kept(value)));
        Ok(())
    }

    fn change(&mut self, key: Bytes, value: Option<Bytes>) {
        let Place { table, partition } = self.place;
        self.changes.push(RowChange { table: table.clone(), partition, key, value });
    }
}
