//! Groups: what they have committed, which there are, and how to move and to forget them.

use std::collections::BTreeMap;

use linecook_log::{Error, GroupName, Offset, Result, TopicPartition};
use rdkafka::error::RDKafkaErrorCode;

use super::{ASK_AGAIN_AFTER, Cluster};
use crate::native::{
    Fault,
    admin::{self, DescribedGroup, Stable},
};

impl Cluster {
    /// What a group has committed; `None` while a transaction that is not finished has moved one of them.
    ///
    /// # Errors
    /// `Unavailable`, `Invalid`.
    pub(crate) fn stable_offsets(
        &self,
        group: &GroupName,
        partitions: &[TopicPartition],
    ) -> Result<Option<BTreeMap<TopicPartition, Offset>>> {
        self.check_answering()?;
        match self.committed(group, Some(partitions), Stable::Required) {
            Err(fault) if fault.code == RDKafkaErrorCode::UnstableOffsetCommit => Ok(None),
            Err(fault) => {
                Err(self.error(format!("what a group has committed cannot be asked for: group={group}"), fault))
            }
            Ok(offsets) => Ok(Some(offsets)),
        }
    }

    /// All that a group has committed, transactions that are not finished left aside.
    ///
    /// # Errors
    /// `Unavailable`, `Invalid`.
    pub(crate) fn committed_offsets(&self, group: &GroupName) -> Result<BTreeMap<TopicPartition, Offset>> {
        self.check_answering()?;
        let what = || format!("what a group has committed cannot be asked for: group={group}");
        self.committed(group, None, Stable::NotRequired).map_err(|fault| self.error(what(), fault))
    }

    fn committed(
        &self,
        group: &GroupName,
        partitions: Option<&[TopicPartition]>,
        stable: Stable,
    ) -> Result<BTreeMap<TopicPartition, Offset>, Fault> {
        let deadline = self.clock.monotonic() + self.patience();
        let found = loop {
            match admin::committed_offsets(&self.client(), group, partitions, stable, self.patience()) {
                Err(fault) if fault.code == RDKafkaErrorCode::GroupIdNotFound => break BTreeMap::new(),
                // A broker that has just begun to look after a group reads first what there is of it.
                Err(fault)
                    if fault.code == RDKafkaErrorCode::CoordinatorLoadInProgress
                        && self.clock.monotonic() < deadline =>
                {
                    std::thread::park_timeout(ASK_AGAIN_AFTER);
                }
                found => break found?,
            }
        };
        found.into_iter().map(|(at, offset)| Ok((at, offset.map_err(Fault::of_code)?))).collect()
    }

    /// Commits offsets in the name of a group without members.
    ///
    /// # Errors
    /// `Invalid`: it has members. `Unavailable`.
    pub(crate) fn alter_offsets(&self, group: &GroupName, offsets: &[(TopicPartition, Offset)]) -> Result<()> {
        self.check_answering()?;
        admin::alter_offsets(&self.client(), group, offsets, self.patience()).map_err(|fault| match fault.code {
            // A broker takes nothing in the name of a group with members from one who is none.
            RDKafkaErrorCode::UnknownMemberId => has_members(group),
            _ => self.error(format!("offsets of a group cannot be set: group={group}"), fault),
        })
    }

    /// The groups that may be seen and that are wanted, and whether each has members.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(crate) fn groups(&self, is_wanted: impl Fn(&GroupName) -> bool) -> Result<BTreeMap<GroupName, bool>> {
        self.check_answering()?;
        let what = "the groups of the cluster cannot be listed";
        let mut names = admin::group_names(&self.client(), self.patience()).map_err(|fault| self.error(what, fault))?;
        names.retain(is_wanted);
        let found = admin::described(&self.client(), &names, self.patience());
        let found = found.map_err(|fault| self.error(what, fault))?;
        Ok(found.into_iter().map(|(name, group)| (name, !group.members.is_empty())).collect())
    }

    /// Whether a group has members; one that is not known has none.
    ///
    /// # Errors
    /// `Unavailable`, `Invalid`.
    pub(crate) fn has_members(&self, group: &GroupName) -> Result<bool> {
        Ok(self.described(group)?.is_some_and(|group| !group.members.is_empty()))
    }

    /// A group as its coordinator sees it, which may not know it.
    ///
    /// # Errors
    /// `Unavailable`, `Invalid`.
    pub(crate) fn described(&self, group: &GroupName) -> Result<Option<DescribedGroup>> {
        self.check_answering()?;
        let found = admin::described(&self.client(), std::slice::from_ref(group), self.patience());
        let found = found.map_err(|fault| self.error(format!("a group cannot be asked for: group={group}"), fault))?;
        Ok(found.into_values().next())
    }

    /// Forgets a group without members.
    ///
    /// # Errors
    /// `Invalid`: it has members, or is not known. `Unavailable`.
    pub(crate) fn delete_group(&self, group: &GroupName) -> Result<()> {
        self.check_answering()?;
        admin::delete_group(&self.client(), group, self.patience()).map_err(|fault| match fault.code {
            RDKafkaErrorCode::NonEmptyGroup => has_members(group),
            RDKafkaErrorCode::GroupIdNotFound => no_such_group(group),
            _ => self.error(format!("a group cannot be dropped: group={group}"), fault),
        })
    }
}

pub(crate) fn has_members(group: &GroupName) -> Error {
    Error::invalid(format!(
        "the group has members: stop its service first, and wait until it is given up: group={group}"
    ))
}

pub(crate) fn no_such_group(group: &GroupName) -> Error {
    Error::invalid(format!("no such group: group={group}"))
}
