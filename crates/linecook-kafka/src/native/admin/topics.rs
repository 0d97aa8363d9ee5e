//! Topics: which there are, and new ones.

use std::{
    collections::BTreeMap,
    ffi::{CString, c_char},
    ptr,
    sync::Arc,
    time::Duration,
};

use linecook_log::TopicName;
use rdkafka::{
    bindings::{self as sys, rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC, rd_kafka_admin_op_t::*},
    error::RDKafkaErrorCode,
};

use super::{Options, ask, results};
use crate::native::{Client, Fault, error_in, fault_of, queue::millis, text_of};

/// A topic that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundTopic {
    pub(crate) name: TopicName,
    pub(crate) partition_count: u32,
    /// On how many brokers the partition with the fewest lies.
    pub(crate) replica_count: u32,
    /// Whether each partition has a leader.
    pub(crate) is_led: bool,
}

/// A topic to be created.
#[derive(Debug)]
pub(crate) struct NewTopic<'a> {
    pub(crate) name: &'a TopicName,
    pub(crate) partition_count: u32,
    pub(crate) settings: &'a [(&'a str, &'a str)],
}

/// All topics that this client may see, but for those that brokers keep for themselves. It creates none.
pub(crate) fn topics(client: &Arc<impl Client>, timeout: Duration) -> Result<Vec<FoundTopic>, Fault> {
    let mut metadata = ptr::null();
    // SAFETY: the client is alive; what is written to `metadata` is ours, and its lists are as long as it says.
    unsafe {
        let error = sys::rd_kafka_metadata(client.native(), 1, ptr::null_mut(), &raw mut metadata, millis(timeout));
        if let Some(code) = fault_of(error) {
            return Err(Fault::of_code(code));
        }
        let count = usize::try_from((*metadata).topic_cnt).unwrap_or(0);
        let found = (0..count).filter_map(|index| found_topic(&*(*metadata).topics.add(index))).collect();
        sys::rd_kafka_metadata_destroy(metadata);
        Ok(found)
    }
}

/// # Safety
/// `topic` is one of metadata that are alive.
unsafe fn found_topic(topic: &sys::rd_kafka_metadata_topic) -> Option<FoundTopic> {
    // SAFETY: its name is a C string, and it has as many partitions as it says.
    unsafe {
        let name = TopicName::new(text_of(topic.topic)).ok().filter(|name| !name.as_str().starts_with("__"))?;
        if fault_of(topic.err).is_some() {
            return None;
        }
        let count = usize::try_from(topic.partition_cnt).unwrap_or(0);
        let partitions = || (0..count).map(|index| &*topic.partitions.add(index));
        let replicas = partitions().map(|partition| u32::try_from(partition.replica_cnt).unwrap_or(0)).min();
        Some(FoundTopic {
            name,
            partition_count: u32::try_from(count).unwrap_or(0),
            replica_count: replicas.unwrap_or(0),
            is_led: partitions().all(|partition| partition.leader >= 0),
        })
    }
}

/// Creates topics with the broker's own number of replicas. Each has an outcome of its own.
pub(crate) fn create_topics(
    client: &Arc<impl Client>,
    topics: &[NewTopic<'_>],
    timeout: Duration,
) -> Result<BTreeMap<String, Result<(), Fault>>, Fault> {
    let options = Options::new(client, RD_KAFKA_ADMIN_OP_CREATETOPICS, timeout);
    // SAFETY: names and settings live as long as the calls, which copy them; the list is ours, as is the answer.
    unsafe {
        let mut list: Vec<_> = topics.iter().map(|topic| new_topic(topic)).collect();
        let answer = ask(client, &options, |options, queue| {
            sys::rd_kafka_CreateTopics(client.native(), list.as_mut_ptr(), list.len(), options, queue);
        });
        sys::rd_kafka_NewTopic_destroy_array(list.as_mut_ptr(), list.len());
        let (answer, mut count) = (answer?, 0);
        let result = sys::rd_kafka_event_CreateTopics_result(answer.0);
        let outcomes = results(sys::rd_kafka_CreateTopics_result_topics(result, &raw mut count), count);
        Ok(outcomes.iter().map(|topic| outcome_of(*topic)).collect())
    }
}

/// # Safety
/// It is unsafe for what it calls; the topic is the caller's to destroy.
unsafe fn new_topic(topic: &NewTopic<'_>) -> *mut sys::rd_kafka_NewTopic_t {
    let name = c_string(topic.name.as_str());
    let partition_count = i32::try_from(topic.partition_count).unwrap_or(i32::MAX);
    // SAFETY: all texts end with a zero, and are copied.
    unsafe {
        let made = sys::rd_kafka_NewTopic_new(name.as_ptr(), partition_count, -1, ptr::null_mut(), 0);
        for (name, value) in topic.settings {
            sys::rd_kafka_NewTopic_set_config(made, c_string(name).as_ptr(), c_string(value).as_ptr());
        }
        made
    }
}

/// # Safety
/// `topic` is one of an answer that is alive.
unsafe fn outcome_of(topic: *const sys::rd_kafka_topic_result_t) -> (String, Result<(), Fault>) {
    // SAFETY: as the caller has promised; the texts are the answer's.
    unsafe {
        let name = text_of(sys::rd_kafka_topic_result_name(topic));
        let outcome = match fault_of(sys::rd_kafka_topic_result_error(topic)) {
            None => Ok(()),
            Some(code) => Err(Fault::new(code, text_of(sys::rd_kafka_topic_result_error_string(topic)))),
        };
        (name, outcome)
    }
}

/// The ids of topics: one that is created anew has another.
pub(crate) fn topic_ids(
    client: &Arc<impl Client>,
    names: &[TopicName],
    timeout: Duration,
) -> Result<BTreeMap<TopicName, Result<String, RDKafkaErrorCode>>, Fault> {
    let options = Options::new(client, RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, timeout);
    let names: Vec<_> = names.iter().map(|name| c_string(name.as_str())).collect();
    let mut addresses: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    // SAFETY: the names live as long as the collection is made, which copies them; the answer is ours.
    unsafe {
        let collection = sys::rd_kafka_TopicCollection_of_topic_names(addresses.as_mut_ptr(), addresses.len());
        let answer = ask(client, &options, |options, queue| {
            sys::rd_kafka_DescribeTopics(client.native(), collection, options, queue);
        });
        sys::rd_kafka_TopicCollection_destroy(collection);
        let (answer, mut count) = (answer?, 0);
        let result = sys::rd_kafka_event_DescribeTopics_result(answer.0);
        let described = results(sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count), count);
        Ok(described.iter().filter_map(|topic| id_of(*topic)).collect())
    }
}

