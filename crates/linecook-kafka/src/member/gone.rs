//! Topics that somebody has deleted.
//!
//! The client does not say so, or not for minutes: of a topic that the group has subscribed it takes the partitions away, of
//! another it says once that it is not known, and not when it is there again; what is sent to one is stored nowhere until
//! its time is over. So the cluster is asked: now and then, and after a commit for which there was no time.

use std::time::Duration;

use linecook_log::{Error, ErrorKind, TopicName};
use rdkafka::error::RDKafkaErrorCode;

use super::{KafkaMember, LOOK_EVERY, commit::Prepared, owned::Owned};
use crate::fault;

impl KafkaMember {
    /// Looks whether the topics that it reads are there.
    pub(super) fn look_for_topics(&mut self) {
        let cluster = &self.shared.cluster;
        if cluster.news.is_silent() {
            return;
        }
        let Ok(missing) = cluster.missing(self.spec.inputs.iter().flat_map(|input| &input.topics), LOOK_EVERY) else {
            return; // that no broker answers is said elsewhere
        };
        self.missing = missing;
        for owned in self.owned.iter_mut().filter(|owned| is_unknown(owned)) {
            if !self.missing.contains(&owned.at.topic) {
                owned.fault = None;
            }
        }
    }

    /// Which topics are not there, of those that it reads.
    pub(super) fn missing_topics(&self) -> Option<Error> {
        (!self.missing.is_empty()).then(|| fault::gone(ErrorKind::Unavailable, &self.missing))
    }

    /// Why it is not known where to begin, if that is because a topic is not there.
    pub(super) fn unless_gone(&self, error: Error) -> Error {
        self.explained(ErrorKind::Unavailable, error, &self.spec.topics())
    }

    /// Why a commit did not come to its end, if that is because one of its topics is not there. It stays what it is.
    pub(super) fn commit_error(&self, error: Error, prepared: &Prepared) -> Error {
        match error.kind() {
            kind @ (ErrorKind::Unavailable | ErrorKind::Unknown) => {
                self.explained(kind, error, &prepared.topics(&self.spec.group))
            }
            _ => error,
        }
    }

    /// An error of that kind if some of these topics are not there, `error` behind it; or else that.
    fn explained(&self, kind: ErrorKind, error: Error, topics: &[TopicName]) -> Error {
        if topics.is_empty() {
            return error;
        }
        match self.shared.cluster.missing(topics.iter(), Duration::ZERO) {
            Ok(missing) if !missing.is_empty() => fault::gone(kind, &missing).with_source(error),
            _ => error,
        }
    }
}

fn is_unknown(owned: &Owned) -> bool {
    let is_it = |code| matches!(code, RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic);
    owned.fault.as_ref().is_some_and(|(code, _)| is_it(*code))
}
