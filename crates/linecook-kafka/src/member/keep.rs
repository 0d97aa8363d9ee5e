//! Offsets that brokers would forget.
//!
//! Of a group that is at work a broker forgets what was not committed for `offsets.retention.minutes`, a week by default,
//! of topics that nobody in the group has subscribed to. Of an input only the first topic is. So what is committed of the
//! others is committed once more, unchanged, before that: a group that found nothing of it would begin anew.

use std::{sync::Arc, time::Duration};

use linecook_log::{Offset, Result, TopicPartition};

use super::{KafkaMember, Over, commit::Prepared, owned::Owned};
use crate::transaction::Ended;

/// How long after it was committed.
pub(super) const EVERY: Duration = Duration::from_hours(24);
/// The same when it is not known when that was, or it has failed.
pub(super) const SOON: Duration = Duration::from_hours(1);

impl KafkaMember {
    /// What has to be committed again by now, with a commit of these offsets. Should that be refused, the next one goes
    /// without them: they must not hold it up.
    pub(super) fn take_offsets_to_keep(
        &mut self,
        beside: &[(TopicPartition, Offset)],
    ) -> Vec<(TopicPartition, Offset)> {
        let mut kept = self.offsets_to_keep();
        kept.retain(|(at, _)| !beside.iter().any(|(other, _)| other == at));
        let again_at = self.shared.clock.monotonic() + SOON;
        for owned in self.owned.iter_mut().filter(|owned| kept.iter().any(|(at, _)| *at == owned.at)) {
            owned.keep_at = again_at;
        }
        kept
    }

    fn offsets_to_keep(&self) -> Vec<(TopicPartition, Offset)> {
        let now = self.shared.clock.monotonic();
        let is_subscribed = |owned: &Owned| self.spec.inputs.iter().any(|input| input.topics[0] == owned.at.topic);
        // Of a topic that is not there, or forbidden, no offset is taken.
        let is_kept = |owned: &&Owned| owned.fault.is_none() && !self.missing.contains(&owned.at.topic);
        let due = self.owned.iter().filter(|owned| now >= owned.keep_at && !is_subscribed(owned)).filter(is_kept);
        due.map(|owned| (owned.at.clone(), owned.committed)).collect()
    }

    /// The same without one, for a member that has nothing else to do.
    ///
    /// # Errors
    /// `Unknown`: it is over.
    pub(super) fn keep_offsets(&mut self) -> Result<()> {
        let now = self.shared.clock.monotonic();
        let offsets = self.offsets_to_keep();
        if offsets.is_empty() {
            return Ok(());
        }
        let clients = Arc::clone(&self.clients);
        let mut open = clients.open.lock();
        let open = open.as_mut().ok_or_else(|| self.shared.ended())?;
        let prepared = Prepared::of(offsets);
        let ended = self.transact(open, &prepared);
        let again_at = match &ended {
            Ok(Ended::Committed(_)) => now + EVERY,
            _ => now + SOON,
        };
        for owned in &mut self.owned {
            if prepared.offsets.iter().any(|(at, _)| *at == owned.at) {
                owned.keep_at = again_at;
            }
        }
        match ended {
            Ok(Ended::Committed(_)) => {
                self.shared.figures.committed(self.shared.clock.monotonic().saturating_sub(now));
                Ok(())
            }
            Ok(Ended::Lost(error)) => Err(self.lost(open, error)),
            Ok(Ended::RefusedAndOver(_)) => {
                self.over = Some(Over::Unknown);
                Ok(()) // said by the next poll
            }
            // Whoever is out of the group hears that otherwise.
            Ok(Ended::Refused(_)) | Err(_) => Ok(()),
        }
    }
}
