//! What groups read now, as it was said in the life of this process.

use std::collections::{HashMap, HashSet};

use linecook_log::{GroupName, TopicName};
use parking_lot::Mutex;

/// The topics of the groups that were declared, or joined, since the process began. It is not stored: what a group has
/// read of a topic that it reads no more stays known, and keeps nothing.
#[derive(Default)]
pub(crate) struct Declarations {
    topics: Mutex<HashMap<GroupName, HashSet<TopicName>>>,
}

impl Declarations {
    /// The group reads these topics from now on, and no others.
    pub(crate) fn declare(&self, group: &GroupName, topics: &[TopicName]) {
        self.topics.lock().insert(group.clone(), topics.iter().cloned().collect());
    }

    /// Whether a topic that the group has read is kept for it. It is if nobody has said what the group reads: its
    /// service may be about to.
    pub(crate) fn reads(&self, group: &GroupName, topic: &TopicName) -> bool {
        self.topics.lock().get(group).is_none_or(|topics| topics.contains(topic))
    }
}
