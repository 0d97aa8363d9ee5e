//! Clients of a cluster: how they are set up, and what they tell by the way.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use linecook_log::{Error, Partition, Result, TopicName, TopicPartition};
use parking_lot::Mutex;
use rdkafka::{
    ClientConfig, ClientContext, TopicPartitionList,
    client::Client,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::{KafkaError, RDKafkaErrorCode},
    message::DeliveryResult,
    producer::{BaseProducer, ProducerContext},
    types::RDKafkaRespErr,
};

use crate::{
    Options, fault,
    native::{Fault, mended},
};

pub(crate) type Consumer = BaseConsumer<Context>;
pub(crate) type Producer = BaseProducer<Context>;

/// What clients tell of the cluster as a whole: whether it answers, and if not, why.
#[derive(Debug, Default)]
pub(crate) struct News(Mutex<Heard>);

#[derive(Debug, Default)]
struct Heard {
    last: Option<Fault>,
    /// No broker can be reached: nobody needs to wait for the next attempt.
    are_all_down: bool,
    /// The last that was asked has not answered.
    is_silent: bool,
    /// Somebody was let in since the log is open.
    was_let_in: bool,
    /// When whoever waits for a broker gives up, since the log ends.
    over_at: Option<Duration>,
}

impl News {
    pub(crate) fn heard(&self, mut fault: Fault) {
        if !fault::is_silence(fault.code) && !fault::is_login(fault.code) {
            return; // it is about something else
        }
        let mut heard = self.0.lock();
        heard.are_all_down |= fault.code == RDKafkaErrorCode::AllBrokersDown;
        // A broker on its way down or up cuts a greeting short, which looks like a refusal.
        if fault::is_login(fault.code) && (heard.was_let_in || !fault::is_refused_login(&fault)) {
            fault.code = RDKafkaErrorCode::BrokerTransportFailure;
        }
        // "All brokers are down" says less than the reason that came before it.
        if heard.last.is_none() || fault.code != RDKafkaErrorCode::AllBrokersDown {
            heard.last = Some(fault);
        }
    }

    pub(crate) fn last(&self) -> Option<Fault> {
        self.0.lock().last.clone()
    }

    /// A broker has answered.
    pub(crate) fn answered(&self) {
        let mut heard = self.0.lock();
        heard.last.take();
        (heard.are_all_down, heard.is_silent, heard.was_let_in) = (false, false, true);
    }

    pub(crate) fn not_answered(&self) {
        self.0.lock().is_silent = true;
    }

    pub(crate) fn are_all_down(&self) -> bool {
        self.0.lock().are_all_down
    }

    pub(crate) fn is_silent(&self) -> bool {
        self.0.lock().is_silent
    }

    /// From then on nobody waits for a broker any more.
    pub(crate) fn ends_at(&self, over_at: Duration) {
        self.0.lock().over_at.get_or_insert(over_at);
    }

    /// The deadline, or an earlier one since the log ends.
    pub(crate) fn deadline(&self, deadline: Duration) -> Duration {
        self.0.lock().over_at.map_or(deadline, |over_at| over_at.min(deadline))
    }
}

/// What a group wants of a consumer, in the order in which it is told.
#[derive(Debug)]
pub(crate) enum Rebalance {
    Assigned(Vec<TopicPartition>),
    Revoked(Vec<TopicPartition>),
    Lost(Vec<TopicPartition>),
}

/// What a client calls back.
pub(crate) struct Context {
    news: Arc<News>,
    rebalances: Mutex<VecDeque<Rebalance>>,
}

impl Context {
    fn new(news: &Arc<News>) -> Self {
        Self { news: Arc::clone(news), rebalances: Mutex::default() }
    }

