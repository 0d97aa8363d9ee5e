//! Groups: which there are, how far they are, and how to move and to forget them.

use std::{collections::BTreeMap, ffi::c_char, sync::Arc, time::Duration};

use linecook_log::{GroupName, Offset, TopicPartition};
use rdkafka::{
    Offset as NativeOffset,
    bindings::{self as sys, rd_kafka_admin_op_t::*},
    error::RDKafkaErrorCode,
};

use super::{Options, ask, list, native_offset, partitions, results, topics::c_string};
use crate::native::{Client, Fault, error_in, text_of};

/// Whether offsets of a transaction that is not finished are waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stable {
    /// A partition with such an offset is answered as `UnstableOffsetCommit`.
    Required,
    /// What was committed before is the answer.
    NotRequired,
}

/// The names of all groups that this client may see.
pub(crate) fn group_names(client: &Arc<impl Client>, timeout: Duration) -> Result<Vec<GroupName>, Fault> {
    let options = Options::new(client, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPS, timeout);
    // SAFETY: the options live as long as the call; the answer is ours.
    unsafe {
        let answer = ask(client, &options, |options, queue| {
            sys::rd_kafka_ListConsumerGroups(client.native(), options, queue);
        })?;
        let (mut count, mut fault_count) = (0, 0);
        let result = sys::rd_kafka_event_ListConsumerGroups_result(answer.0);
        let faults = sys::rd_kafka_ListConsumerGroups_result_errors(result, &raw mut fault_count);
        let faults = results(faults.cast_const().cast_mut(), fault_count);
        if let Some(fault) = faults.iter().find_map(|error| error_in(*error)) {
            return Err(fault);
        }
        let groups = results(sys::rd_kafka_ListConsumerGroups_result_valid(result, &raw mut count), count);
        let name = |group: &*const _| GroupName::new(text_of(sys::rd_kafka_ConsumerGroupListing_group_id(*group)));
        Ok(groups.iter().filter_map(|group| name(group).ok()).collect())
    }
}

/// A group as its coordinator sees it.
#[derive(Debug)]
pub(crate) struct DescribedGroup {
    /// It has shared out, and is not about to do it again.
    pub(crate) is_stable: bool,
    pub(crate) members: Vec<DescribedMember>,
}

#[derive(Debug)]
pub(crate) struct DescribedMember {
    /// A new one each time that it joins from outside.
    pub(crate) id: String,
    /// Its `group.instance.id`; `None` of one that has none.
    pub(crate) instance: Option<String>,
    pub(crate) assigned: Vec<TopicPartition>,
}

/// What there is of these groups. One that is not there has no members.
pub(crate) fn described(
    client: &Arc<impl Client>,
    groups: &[GroupName],
    timeout: Duration,
) -> Result<BTreeMap<GroupName, DescribedGroup>, Fault> {
    if groups.is_empty() {
        return Ok(BTreeMap::new());
    }
    let options = Options::of_coordinator(client, RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS, timeout);
    let names: Vec<_> = groups.iter().map(|group| c_string(group.as_str())).collect();
    let mut addresses: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    // SAFETY: the names live as long as the call, which copies them; the answer is ours.
    unsafe {
        let answer = ask(client, &options, |options, queue| {
            sys::rd_kafka_DescribeConsumerGroups(
                client.native(),
                addresses.as_mut_ptr(),
                addresses.len(),
                options,
                queue,
            );
        })?;
        let mut count = 0;
        let result = sys::rd_kafka_event_DescribeConsumerGroups_result(answer.0);
        let described = results(sys::rd_kafka_DescribeConsumerGroups_result_groups(result, &raw mut count), count);
        let mut found = BTreeMap::new();
        for group in described {
            let fault = error_in(sys::rd_kafka_ConsumerGroupDescription_error(*group));
            if let Some(fault) = fault.filter(|fault| fault.code != RDKafkaErrorCode::GroupIdNotFound) {
                return Err(fault);
            }
            let name = GroupName::new(text_of(sys::rd_kafka_ConsumerGroupDescription_group_id(*group)));
            let Ok(name) = name else { continue };
            let state = sys::rd_kafka_ConsumerGroupDescription_state(*group);
            let is_stable = state == sys::rd_kafka_consumer_group_state_t::RD_KAFKA_CONSUMER_GROUP_STATE_STABLE;
            let members = 0..sys::rd_kafka_ConsumerGroupDescription_member_count(*group);
            let member = |index| member(sys::rd_kafka_ConsumerGroupDescription_member(*group, index));
            found.insert(name, DescribedGroup { is_stable, members: members.map(member).collect() });
        }
        Ok(found)
    }
}

/// # Safety
/// `described` is alive.
unsafe fn member(described: *const sys::rd_kafka_MemberDescription_t) -> DescribedMember {
    // SAFETY: what the description points to lives as long as it; an absent name is null, an absent assignment too.
    unsafe {
        let instance = text_of(sys::rd_kafka_MemberDescription_group_instance_id(described));
        let assignment = sys::rd_kafka_MemberDescription_assignment(described);
        let assigned = if assignment.is_null() {
            Vec::new()
        } else {
            partitions(sys::rd_kafka_MemberAssignment_partitions(assignment))
        };
        DescribedMember {
            id: text_of(sys::rd_kafka_MemberDescription_consumer_id(described)),
            instance: (!instance.is_empty()).then_some(instance),
            assigned: assigned.into_iter().map(|(at, _)| at).collect(),
        }
    }
}

