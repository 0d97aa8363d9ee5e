//! The settings file of the article's services.

/// As each of the article's services has it.
pub(crate) const ARTICLE: &str = "\
[kafka_client]
bootstrap.servers={kafka bootstrap server}
security.protocol=SASL_SSL
sasl.mechanisms=PLAIN
sasl.username={API Key or Username}
sasl.password={API Secret or Password}

[consumer]
group.id=pizza_shop
auto.offset.reset=earliest
enable.auto.commit=true
max.poll.interval.ms=3000000
";