    pub(crate) fn next_rebalance(&self) -> Option<Rebalance> {
        self.rebalances.lock().pop_front()
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        tell(level as i32, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if let Some(code) = error.rdkafka_error_code() {
            self.news.heard(Fault::new(code, reason));
        }
    }
}

impl ConsumerContext for Context {
    /// Called by a poll, on the thread of the member. It acts on it when it comes to that.
    fn rebalance(&self, consumer: &BaseConsumer<Self>, event: RDKafkaRespErr, list: &mut TopicPartitionList) {
        if event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            return self.rebalances.lock().push_back(Rebalance::Assigned(partitions(list)));
        }
        let partitions = partitions(list);
        let is_lost = consumer.assignment_lost();
        self.rebalances.lock().push_back(if is_lost {
            Rebalance::Lost(partitions)
        } else {
            Rebalance::Revoked(partitions)
        });
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = usize;

    /// Deliveries are taken from the queue by who waits for them; what comes here when a client ends was given up.
    fn delivery(&self, _: &DeliveryResult<'_>, _: usize) {}
}

fn partitions(list: &TopicPartitionList) -> Vec<TopicPartition> {
    let named = |(topic, partition): (String, i32)| {
        let topic = TopicName::new(topic).ok()?;
        Some(TopicPartition { topic, partition: Partition(u32::try_from(partition).ok()?) })
    };
    let mut partitions: Vec<_> = list.to_topic_map().into_keys().filter_map(named).collect();
    partitions.sort();
    partitions
}

/// What librdkafka writes to its log. It tells each attempt to connect, which is for who looks for a fault; what has
/// consequences is told by who bears them.
pub(crate) fn tell(level: i32, facility: &str, text: &str) {
    if level <= RDKafkaLogLevel::Critical as i32 {
        tracing::error!(target: "librdkafka", facility, "{text}");
    } else {
        tracing::debug!(target: "librdkafka", facility, "{text}");
    }
}

/// What an operator may set otherwise: it makes nothing wrong.
const DEFAULTS: &[(&str, &str)] = &[
    // A small request is sent at once.
    ("socket.nagle.disable", "true"),
    // A broker that is back is found in a second, not in ten.
    ("reconnect.backoff.ms", "50"),
    ("reconnect.backoff.max.ms", "1000"),
    ("retry.backoff.ms", "20"),
    ("retry.backoff.max.ms", "1000"),
    // What a broker does with idle connections is no news.
    ("log.connection.close", "false"),
];
const CONSUMER_DEFAULTS: &[(&str, &str)] = &[
    ("fetch.queue.backoff.ms", "10"),
    ("fetch.error.backoff.ms", "50"),
    // A broker has one request for records at a time: what is taken up while it waits for news waits with it.
    ("fetch.wait.max.ms", "100"),
    // Bounds what is fetched ahead, whatever the lag.
    ("queued.max.messages.kbytes", "16384"),
];
/// As large as a broker takes by default: only one batch of a partition is on its way at a time, and as long as another
/// waits behind it, librdkafka's thread spins.
const PRODUCER_DEFAULTS: &[(&str, &str)] = &[("batch.size", "1000000")];

/// How clients of a log are set up: what is good unless somebody knows better, what the operator says, and what is ours
/// to say. Each kind adds what it needs to these.
fn base(options: &Options, defaults: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    // Its own filter is the level of `tracing`; see `tell`.
    config.set_log_level(RDKafkaLogLevel::Info);
    let defaults = DEFAULTS.iter().chain(defaults).copied();
    for (name, value) in defaults.chain(options.properties.client()) {
        config.set(name, value);
    }
    config.set("client.id", options.instance.as_str());
    config
}

fn consumer(options: &Options) -> ClientConfig {
    let mut config = base(options, CONSUMER_DEFAULTS);
    for (name, value) in options.properties.consumer() {
        config.set(name, value);
    }
    config.set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
    config.set("isolation.level", "read_committed");
    // Where to begin is said with each assignment; what is missing is said, not skipped.
    config.set("auto.offset.reset", "error");
    config.set("allow.auto.create.topics", "false");
    config
}

/// A client that asks about the cluster.
pub(crate) fn asking(options: &Options, news: &Arc<News>) -> Result<Consumer> {
    let mut config = base(options, &[]);
    config.set("allow.auto.create.topics", "false");
    // Nobody joins it. librdkafka looks for the coordinator of its client's group when a broker says that it is not, or no
    // longer, that of the group whose offsets were asked for; a client without a group dies of that
    // (`rd_kafka_handle_OffsetFetch`, a null pointer).
    config.set("group.id", "linecook-asks");
    create(&config, news)
}

/// A client that reads partitions without a group.
pub(crate) fn reading(options: &Options, news: &Arc<News>) -> Result<Consumer> {
    let mut config = consumer(options);
    // Who reads up to an end that was asked for is not to wait long for what is behind it.
    config.set("fetch.wait.max.ms", "10");
    create(&config, news)
}

/// The client of a member: its group, its name there, and how long it may go without a poll.
pub(crate) fn consuming(
    options: &Options,
    news: &Arc<News>,
    (group, name): (&str, &str),
    max_silence: Duration,
) -> Result<Consumer> {
    let mut config = consumer(options);
    let session = options.session_timeout.as_millis();
    config.set("group.id", group).set("group.instance.id", name);
    config.set("partition.assignment.strategy", "cooperative-sticky");
    config.set("session.timeout.ms", session.to_string());
    config.set("heartbeat.interval.ms", (session / 10).max(50).to_string());
    // librdkafka wants it to be the longer of the two.
    config.set("max.poll.interval.ms", max_silence.as_millis().max(session).to_string());
    create(&config, news)
}

/// A client that appends without transactions.
pub(crate) fn appending(options: &Options, news: &Arc<News>, give_up_after: Duration) -> Result<Producer> {
    let mut config = producing(options);
    config.set("message.timeout.ms", give_up_after.as_millis().to_string());
    create(&config, news)
}

/// A client for transactions of that name.
pub(crate) fn transacting(options: &Options, news: &Arc<News>, transactional_id: &str) -> Result<Producer> {
    let mut config = producing(options);
    let timeout = options.session_timeout.as_millis().to_string();
    config.set("transactional.id", transactional_id).set("transaction.timeout.ms", &timeout);
    config.set("message.timeout.ms", timeout);
    create(&config, news)
}

fn producing(options: &Options) -> ClientConfig {
    let mut config = base(options, PRODUCER_DEFAULTS);
    config.set("enable.idempotence", "true");
    // With more, the first request for a partition may be refused and the one behind it taken, since of a producer that it
    // knows nothing of a broker takes any number for its first; and librdkafka acknowledges both (`rd_kafka_dr_implicit_ack`).
    config.set("max.in.flight.requests.per.connection", "1");
    // Who makes a topic knows how many partitions it has to have: a broker would make one that was deleted with any number.
    config.set("allow.auto.create.topics", "false");
    // What waits is sent at once; what piles up meanwhile is the next batch.
    config.set("linger.ms", "0");
    config.set("queue.buffering.max.messages", "1000000").set("queue.buffering.max.kbytes", "65536");
    // Checked by us, for the record alone; a broker's limit is for a batch, with its own headers.
    config.set("message.max.bytes", (options.max_record_bytes + 64 * 1024).to_string());
    config
}

fn create<T: FromClientConfigAndContext<Context>>(config: &ClientConfig, news: &Arc<News>) -> Result<T> {
    mended::link();
    config
        .create_with_context(Context::new(news))
        .map_err(|error| Error::invalid("a client of Kafka cannot be made with these properties").with_source(error))
}

/// What a call of rdkafka's says went wrong.
pub(crate) fn fault_in(error: &KafkaError) -> Fault {
    let text = match error {
        KafkaError::Transaction(native) => native.string(),
        other => other.rdkafka_error_code().map_or_else(|| other.to_string(), |code| code.to_string()),
    };
    Fault::new(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail), text)
}

/// Why a client can do nothing any more, if so.
pub(crate) fn fatal_error<C: ClientContext>(client: &Client<C>) -> Option<Fault> {
    client.fatal_error().map(|(code, text)| Fault::new(code, text))
}

/// Why a call failed: what its answer says, and if that is only that there was none, the reason that the client has.
pub(crate) fn reason(fault: Fault, news: &News) -> Fault {
    if fault::is_silence(fault.code) { news.last().unwrap_or(fault) } else { fault }
}

#[cfg(test)]
mod tests;
