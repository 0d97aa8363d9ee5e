//! Records that lie in a partition that is not their key's.
//!
//! ```text
//!  orders / 0 ──┬─ key of 0 ──────────────────────────► fold ──► rows of partition 0
//!               └─ key of 2 ──► S.orders.repartition / 2 ──► fold ──► rows of partition 2
//! ```
//!
//! A row belongs to the partition of the record that wrote it, and readers look for a key in its partition. Our own
//! writers put a record there; other clients have other hashes, or none. So a table of keys does not trust the place of
//! a record: one that is misplaced is moved, in the commit that consumes it, to a topic of the service, and is folded
//! there. Stages and counts, which look no key up, take each record where it lies.

use linecook_log::TopicName;

use super::Service;
use crate::worker::TargetIndex;

/// What tables of keys do with a record of an input that lies in a partition that is not its key's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misplaced {
    /// No table of keys reads the input: no place is wrong.
    Stay,
    /// It is moved to this topic, which has as many partitions, and folded there.
    Move(TargetIndex),
    /// It lies in the topic that records are moved to, so somebody else has written it. To move it again could go on
    /// for ever.
    Refuse,
}

impl Service {
    /// The topic that misplaced records of `from` are moved to, whichever of the service's tables fold them.
    pub(crate) fn repartition_topic(&mut self, from: &TopicName) -> TopicName {
        TopicName::new(format!("{}.{from}.repartition", self.name)).unwrap_or_else(|error| {
            self.faults.push(format!("the names leave no room for the topic of moved records: from={from}: {error}"));
            TopicName::new("repartition").expect("this is a name")
        })
    }

    /// Tables of keys read both inputs. The moved records come first in the order of polls: they have waited longer,
    /// and an input at the end has all the room that is left in a poll, which is for those that are always busy.
    pub(crate) fn move_misplaced(&mut self, from: &TopicName, to: &TopicName) {
        let target = self.target(to);
        let is_moved = |topic: &TopicName| topic == to;
        let moved = self.inputs.extract_if(.., |input| is_moved(&input.topic));
        let moved: Vec<_> = moved.collect();
        let at = self.inputs.iter().position(|input| input.topic == *from).unwrap_or(self.inputs.len());
        self.inputs.splice(at..at, moved);
        for input in &mut self.inputs {
            if input.topic == *from {
                input.misplaced = Misplaced::Move(target);
            } else if is_moved(&input.topic) {
                input.misplaced = Misplaced::Refuse;
            }
        }
    }

    /// Whether records are moved to that topic.
    pub(crate) fn is_repartition(&self, topic: &TopicName) -> bool {
        self.inputs.iter().any(|input| input.misplaced == Misplaced::Refuse && input.topic == *topic)
    }

    /// The topics that have records moved, and where to.
    pub(crate) fn repartitions(&self) -> impl Iterator<Item = (&TopicName, &TopicName)> {
        self.inputs.iter().filter_map(|input| match input.misplaced {
            Misplaced::Move(target) => Some((&input.topic, &self.targets[target.0])),
            Misplaced::Stay | Misplaced::Refuse => None,
        })
    }
}
