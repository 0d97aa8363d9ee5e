//! What librdkafka's and the brokers' faults are to the contract.

use linecook_log::{Error, ErrorKind, TopicName};
use rdkafka::error::RDKafkaErrorCode as Code;

use crate::native::Fault;

/// The contract's error for a fault of something that has no effect when it fails. `what` says what could not be done, with
/// the name of the thing.
pub(crate) fn error(what: impl Into<String>, fault: Fault) -> Error {
    of_kind(kind_of(fault.code), what.into(), fault)
}

/// The same of something that may have had its effect.
pub(crate) fn unknown(what: impl Into<String>, fault: Fault) -> Error {
    Error::new(ErrorKind::Unknown, what.into()).with_source(Said(fault))
}

/// The same of records on their way out. `Invalid` is what is so of the records for ever. That their topic is not there, or
/// that there is no right to write it, is no fault of theirs: they wait until somebody has mended it.
pub(crate) fn of_records(what: impl Into<String>, fault: Fault) -> Error {
    let kind = match kind_of(fault.code) {
        ErrorKind::Invalid if !is_of_records(fault.code) => ErrorKind::Unavailable,
        kind => kind,
    };
    of_kind(kind, what.into(), fault)
}

fn of_kind(kind: ErrorKind, what: String, fault: Fault) -> Error {
    let text = match right_for(fault.code) {
        Some(right) => format!("{what}: the cluster does not allow it; missing right: {right}"),
        None => what,
    };
    Error::new(kind, text).with_source(Said(fault))
}

fn is_of_records(code: Code) -> bool {
    matches!(
        code,
        Code::MessageSizeTooLarge
            | Code::InvalidMessageSize
            | Code::InvalidRecord
            | Code::InvalidDifferentRecord
            | Code::InvalidArgument
    )
}

/// Topics that were there, and are no longer seen.
pub(crate) fn gone(kind: ErrorKind, topics: &[TopicName]) -> Error {
    let names: Vec<_> = topics.iter().map(TopicName::as_str).collect();
    let text = format!(
        "a topic is not there any more, or there is no right to see it: topics={}; the services that declare it make it \
         anew when they start",
        names.join(",")
    );
    Error::new(kind, text)
}

/// What the caller can do about a fault that left nothing behind.
pub(crate) fn kind_of(code: Code) -> ErrorKind {
    match code {
        Code::FencedInstanceId
        | Code::IllegalGeneration
        | Code::UnknownMemberId
        | Code::ProducerFenced
        | Code::Fenced
        | Code::InvalidProducerEpoch => ErrorKind::Fenced,
        Code::UnknownTopicOrPartition
        | Code::UnknownTopic
        | Code::UnknownPartition
        | Code::MessageSizeTooLarge
        | Code::InvalidMessageSize
        | Code::InvalidRecord
        | Code::InvalidDifferentRecord
        | Code::InvalidTopic
        | Code::InvalidPartitions
        | Code::PolicyViolation
        | Code::InvalidArgument
        | Code::InvalidConfig
        | Code::UnsupportedVersion
        | Code::UnsupportedSASLMechanism
        | Code::GroupIdNotFound
        | Code::NonEmptyGroup
        | Code::UnsupportedFeature => ErrorKind::Invalid,
        code if is_refusal(code) => ErrorKind::Invalid,
        // Also that brokers are too few for a topic's replicas: how many those are the cluster says, and one that is on its
        // way up says at first that none of its brokers is there.
        _ => ErrorKind::Unavailable,
    }
}

/// Whether the cluster does not let us in, or do that: waiting does not help.
pub(crate) fn is_refusal(code: Code) -> bool {
    right_for(code).is_some() || is_login(code)
}

/// Whether it is about being let in.
pub(crate) fn is_login(code: Code) -> bool {
    matches!(code, Code::Authentication | Code::SaslAuthenticationFailed | Code::SSL)
}

/// Whether the cluster has said, or we have seen, that we do not belong together. librdkafka calls it the same when a
/// broker goes away in the middle of its greeting, and says only in words that it did.
pub(crate) fn is_refused_login(fault: &Fault) -> bool {
    const GONE: [&str; 6] = ["disconnected", "connection reset", "closed", "transport", "timed out", "broken pipe"];
    let text = fault.text.to_lowercase();
    is_login(fault.code) && !GONE.iter().any(|word| text.contains(word))
}

/// Whether it only says that there was no answer.
pub(crate) fn is_silence(code: Code) -> bool {
    matches!(
        code,
        Code::OperationTimedOut
            | Code::TimedOutQueue
            | Code::MessageTimedOut
            | Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::RequestTimedOut
            | Code::WaitingForCoordinator
            | Code::Resolve
    )
}

/// Whether it is a matter of moments: the leader of a partition has moved, or is being chosen.
pub(crate) fn is_passing(code: Code) -> bool {
    matches!(
        code,
        Code::NotLeaderForPartition
            | Code::LeaderNotAvailable
            | Code::UnknownTopicOrPartition
            | Code::OffsetNotAvailable
            | Code::KafkaStorageError
            | Code::FencedLeaderEpoch
            | Code::UnknownLeaderEpoch
    )
}

/// Whether somebody has to be given a right.
pub(crate) fn is_missing_right(code: Code) -> bool {
    right_for(code).is_some()
}

/// What an access control list would have to allow.
fn right_for(code: Code) -> Option<&'static str> {
    match code {
        Code::TopicAuthorizationFailed => Some("on the topic"),
        Code::GroupAuthorizationFailed => Some("on the group"),
        Code::ClusterAuthorizationFailed => Some("on the cluster"),
        Code::TransactionalIdAuthorizationFailed => Some("on the transactional id"),
        _ => None,
    }
}

/// A fault as the source of an error.
#[derive(Debug)]
struct Said(Fault);

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.text.trim())
    }
}

impl std::error::Error for Said {}

/// A copy of an error, for one more who has to hear it.
pub(crate) fn copy_of(error: &Error) -> Error {
    Error::new(error.kind(), error.chain())
}
