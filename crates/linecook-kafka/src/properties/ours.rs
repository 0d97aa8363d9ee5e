//! What is ours to say: with any other value the guarantees would be gone, or there would be no client.

/// A clause, and the properties that are ignored because of it. Their other names are among them.
const OURS: [(&str, &[&str]); 16] = [
    ("the group is named after the service", &["group.id"]),
    (
        "offsets are part of the transaction",
        &[
            "auto.commit.enable",
            "auto.commit.interval.ms",
            "enable.auto.commit",
            "enable.auto.offset.store",
            "offset.store.method",
            "offset.store.path",
            "offset.store.sync.interval.ms",
        ],
    ),
    (
        "a group begins at the start of a topic, and accept_gap says what happens when records are gone",
        &["auto.offset.reset"],
    ),
    ("only what is committed is read", &["isolation.level"]),
    (
        "every commit is one transaction, and nothing is acknowledged before all replicas in sync have it",
        &[
            "acks",
            "enable.gapless.guarantee",
            "enable.idempotence",
            "max.in.flight",
            "max.in.flight.requests.per.connection",
            "message.send.max.retries",
            "queue.buffering.backpressure.threshold",
            "queuing.strategy",
            "request.required.acks",
            "retries",
        ],
    ),
    ("it is made of the service, the instance and the worker", &["group.instance.id", "transactional.id"]),
    (
        "partitions move as instances come and go",
        &["group.protocol", "group.protocol.type", "group.remote.assignor", "partition.assignment.strategy"],
    ),
    (
        "how long a worker may take and a process may be gone is the same on every log",
        &["heartbeat.interval.ms", "max.poll.interval.ms", "session.timeout.ms", "transaction.timeout.ms"],
    ),
    ("a record is delivered within its transaction or not at all", &["delivery.timeout.ms", "message.timeout.ms"]),
    ("a commit sends its records at once and waits for them", &["linger.ms", "queue.buffering.max.ms"]),
    (
        "memory is bounded whatever the size of a commit",
        &["queue.buffering.max.kbytes", "queue.buffering.max.messages"],
    ),
    ("clients are named after the instance", &["client.id"]),
    ("it follows from max_record_bytes", &["fetch.max.bytes", "message.max.bytes", "receive.message.max.bytes"]),
    ("the partition of a key is the same on every log: murmur2, as Kafka's Java client has it", &["partitioner"]),
    ("topics are created with the partitions that they need", &["allow.auto.create.topics"]),
    (
        "what the client tells is read by the program",
        &[
            "delivery.report.only.error",
            "enable.partition.eof",
            "enabled_events",
            "log.queue",
            "produce.offset.report",
            "statistics.interval.ms",
        ],
    ),
];

/// Why that property is ignored, if it is. To librdkafka one of a topic may also begin with `topic.`.
pub(super) fn reason(name: &str) -> Option<&'static str> {
    let name = name.strip_prefix("topic.").unwrap_or(name);
    OURS.iter().find(|(_, names)| names.contains(&name)).map(|(because, _)| *because)
}

#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    OURS.iter().flat_map(|(_, names)| names.iter().copied())
}