/// What a group has committed: of these partitions, or of all that it has committed anything of. A partition of which it
/// has committed nothing is left out.
pub(crate) fn committed_offsets(
    client: &Arc<impl Client>,
    group: &GroupName,
    asked: Option<&[TopicPartition]>,
    stable: Stable,
    timeout: Duration,
) -> Result<BTreeMap<TopicPartition, Result<Offset, RDKafkaErrorCode>>, Fault> {
    let options = Options::of_coordinator(client, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS, timeout);
    let name = c_string(group.as_str());
    let asked = asked.map(|partitions| list(partitions.iter().map(|at| (at, NativeOffset::Invalid))));
    // SAFETY: name and list live as long as the request is made, which copies them; the answer is ours.
    unsafe {
        let is_stable = i32::from(stable == Stable::Required);
        let error = sys::rd_kafka_AdminOptions_set_require_stable_offsets(options.native, is_stable);
        sys::rd_kafka_error_destroy(error); // none: it is 0 or 1
        let asked = asked.as_ref().map_or(std::ptr::null_mut(), |list| list.ptr());
        let mut request = sys::rd_kafka_ListConsumerGroupOffsets_new(name.as_ptr(), asked);
        let answer = ask(client, &options, |options, queue| {
            sys::rd_kafka_ListConsumerGroupOffsets(client.native(), &raw mut request, 1, options, queue);
        });
        sys::rd_kafka_ListConsumerGroupOffsets_destroy(request);
        let (answer, mut count) = (answer?, 0);
        let result = sys::rd_kafka_event_ListConsumerGroupOffsets_result(answer.0);
        let groups = results(sys::rd_kafka_ListConsumerGroupOffsets_result_groups(result, &raw mut count), count);
        let mut found = BTreeMap::new();
        for group in groups {
            if let Some(fault) = error_in(sys::rd_kafka_group_result_error(*group)) {
                return Err(fault);
            }
            for (at, offset) in partitions(sys::rd_kafka_group_result_partitions(*group)) {
                // Without an offset it is -1001, librdkafka's "invalid".
                match offset.map(u64::try_from) {
                    Ok(Ok(offset)) => found.insert(at, Ok(Offset(offset))),
                    Ok(Err(_)) => None,
                    Err(code) => found.insert(at, Err(code)),
                };
            }
        }
        Ok(found)
    }
}

/// Commits offsets in the name of a group that has no members.
pub(crate) fn alter_offsets(
    client: &Arc<impl Client>,
    group: &GroupName,
    offsets: &[(TopicPartition, Offset)],
    timeout: Duration,
) -> Result<(), Fault> {
    if offsets.is_empty() {
        return Ok(());
    }
    let options = Options::of_coordinator(client, RD_KAFKA_ADMIN_OP_ALTERCONSUMERGROUPOFFSETS, timeout);
    let name = c_string(group.as_str());
    let offsets = list(offsets.iter().map(|(at, offset)| (at, native_offset(*offset))));
    // SAFETY: name and list live as long as the request is made, which copies them; the answer is ours.
    unsafe {
        let mut request = sys::rd_kafka_AlterConsumerGroupOffsets_new(name.as_ptr(), offsets.ptr());
        let answer = ask(client, &options, |options, queue| {
            sys::rd_kafka_AlterConsumerGroupOffsets(client.native(), &raw mut request, 1, options, queue);
        });
        sys::rd_kafka_AlterConsumerGroupOffsets_destroy(request);
        let (answer, mut count) = (answer?, 0);
        let result = sys::rd_kafka_event_AlterConsumerGroupOffsets_result(answer.0);
        let groups = results(sys::rd_kafka_AlterConsumerGroupOffsets_result_groups(result, &raw mut count), count);
        for group in groups {
            if let Some(fault) = error_in(sys::rd_kafka_group_result_error(*group)) {
                return Err(fault);
            }
            let refused = partitions(sys::rd_kafka_group_result_partitions(*group));
            if let Some((at, code)) = refused.into_iter().find_map(|(at, outcome)| Some((at, outcome.err()?))) {
                return Err(Fault::new(code, format!("{code}: partition={at}")));
            }
        }
        Ok(())
    }
}

/// Forgets a group that has no members.
pub(crate) fn delete_group(client: &Arc<impl Client>, group: &GroupName, timeout: Duration) -> Result<(), Fault> {
    let options = Options::of_coordinator(client, RD_KAFKA_ADMIN_OP_DELETEGROUPS, timeout);
    let name = c_string(group.as_str());
    // SAFETY: the name lives as long as the request is made, which copies it; the answer is ours.
    unsafe {
        let mut request = sys::rd_kafka_DeleteGroup_new(name.as_ptr());
        let answer = ask(client, &options, |options, queue| {
            sys::rd_kafka_DeleteGroups(client.native(), &raw mut request, 1, options, queue);
        });
        sys::rd_kafka_DeleteGroup_destroy(request);
        let (answer, mut count) = (answer?, 0);
        let result = sys::rd_kafka_event_DeleteGroups_result(answer.0);
        let groups = results(sys::rd_kafka_DeleteGroups_result_groups(result, &raw mut count), count);
        groups.iter().find_map(|group| error_in(sys::rd_kafka_group_result_error(*group))).map_or(Ok(()), Err)
    }
}