/// # Safety
/// `topic` is one of an answer that is alive.
unsafe fn id_of(
    topic: *const sys::rd_kafka_TopicDescription_t,
) -> Option<(TopicName, Result<String, RDKafkaErrorCode>)> {
    // SAFETY: as the caller has promised; the texts are the answer's.
    unsafe {
        let name = TopicName::new(text_of(sys::rd_kafka_TopicDescription_name(topic))).ok()?;
        let id = match error_in(sys::rd_kafka_TopicDescription_error(topic)) {
            None => {
                let id = sys::rd_kafka_TopicDescription_topic_id(topic);
                Ok(text_of(sys::rd_kafka_Uuid_base64str(id)))
            }
            Some(fault) => Err(fault.code),
        };
        Some((name, id))
    }
}

/// A setting of topics, each as it is in force: the topic's own, or else the cluster's.
pub(crate) fn settings(
    client: &Arc<impl Client>,
    names: &[TopicName],
    setting: &str,
    timeout: Duration,
) -> Result<BTreeMap<TopicName, Result<String, RDKafkaErrorCode>>, Fault> {
    let options = Options::new(client, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, timeout);
    // SAFETY: names live as long as the calls, which copy them; the list is ours, as is the answer.
    unsafe {
        let asked = |name: &TopicName| {
            sys::rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, c_string(name.as_str()).as_ptr())
        };
        let mut list: Vec<_> = names.iter().map(asked).collect();
        let answer = ask(client, &options, |options, queue| {
            sys::rd_kafka_DescribeConfigs(client.native(), list.as_mut_ptr(), list.len(), options, queue);
        });
        sys::rd_kafka_ConfigResource_destroy_array(list.as_mut_ptr(), list.len());
        let (answer, mut count) = (answer?, 0);
        let result = sys::rd_kafka_event_DescribeConfigs_result(answer.0);
        let described = results(sys::rd_kafka_DescribeConfigs_result_resources(result, &raw mut count), count);
        Ok(described.iter().filter_map(|topic| setting_of(*topic, setting)).collect())
    }
}

/// # Safety
/// `topic` is one of an answer that is alive.
unsafe fn setting_of(
    topic: *const sys::rd_kafka_ConfigResource_t,
    setting: &str,
) -> Option<(TopicName, Result<String, RDKafkaErrorCode>)> {
    // SAFETY: as the caller has promised; the texts are the answer's.
    unsafe {
        let name = TopicName::new(text_of(sys::rd_kafka_ConfigResource_name(topic))).ok()?;
        if let Some(code) = fault_of(sys::rd_kafka_ConfigResource_error(topic)) {
            return Some((name, Err(code)));
        }
        let mut count = 0;
        let entries = results(sys::rd_kafka_ConfigResource_configs(topic, &raw mut count), count);
        let entry = entries.iter().find(|entry| text_of(sys::rd_kafka_ConfigEntry_name(**entry)) == setting)?;
        Some((name, Ok(text_of(sys::rd_kafka_ConfigEntry_value(*entry)))))
    }
}

pub(super) fn c_string(text: &str) -> CString {
    CString::new(text).expect("names and settings have no zero byte")
}

/// Asks a broker for next to nothing.
pub(crate) fn ping(client: &Arc<impl Client>, timeout: Duration) -> Result<(), Fault> {
    let mut metadata = ptr::null();
    // SAFETY: the client is alive; what is written to `metadata` is ours.
    unsafe {
        let error = sys::rd_kafka_metadata(client.native(), 0, ptr::null_mut(), &raw mut metadata, millis(timeout));
        if let Some(code) = fault_of(error) {
            return Err(Fault::of_code(code));
        }
        sys::rd_kafka_metadata_destroy(metadata);
        Ok(())
    }
}
